//! The tiny model of the parity fixtures: a few thousand random weights.

pub mod parameters;
pub mod recorded;

use burn::tensor::Device;
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{LoraConfig, Targets, attach, load_adapter};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::files::{parity, tiny};

/// Loads the tiny model of the parity fixtures in f32, with all weights frozen and without an adapter.
///
/// # Panics
/// When the fixtures are missing.
#[must_use]
pub fn model() -> Vlm {
    model_in(Precision::F32)
}

/// Loads the tiny model with the weights of its linear layers in `precision`, all frozen and without an adapter.
///
/// # Panics
/// When the fixtures are missing.
#[must_use]
pub fn model_in(precision: Precision) -> Vlm {
    Vlm::load_in(precision, &tiny(), &Device::flex()).expect("the tiny model")
}

/// Loads the tiny model with its processor, in f32, to answer and train on conversations. Images are not split into
/// tiles.
///
/// # Panics
/// When the fixtures are missing.
#[must_use]
pub fn pipeline() -> VlmPipeline {
    pipeline_in(Precision::F32)
}

/// Loads the tiny model as [`pipeline`] does, with the weights of its linear layers in `precision`.
///
/// # Panics
/// When the fixtures are missing.
#[must_use]
pub fn pipeline_in(precision: Precision) -> VlmPipeline {
    pipeline_on(&Device::flex(), precision)
}

/// Loads the tiny model as [`pipeline_in`] does, on `device`.
///
/// # Panics
/// When the fixtures are missing, or the device does not support the precision.
#[must_use]
pub fn pipeline_on(device: &Device, precision: Precision) -> VlmPipeline {
    let mut pipeline = VlmPipeline::load_in(precision, &tiny(), device).expect("the tiny model");
    pipeline.processor.set_image_splitting(Some(false));
    pipeline
}

/// Loads the tiny model as [`pipeline`] does, with the trainable adapter in the folder `adapter` of the
/// parity fixtures.
///
/// # Panics
/// When there is no such adapter.
#[must_use]
pub fn pipeline_with(adapter: &str) -> VlmPipeline {
    let mut pipeline = pipeline();
    load_adapter(&mut pipeline.model, &parity().join(adapter)).expect("an adapter");
    pipeline.refresh();
    pipeline
}

/// Returns a LoRA config of rank 2 and alpha 4 for all linear layers, with PEFT's defaults otherwise.
#[must_use]
pub fn lora() -> LoraConfig {
    LoraConfig::new(2, 4.0, all_linear())
}

/// Returns the targets that select all linear layers.
#[must_use]
pub fn all_linear() -> Targets {
    Targets::Pattern("all-linear".to_owned())
}

/// Attaches an adapter of `config`, newly initialised with seed 1, to the whole model. Returns the names of
/// its modules.
///
/// # Panics
/// When the config does not fit the model.
pub fn attach_new(model: &mut Vlm, config: &LoraConfig) -> Vec<String> {
    attach(model, config, 1, |_| true).expect("attached")
}

/// Loads the tiny model in f32 and attaches a newly initialised adapter of the config [`lora`].
///
/// # Panics
/// When the fixtures are missing.
#[must_use]
pub fn model_with_lora() -> Vlm {
    let mut model = model();
    attach_new(&mut model, &lora());
    model
}
