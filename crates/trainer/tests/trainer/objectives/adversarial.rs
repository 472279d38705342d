//! Consistency under an attack on the current model: the divergence of the answers to the attacked pixels from the answers to
//! the image, as in TRADES (Zhang et al. 2019).

use std::sync::Arc;

use stepwise_benchmark::perturb::adversarial::fgsm::Fgsm;
use stepwise_benchmark::rng::SuiteRng;
use stepwise_objectives::{Consistency, Distribution, Objectives, Scores, View, Weight, Weighted};
use stepwise_testing::model::pipeline_with;
use stepwise_trainer::batches::examples::{MicroBatch, PlannedAttack, TrainingExample};
use stepwise_trainer::objective::StepTotals;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use super::{options, packed, scored};

/// A question whose image waits for an attack of size `eps` with a random start, and its clean view.
fn attacked(pipeline: &VlmPipeline, objectives: &Arc<Objectives>, eps: f64, seed: u64) -> TrainingExample {
    let mut example = scored(pipeline, "single", &["MRI", "CT of the chest"], objectives);
    let own = options(&mut example).clone();
    let clean = EncodableExample { conversation: own.question.clone(), images: example.example.images.clone() };
    options(&mut example).views.push((View::Clean, clean, own.texts.clone()));
    example.attack = Some(PlannedAttack {
        attack: Arc::new(Fgsm { eps, targeted: false, random_start: true }),
        rng: SuiteRng { seed, version: 1 },
        question: own.question,
        target: own.texts[0].clone(),
        about: ("case".to_owned(), "q".to_owned()),
    });
    example
}

/// Loss of `consistency` in the micro-batch.
fn loss(pipeline: &VlmPipeline, micro: &MicroBatch) -> f64 {
    let scored = micro.scored.as_ref().expect("scored");
    let mut totals = StepTotals::default();
    scored.count(&micro.batch.layout, &mut totals);
    let mut found = Vec::new();
    let mut weigh = |logprobs: &[f32]| {
        let weighing = scored.weigh(&micro.batch.layout, logprobs, &totals, 0.0).expect("finite");
        found = weighing.losses;
        weighing.weights
    };
    let (_, gradients) = pipeline.reweighted_gradients(&micro.batch, &mut weigh, false, &Pass::training(0));
    assert!(!gradients.is_empty());
    let [(name, loss)] = found[..] else { panic!("one loss: {found:?}") };
    assert_eq!(name, "consistency");
    loss
}

/// Probabilities of the options on the images of `example`, scored without gradients.
fn answers(pipeline: &VlmPipeline, example: &EncodableExample, texts: &[String]) -> Distribution {
    let found = pipeline.score(&[(example.clone(), texts.to_vec())], &Pass::ANSWER).expect("scores").remove(0);
    Distribution::of(&Scores {
        loglikelihoods: found.iter().map(|score| score.loglikelihood).collect(),
        tokens: found.iter().map(|score| score.token_ids.len()).collect(),
        reference: None,
    })
}

#[test]
fn consistency_is_the_divergence_of_the_attacked_answers_from_the_clean_ones() {
    let consistency = Some(Weighted { weight: Weight::constant(1.0), objective: Consistency {} });
    let objectives = Arc::new(Objectives { consistency, ..Objectives::default() });
    let pipeline = pipeline_with("tiny-lora");
    let made = |eps: f64, seed: u64| {
        let mut example = attacked(&pipeline, &objectives, eps, seed);
        let own = options(&mut example).clone();
        (own, packed(&pipeline, vec![example], true))
    };
    let (own, micro) = made(32.0, 1);
    let (_, clean, _) = &own.views[0];
    let shown = EncodableExample { conversation: own.question.clone(), images: micro.examples[0].images.clone() };
    let pixels = |example: &EncodableExample| example.images[0].tile_digests().to_vec();
    assert_ne!(pixels(&shown), pixels(clean), "the training example shows the attacked image");
    let expected = answers(&pipeline, clean, &own.texts).divergence(&answers(&pipeline, &shown, &own.texts));
    let found = loss(&pipeline, &micro);
    assert!(expected > 0.0 && (found - expected).abs() < 1e-6 + 1e-3 * expected, "{found} against {expected}");
    let weaker = loss(&pipeline, &made(0.1, 1).1);
    assert!(weaker < 0.1 * found, "{weaker} under a weak attack, {found} under a strong one");
    let images = |seed: u64| made(32.0, seed).1.examples[0].images[0].tile_digests().to_vec();
    assert_eq!(images(1), pixels(&shown), "the start depends on seed, case and question alone");
    assert_ne!(images(2), pixels(&shown));
}
