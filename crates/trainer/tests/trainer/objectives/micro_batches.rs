//! The mean over questions does not depend on the division into micro-batches, on shared prefixes, on checkpointing, or on
//! the precision of the base.

use std::sync::Arc;

use stepwise_objectives::Weight;
use stepwise_testing::files::parity;
use stepwise_testing::model::parameters::trainable_parameters;
use stepwise_testing::model::{pipeline_in, pipeline_with};
use stepwise_trainer::batches::examples::MicroBatch;
use stepwise_trainer::optim::step::{StepError, StepOptions, Stepped, step};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::pipeline::VlmPipeline;

use super::{adamw, all, all_with, examples, options, packed};
use crate::OPTIONS;

/// Takes a step; the trainable parameters after it come last.
fn after(
    mut pipeline: VlmPipeline,
    divide: impl Fn(&VlmPipeline) -> Vec<MicroBatch>,
    options: StepOptions,
) -> (Stepped, Vec<f32>) {
    let micro_batches = divide(&pipeline);
    let stepped = step(&mut pipeline, &mut adamw(), &micro_batches, options).expect("a step");
    (stepped, trainable_parameters(&mut pipeline.model).into_values().flatten().collect())
}

fn near(what: &str, (one, moved): &(Stepped, Vec<f32>), (other, moved_too): &(Stepped, Vec<f32>)) {
    let losses = one.tally.objective_loss();
    assert_eq!(losses.len(), 10, "{losses:?}");
    for (name, loss) in &losses {
        let other = other.tally.objective_loss()[name];
        assert!((loss - other).abs() <= 1e-5 * (1.0 + loss.abs()), "{what}, {name}: {loss} against {other}");
    }
    assert!((one.tally.loss() - other.tally.loss()).abs() < 1e-5, "{what}");
    assert_eq!(one.tally.tokens(), other.tally.tokens(), "{what}: scored options are not supervised tokens");
    assert!((one.grad_norm - other.grad_norm).abs() <= 1e-4 * one.grad_norm, "{what}");
    let furthest = moved.iter().zip(moved_too).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest <= 2e-5, "{what}: a parameter differs by {furthest}");
}

#[test]
fn micro_batches_and_shared_prefixes_change_no_step() {
    let objectives = Arc::new(all());
    let divide = |each: usize, share: bool| {
        let objectives = Arc::clone(&objectives);
        move |pipeline: &VlmPipeline| {
            let all = examples(pipeline, &objectives);
            all.chunks(each).map(|some| packed(pipeline, some.to_vec(), share)).collect()
        }
    };
    let fresh = || pipeline_with("tiny-lora");
    let together = after(fresh(), divide(4, true), OPTIONS);
    near("two micro-batches", &together, &after(fresh(), divide(2, true), OPTIONS));
    near("without shared prefixes", &together, &after(fresh(), divide(4, false), OPTIONS));
    let checkpointing = StepOptions { gradient_checkpointing: true, ..OPTIONS };
    let checkpointed = after(fresh(), divide(4, true), checkpointing);
    assert_eq!(checkpointed.1, together.1, "checkpointing changes no bit");
    assert_eq!(checkpointed.0, together.0);
    let rows = |share| packed(&fresh(), examples(&fresh(), &objectives), share).batch.layout.rows();
    assert!(2 * rows(true) < rows(false), "options and views share their prefixes");
}

#[test]
fn weights_with_a_schedule_are_those_of_the_step_in_micro_batches_of_unequal_size() {
    let stepped = |cross_entropy: Weight, others: Weight, each: usize, objective_progress: f64| {
        let objectives = Arc::new(all_with(cross_entropy, others));
        let divide = |pipeline: &VlmPipeline| {
            let all = examples(pipeline, &objectives);
            all.chunks(each).map(|some| packed(pipeline, some.to_vec(), true)).collect()
        };
        after(pipeline_with("tiny-lora"), divide, StepOptions { objective_progress, ..OPTIONS })
    };
    let (cross_entropy, others) = (Weight::linear(1.0, 0.5), Weight::linear(0.0, 2.0));
    for progress in [0.0, 0.25, 1.0] {
        let constant = |weight: Weight| Weight::constant(weight.at(progress));
        let scheduled = stepped(cross_entropy, others, 4, progress);
        let expected = stepped(constant(cross_entropy), constant(others), 4, 0.0);
        assert_eq!((&scheduled.0, &scheduled.1), (&expected.0, &expected.1), "{progress}: to the bit");
        // Micro-batches of three questions and of one.
        near("unequal micro-batches", &scheduled, &stepped(cross_entropy, others, 3, progress));
    }
    let norms = [0.0, 0.25, 1.0].map(|progress| stepped(cross_entropy, others, 4, progress).0.grad_norm);
    assert!(norms[0] != norms[1] && norms[1] != norms[2], "the weights change the gradient: {norms:?}");
}

#[test]
fn a_base_in_four_bits_trains_all_objectives() {
    let objectives = Arc::new(all());
    let mut pipeline = pipeline_in(Precision::Nf4 { double_quant: true, bf16: false });
    load_adapter(&mut pipeline.model, &parity().join("tiny-lora")).expect("the adapter");
    pipeline.refresh();
    let divide = |pipeline: &VlmPipeline| vec![packed(pipeline, examples(pipeline, &objectives), true)];
    let (stepped, _) = after(pipeline, divide, OPTIONS);
    assert_eq!(stepped.tally.objective_loss().len(), 10);
    assert!(stepped.grad_norm.is_finite() && stepped.grad_norm > 0.0);
}

#[test]
fn a_prior_that_is_not_finite_ends_the_step_and_names_the_question() {
    let objectives = Arc::new(all());
    let mut pipeline = pipeline_with("tiny-lora");
    let mut all = examples(&pipeline, &objectives);
    options(&mut all[2]).counts = Some(vec![f64::NEG_INFINITY, 0.0]);
    let micro_batches = [packed(&pipeline, all, true)];
    let before = trainable_parameters(&mut pipeline.model);
    let error = step(&mut pipeline, &mut adamw(), &micro_batches, OPTIONS).expect_err("not finite");
    let StepError::NotFinite { what, value, names } = error else { panic!("{error}") };
    assert_eq!((what, value, names), ("prior", f64::NEG_INFINITY, vec!["multi_turn".to_owned()]));
    assert_eq!(trainable_parameters(&mut pipeline.model), before);
}
