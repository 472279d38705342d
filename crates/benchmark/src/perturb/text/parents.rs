//! The question is shown with answers to the questions it builds on, given as context. `parents_gold` gives the
//! right answers, `parents_predicted` gives the model's own answers to the clean questions, and `parents_wrong`
//! gives the right answers with one of them replaced by a plausible wrong answer to a question of stage 2 or 3; the
//! modality or the view rarely decides the answer. The clean question is shown without this context.

use std::collections::BTreeSet;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::prompt::{ContextAnswer, PromptOptions, gold_text};

use crate::perturb::support::wrong_answer::wrong_answer;
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Recall, Scene, Skip};

/// Entry in the registry of conditions, by which a suite file names `parents_gold`: the right answers to the questions
/// that the item builds on are given as context.
pub const GOLD: PerturbationKind = PerturbationKind::of::<Gold>(
    "parents_gold",
    Purpose::Assist,
    "the right answers to the questions it builds on are given",
);
/// Entry in the registry of conditions, by which a suite file names `parents_predicted`: the model's own answers to the
/// questions that the item builds on are given as context.
pub const PREDICTED: PerturbationKind = PerturbationKind::of::<Predicted>(
    "parents_predicted",
    Purpose::Assist,
    "the model's own answers to the questions it builds on are given",
);
/// Entry in the registry of conditions, by which a suite file names `parents_wrong`: the answers to the questions that
/// the item builds on are given as context, one of them wrong.
pub const WRONG: PerturbationKind = PerturbationKind::of::<Wrong>(
    "parents_wrong",
    Purpose::Attack,
    "the answers to the questions it builds on are given, one of them wrong",
);

/// Earlier questions whose answers are given as context.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// Questions that the item builds on directly.
    #[default]
    Parents,
    /// Questions that the item builds on directly or indirectly.
    Ancestors,
}

/// Perturbation `parents_gold`: shows the right answers to the earlier questions as context.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Gold {
    /// Earlier questions that are given; direct parents by default.
    pub reach: Reach,
}

/// Perturbation `parents_predicted`: shows the model's own clean answers to the earlier questions as context.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Predicted {
    /// Earlier questions that are given; direct parents by default.
    pub reach: Reach,
    /// Clinical stages, 1 to 4, whose questions get the right answer instead of the model's own; empty by default. The
    /// gain in accuracy measures the cost of errors in these stages.
    pub gold_stages: Vec<u8>,
}

/// Perturbation `parents_wrong`: shows the right answers to the earlier questions as context, one of them replaced by a
/// wrong answer.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Wrong {
    /// Earlier questions that are given; direct parents by default.
    pub reach: Reach,
}

impl Perturbation for Gold {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(knowing(gold(scene, &earlier(scene, self.reach)?), None))
    }
}

impl Perturbation for Predicted {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let earlier = earlier(scene, self.reach)?;
        let mut context = gold(scene, &earlier);
        let mut own = Vec::new();
        for (place, &item) in earlier.iter().enumerate() {
            if !self.gold_stages.contains(&scene.case.chain[item].stage) {
                // Filled in after the model is evaluated on that question.
                context[place].answer.clear();
                own.push((place, item));
            }
        }
        Ok(knowing(context, (!own.is_empty()).then_some(Recall::Context(own))))
    }
}

impl Perturbation for Wrong {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let earlier = earlier(scene, self.reach)?;
        let mut context = gold(scene, &earlier);
        let wrong: Vec<(usize, String)> = earlier
            .iter()
            .enumerate()
            .filter(|(_, item)| scene.case.chain[**item].stage >= 2)
            .filter_map(|(place, &item)| {
                let named = wrong_answer(&Scene { item: &scene.case.chain[item], ..*scene }).ok()?;
                Some((place, named.text))
            })
            .collect();
        let (place, answer) = wrong
            .choose(&mut scene.draw("wrong_parent"))
            .ok_or(Skip("no wrong answer to a question of stage 2 or 3 that it builds on"))?;
        context[*place].answer.clone_from(answer);
        Ok(knowing(context, None))
    }
}

/// Returns the chain indices of the questions that the item builds on, in the order of the chain.
fn earlier(scene: &Scene<'_>, reach: Reach) -> Result<Vec<usize>, Skip> {
    if scene.item.stage < 2 {
        return Err(Skip("the first stage builds on no earlier one"));
    }
    let chain = &scene.case.chain;
    let mut wanted: BTreeSet<&str> = scene.item.parents.iter().map(String::as_str).collect();
    let mut found: Vec<usize> = Vec::new();
    // Parents come before their children, so one pass from the end visits every ancestor after its child.
    for (index, other) in chain.iter().enumerate().rev() {
        if wanted.contains(other.id.as_str()) {
            found.push(index);
            if reach == Reach::Ancestors {
                wanted.extend(other.parents.iter().map(String::as_str));
            }
        }
    }
    found.reverse();
    if found.is_empty() { Err(Skip("it builds on no other question")) } else { Ok(found) }
}

fn gold(scene: &Scene<'_>, earlier: &[usize]) -> Vec<ContextAnswer> {
    let items = earlier.iter().map(|&index| &scene.case.chain[index]);
    items.map(|item| ContextAnswer { question: item.question.clone(), answer: gold_text(scene.case, item) }).collect()
}

fn knowing(context: Vec<ContextAnswer>, recall: Option<Recall>) -> Perturbed {
    Perturbed { frame: PromptOptions { context, ..PromptOptions::default() }, recall, ..Perturbed::default() }
}
