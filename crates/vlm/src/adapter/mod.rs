//! LoRA adapters, in and out of PEFT folders.

mod attach;
mod modules_to_save;
mod svd;

mod config;
mod error;
mod folder;
mod patterns;
mod targets;
mod tridiagonal;

pub use attach::{attach, attach_watched, take_apart};
pub use config::{InitLoraWeights, LoraConfig, Targets};
pub use error::AdapterError;
pub use folder::{load_adapter, save_adapter};

use crate::idefics3::Vlm;

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
    crate::adapter::modules_to_save::merge(model);
    for linear in model.linears() {
        if let Some(adapter) = linear.adapter.take() {
            let merged = adapter.merged(linear.weight.values());
            linear.weight.replace(merged);
        }
    }
}
