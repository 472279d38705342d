//! LoRA adapters, in and out of PEFT folders.

mod config;
mod error;
mod folder;
mod fresh;
mod patterns;
mod saved;
mod singular;
mod targets;
mod tridiagonal;

pub use config::{InitLoraWeights, LoraConfig, Targets};
pub use error::AdapterError;
pub use folder::{load_adapter, save_adapter};
pub use fresh::{attach, attach_watched, take_apart};

use crate::model::Vlm;

/// Sets the share of inputs that every adapter drops in training.
pub fn set_dropout(model: &mut Vlm, share: f32) {
    for linear in model.linears() {
        if let Some(adapter) = &mut linear.adapter {
            adapter.dropout = share;
        }
    }
}

/// Puts every adapter into its weight and removes it, and keeps the modules trained whole (PEFT's `merge_and_unload`).
pub fn merge(model: &mut Vlm) {
    saved::merge(model);
    for linear in model.linears() {
        if let Some(adapter) = linear.adapter.take() {
            let merged = adapter.merged(linear.weight.values());
            linear.weight.replace(merged);
        }
    }
}
