//! The gradient of each objective with respect to the parameters against differences of its loss.

use std::sync::Arc;

use stepwise_objectives::{Objectives, Weight};
use stepwise_testing::model::parameters::{Values, gradients_of, replace};
use stepwise_testing::model::pipeline_with;
use stepwise_trainer::batches::examples::MicroBatch;
use stepwise_trainer::objective::StepTotals;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use super::{all, examples, packed};

/// Loss of the only objective in use, as the mean over its questions, and its gradient.
fn loss_and_gradient(pipeline: &mut VlmPipeline, micro: &MicroBatch) -> (f64, Values) {
    let scored = micro.scored.as_ref().expect("scored");
    let mut totals = StepTotals::default();
    scored.count(&micro.batch.layout, &mut totals);
    let mut loss = 0.0;
    let mut weigh = |logprobs: &[f32]| {
        let weighing = scored.weigh(&micro.batch.layout, logprobs, &totals, 0.0).expect("finite");
        loss = weighing.losses.iter().map(|(name, loss)| loss / totals.questions[name] as f64).sum();
        weighing.weights
    };
    let parts = pipeline.reweighted_gradients(&micro.batch, &mut weigh, false, &Pass::training(0)).1;
    let gradient = parts.iter().flat_map(|part| gradients_of(&mut pipeline.model, part)).collect();
    (loss, gradient)
}

/// Removes all objectives but `name`, which gets the weight 1.
fn only(name: &str) -> Objectives {
    let mut one = Objectives { cross_entropy: Weight::constant(0.0), ..Objectives::default() };
    macro_rules! keep {
        ($($field:ident)*) => {
            $(if stringify!($field) == name {
                one.$field = all().$field;
                one.$field.as_mut().expect("in use").weight = Weight::constant(1.0);
            })*
        };
    }
    keep!(dpo simpo unlikelihood expected_reward product_of_experts pair conditional_preference contrast masked_kl);
    one
}

#[test]
fn gradients_of_parameters_equal_differences_of_losses() {
    // The gradient of `consistency` leaves out the clean distribution, so it is not a difference of the loss.
    for name in Objectives::NAMES.iter().filter(|name| **name != "consistency") {
        let objectives = Arc::new(only(name));
        let mut pipeline = pipeline_with("tiny-lora");
        let micro = packed(&pipeline, examples(&pipeline, &objectives), true);
        let (loss, gradient) = loss_and_gradient(&mut pipeline, &micro);
        let norm = gradient.values().flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt();
        assert!(norm > 1e-4, "{name}: {norm}");
        // A step along the gradient that changes the loss by about 2 %, far above rounding; central differences are exact
        // for the quadratic part.
        let step = 0.02 * loss.abs().min(1.0) / norm;
        let at = |scale: f64| {
            let mut moved = pipeline_with("tiny-lora");
            replace(&mut moved.model, |name, values| {
                let gradient = gradient.get(name)?;
                Some(
                    values
                        .iter()
                        .zip(gradient)
                        .map(|(value, g)| value + (scale * f64::from(*g) / norm) as f32)
                        .collect(),
                )
            });
            moved.refresh();
            loss_and_gradient(&mut moved, &micro).0
        };
        let difference = (at(step) - at(-step)) / (2.0 * step);
        assert!((difference - norm).abs() < 0.02 * norm, "{name}: {difference} against {norm}");
    }
}
