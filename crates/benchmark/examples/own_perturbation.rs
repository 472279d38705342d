//! Adds a condition with a perturbation of one's own to the suite `fast` and evaluates a mock model with it:
//!
//!     cargo run --release -p stepwise-benchmark --example own_perturbation
//!
//! A suite in memory takes any type that implements `Perturbation`. Suite files name the kinds of the registry
//! (`perturb::kinds::KINDS`) only; docs/contributing.md says how a kind is added to it.
#![allow(clippy::print_stdout)] // A program for people, not a library.

use std::collections::HashMap;
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use stepwise_benchmark::mock::{BlindPrior, HintFollower, Planted};
use stepwise_benchmark::perturb::{Named, Perturbation, Perturbed, Purpose, Scene, Skip};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Options, RunProgress, run};
use stepwise_benchmark::subset::Subset;
use stepwise_benchmark::suite::{Condition, Suite};
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::{Answer, Case};
use stepwise_data::prompt::{InsertedText, Place, PromptOptions};
use stepwise_data::synth::{SynthOptions, case};

/// Claims, before the question, that a colleague voted for the first wrong option.
#[derive(Clone, Debug)]
struct Vote;

impl Perturbation for Vote {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let Answer::Choice { options, gold, .. } = &scene.item.answer else {
            return Err(Skip("only a choice has options to vote for"));
        };
        let wrong = (0..options.len()).find(|index| !gold.contains(index)).ok_or(Skip("no option is wrong"))?;
        let text = format!("A colleague voted for: {}", options[wrong]);
        Ok(Perturbed {
            frame: PromptOptions {
                inserts: vec![InsertedText { place: Place::BeforeQuestion, text }],
                ..PromptOptions::default()
            },
            // With a named answer, the benchmark counts how often it is followed.
            named: Some(Named { text: options[wrong].clone(), index: Some(wrong) }),
            ..Perturbed::default()
        })
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut suite = Suite::fast();
    suite.conditions.push(Condition {
        id: "vote".to_owned(),
        kind: "vote",
        on: None,
        purpose: Purpose::Attack,
        control: Some(suite.clean().id.clone()),
        max_items: None,
        subset: Subset::default(),
        parameters: toml::Table::new(),
        perturbation: Arc::new(Vote),
    });

    let options = SynthOptions { image_size: 64, ..SynthOptions::default() };
    let drawn: Vec<_> = (0..40).map(|index| case(index, &options)).collect();
    let cases: Vec<Case> = drawn.iter().map(|drawn| drawn.case.clone()).collect();
    let images: HashMap<&str, Arc<_>> =
        drawn.iter().map(|drawn| (drawn.case.case_id.as_str(), Arc::new(drawn.image.clone()))).collect();
    let load = |case: &Case, _index: usize| images.get(case.case_id.as_str()).cloned().ok_or("no such case".into());
    let plan = Plan::new(&suite, &cases);
    // Answers without looking at the image, and follows every sentence that names an answer.
    let mut model = Planted::knowing(&plan, HintFollower(BlindPrior));
    let options = Options {
        model: "hint-follower",
        known: &HashMap::new(),
        batch: 64,
        surrogate: None,
        progress: &mut |_: RunProgress<'_>| ControlFlow::Continue(()),
    };
    let answered = run(&plan, &load, &mut model, options)?;
    let summary = Summary::new(&suite, &answered.skips(&plan), &answered.outcomes, None);
    for condition in summary.conditions.iter().filter(|condition| ["clean", "vote"].contains(&condition.id.as_str())) {
        println!(
            "{}: {} of {} right, {} follow the vote",
            condition.id, condition.right, condition.n, condition.followed
        );
    }
    Ok(())
}
