//! Tiles in batches, and long generation with keys and values written in place, on a device other than the CPU.
#![allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.

use burn::tensor::{Device, Tensor};
use stepwise_testing::model::pipeline_on;
use stepwise_testing::model::recorded::example;
use stepwise_vlm::Precision;
use stepwise_vlm::generate::generate;
use stepwise_vlm::nn::parameter::Pass;

use crate::conversation::Case;
use crate::fixtures::{TOLERANCE, assert_close};

/// More tokens than room for keys and values, and than rotary angles, is made for at once.
const MANY: usize = 140;

#[test]
fn tiles_encoded_together_have_the_features_of_tiles_encoded_alone() {
    let vectors = [Device::flex(), Device::ndarray()].map(|device| {
        let mut pipeline = pipeline_on(&device, Precision::F32);
        pipeline.processor.set_image_splitting(Some(true));
        let image = example(&pipeline, "split").images.remove(0);
        assert!(image.grid.tiles() > 2, "several tiles");
        let first = pipeline.image_features(&image, &Pass::ANSWER);
        assert_eq!(pipeline.image_features(&image, &Pass::ANSWER), first, "from the cache");
        first
    });
    assert_close("image features", &vectors[1], &vectors[0], TOLERANCE);
}

#[test]
fn long_answers_equal_those_of_the_cpu() {
    for case in ["split", "text_only"].map(Case::load) {
        let [here, there] = [Device::flex(), Device::ndarray()].map(|device| {
            let pipeline = pipeline_on(&device, Precision::F32);
            let pixels = case.pixels().map(|pixels| Tensor::from_data(pixels.into_data(), &device));
            let features = pixels.map(|pixels| pipeline.model.image_features(&[pixels], &Pass::ANSWER));
            generate(&pipeline.model, &case.prompt(), features, &[], MANY, Pass::ANSWER)
        });
        assert_eq!((there.ids, there.logprobs.len()), (here.ids, MANY), "{}", case.name);
        assert_close(case.name, &there.logprobs, &here.logprobs, TOLERANCE);
    }
}
