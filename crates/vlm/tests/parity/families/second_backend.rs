//! Models of all families on another backend compute as on the CPU.
#![allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.

use burn::tensor::Device;
use stepwise_testing::model::attach_new;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::pipeline::VlmPipeline;

use super::fixture::{Fixture, fixtures};
use crate::second_backend::{Both, PRECISIONS, assert_same_answers, assert_same_of, assert_same_slopes, random};

/// Calls `check` with the name of each fixture and precision, the pipelines with an adapter, and the fixture.
fn every_family(check: impl Fn(&str, &mut Both, &Fixture)) {
    for fixture in fixtures() {
        for precision in PRECISIONS {
            let mut both = [Device::flex(), Device::ndarray()].map(|device| {
                let folder = fixture.folder.join("model");
                let mut pipeline = VlmPipeline::load_in(precision, &folder, &device).expect(&fixture.name);
                attach_new(&mut pipeline.model, &random());
                pipeline.refresh();
                pipeline
            });
            check(&format!("{} in {precision:?}", fixture.name), &mut both, &fixture);
        }
    }
}

fn questions(fixture: &Fixture, pipeline: &VlmPipeline) -> Vec<EncodableExample> {
    fixture.conversations().map(|key| fixture.example(pipeline, key, false)).collect()
}

#[test]
fn adapters_of_every_family_give_the_losses_and_gradients_of_the_cpu() {
    every_family(|what, both, fixture| {
        assert_same_of(what, both, |pipeline| {
            fixture.conversations().map(|key| fixture.example(pipeline, key, true)).collect()
        });
    });
}

#[test]
fn options_and_answers_of_every_family_equal_those_of_the_cpu() {
    every_family(|what, both, fixture| assert_same_answers(what, both, |pipeline| questions(fixture, pipeline)));
}

#[test]
fn pixel_gradients_of_every_family_equal_those_of_the_cpu() {
    every_family(|what, both, fixture| {
        assert_same_slopes(what, both, |pipeline| {
            questions(fixture, pipeline).into_iter().filter(|question| !question.images.is_empty()).collect()
        });
    });
}
