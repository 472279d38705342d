//! LoRA adapters, in and out of PEFT folders.

mod config;
mod folder;
mod targets;

pub use config::{LoraConfig, Targets};
pub use folder::{load_adapter, save_adapter};

use burn::tensor::{Tensor, TensorData};
use rand::RngCore;
use stepwise_curriculum::random::stream;

use crate::model::Vlm;
use crate::model::layers::LoraLayer;
use crate::model::parameter::Parameter;
use crate::weights::WeightError;

/// What can go wrong with an adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A target names no module.
    #[error("{field}: {target:?} matches no linear layer -> {}", nearest.as_ref().map_or("name some, or write \"all-linear\"".to_owned(), |near| format!("the nearest is {near:?}")))]
    NoMatch {
        /// The key that holds the target.
        field: &'static str,
        /// The target.
        target: String,
        /// The most similar module.
        nearest: Option<String>,
    },
    /// A pattern is not a regular expression.
    #[error("{field}: {pattern:?} is not a regular expression: {problem} -> correct it, or give a list of names")]
    Pattern {
        /// The key that holds the pattern.
        field: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// `adapter_config.json` cannot be taken.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights are not what they should be.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// Puts a fresh adapter, in place of any other, on every linear layer the config selects and `allowed` lets through:
/// `lora_A` uniform within `1 / sqrt(in)` (Kaiming with a = sqrt 5, PEFT's default), `lora_B` zero. Returns the names of
/// the adapted modules. The output head takes no adapter.
///
/// # Errors
/// When a target matches nothing.
pub fn attach(
    model: &mut Vlm,
    config: &LoraConfig,
    seed: u64,
    allowed: impl Fn(&str) -> bool,
) -> Result<Vec<String>, AdapterError> {
    let names: Vec<String> =
        model.linears().iter().map(|linear| linear.name().to_owned()).filter(|name| allowed(name)).collect();
    let chosen = targets::select(config, &names)?;
    let device = model.device().clone();
    for linear in model.linears() {
        linear.adapter = None;
        if !chosen.iter().any(|name| name == linear.name()) {
            continue;
        }
        let [inputs, outputs] = linear.sides();
        let bound = 1.0 / (inputs as f32).sqrt();
        let mut random = stream(seed, &["lora_A", linear.name()]);
        let down: Vec<f32> = (0..config.r * inputs)
            .map(|_| bound * ((random.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0))
            .collect();
        linear.adapter = Some(LoraLayer {
            down: Parameter::learning(Tensor::from_data(TensorData::new(down, [config.r, inputs]), &device)),
            up: Parameter::learning(Tensor::zeros([outputs, config.r], &device)),
            scale: config.scale(),
            dropout: config.lora_dropout,
        });
    }
    Ok(chosen)
}

/// Sets the share of inputs that every adapter drops in training.
pub fn set_dropout(model: &mut Vlm, share: f32) {
    for linear in model.linears() {
        if let Some(adapter) = &mut linear.adapter {
            adapter.dropout = share;
        }
    }
}

/// Adds every adapter's product to its weight and removes the adapter (PEFT's `merge_and_unload`).
pub fn merge(model: &mut Vlm) {
    for linear in model.linears() {
        if let Some(adapter) = linear.adapter.take() {
            let addition = adapter.up.values().matmul(adapter.down.values()) * adapter.scale;
            let merged = linear.weight.values() + addition;
            linear.weight.replace(merged);
        }
    }
}
