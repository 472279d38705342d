//! `contrast` alone, without cross-entropy, against the formula of `docs/objectives.md` in double precision.

use std::collections::BTreeMap;
use std::sync::Arc;

use stepwise_objectives::{Contrast, Objectives, View, Weight, Weighted};
use stepwise_testing::model::pipeline_with;
use stepwise_trainer::objective::StepTotals;
use stepwise_trainer::optim::step::step;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use super::{TrainingExample, adamw, examples, options, packed};
use crate::OPTIONS;

const BETA: f64 = 0.5;

/// A pair of examples with `contrast` as the only loss.
fn pair(pipeline: &VlmPipeline) -> Vec<TrainingExample> {
    let contrast = Some(Weighted { weight: Weight::constant(1.0), objective: Contrast { beta: BETA } });
    let objectives = Arc::new(Objectives { cross_entropy: Weight::constant(0.0), contrast, ..Objectives::default() });
    examples(pipeline, &objectives).into_iter().take(2).collect()
}

/// Loss of a pair, and its derivatives with respect to the log-likelihoods of both right options on the image, on the
/// other image and without an image.
struct Expected {
    loss: f64,
    derivatives: [f64; 6],
}

/// Computes loss and derivatives from the scores of the model and of its base.
fn expected(pipeline: &VlmPipeline, pair: &[TrainingExample]) -> Expected {
    let mut pair = pair.to_vec();
    let texts = options(&mut pair[0]).texts.clone();
    let mut views = options(&mut pair[0]).views.iter();
    let without_image = views.find(|(view, ..)| *view == View::WithoutImage).expect("a view").1.clone();
    let [shown, other] = [0, 1].map(|place| EncodableExample {
        conversation: options(&mut pair[place]).question.clone(),
        images: pair[place].example.images.clone(),
    });
    // f(o|v), the log-likelihood of an option less the log-likelihood under the base.
    let f = |example: EncodableExample| -> Vec<f64> {
        let of = |pass: &Pass| pipeline.score(&[(example.clone(), texts.clone())], pass).expect("scores").remove(0);
        of(&Pass::ANSWER)
            .iter()
            .zip(of(&Pass::BASE))
            .map(|(own, base)| own.loglikelihood - base.loglikelihood)
            .collect()
    };
    let [shown, other, without_image] = [shown, other, without_image].map(f);
    let (g, h) = (options(&mut pair[0]).gold, options(&mut pair[1]).gold);
    let differences = [
        shown[g] - without_image[g],
        without_image[g] - other[g],
        other[h] - without_image[h],
        without_image[h] - shown[h],
    ];
    let [one, two, three, four] = differences.map(|d| -BETA / (1.0 + (BETA * d).exp()));
    Expected {
        loss: differences.iter().map(|d| (1.0 + (-BETA * d).exp()).ln()).sum(),
        derivatives: [one, two - one, -two, three, four - three, -four],
    }
}

#[test]
fn the_gradient_of_a_pair_is_the_derivative_of_its_four_differences() {
    let pipeline = pipeline_with("tiny-lora");
    let pair = pair(&pipeline);
    let Expected { loss, derivatives } = expected(&pipeline, &pair);
    let micro = packed(&pipeline, pair, true);
    let (layout, scored) = (&micro.batch.layout, micro.scored.as_ref().expect("scored"));
    let mut totals = StepTotals::default();
    scored.count(layout, &mut totals);
    assert_eq!(totals.questions, BTreeMap::from([("contrast", 1)]), "a pair counts once");
    // The weight of the negative log-probability of each token of a sequence, which is the same for all of them.
    let mut weights: BTreeMap<usize, f32> = BTreeMap::new();
    let mut weigh = |logprobs: &[f32]| {
        let weighing = scored.weigh(layout, logprobs, &totals, 0.0).expect("finite");
        let [(name, found)] = weighing.losses[..] else { panic!("{:?}", weighing.losses) };
        assert!(name == "contrast" && (found - loss).abs() < 1e-4, "{found} against {loss}");
        for (prediction, weight) in
            layout.predictions.iter().zip(&weighing.weights).filter(|(_, weight)| **weight != 0.0)
        {
            assert_eq!(weights.entry(prediction.sequence).or_insert(*weight), weight);
        }
        weighing.weights
    };
    assert!(!pipeline.reweighted_gradients(&micro.batch, &mut weigh, false, &Pass::training(0)).1.is_empty());
    let (mut found, mut wanted) = (weights.into_values().map(f64::from).collect::<Vec<_>>(), derivatives.map(|d| -d));
    found.sort_by(f64::total_cmp);
    wanted.sort_by(f64::total_cmp);
    assert_eq!(found.len(), wanted.len(), "{found:?} {wanted:?}");
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() < 1e-5, "{found} against {wanted}");
    }
}

#[test]
fn steps_on_contrast_alone_lower_it() {
    let (mut pipeline, mut optimizer) = (pipeline_with("tiny-lora"), adamw());
    let before = expected(&pipeline, &pair(&pipeline)).loss;
    for _ in 0..8 {
        let micro_batches = [packed(&pipeline, pair(&pipeline), true)];
        let stepped = step(&mut pipeline, &mut optimizer, &micro_batches, OPTIONS).expect("a step");
        assert_eq!(stepped.tally.objective_loss().len(), 1);
    }
    let after = expected(&pipeline, &pair(&pipeline)).loss;
    assert!(after < 0.9 * before, "{before} became {after}");
}
