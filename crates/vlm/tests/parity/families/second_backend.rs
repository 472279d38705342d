//! Models of all families on another backend compute as on the CPU.
#![allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.

use burn::tensor::Device;
use stepwise_testing::model::attach_new;
use stepwise_vlm::Precision;
use stepwise_vlm::pipeline::VlmPipeline;

use super::BUILT;
use super::fixture::fixtures;
use crate::second_backend::{assert_same_of, random};

#[test]
fn adapters_of_every_family_give_the_losses_and_gradients_of_the_cpu() {
    for fixture in fixtures(&BUILT) {
        for precision in [Precision::F32, Precision::Nf4 { double_quant: true, bf16: false }] {
            let mut both = [Device::flex(), Device::ndarray()].map(|device| {
                let folder = fixture.folder.join("model");
                let mut pipeline = VlmPipeline::load_in(precision, &folder, &device).expect(&fixture.name);
                attach_new(&mut pipeline.model, &random());
                pipeline.refresh();
                pipeline
            });
            let what = format!("{} in {precision:?}", fixture.name);
            assert_same_of(&what, &mut both, |pipeline| {
                fixture.conversations().map(|key| fixture.example(pipeline, key, true)).collect()
            });
        }
    }
}
