//! LoRA adapters: creating them, reading and writing PEFT folders, merging them into the base weights.

mod attach;
mod modules_to_save;
mod svd;

mod config;
mod config_file;
mod error;
mod folder;
mod layers;
mod patterns;
mod targets;
mod tridiagonal;

pub use attach::{attach, attach_watched, take_apart};
pub use config::{InitLoraWeights, LoraConfig, Targets};
pub use error::AdapterError;
pub use folder::{load_adapter, save_adapter};
pub use targets::selected;

use crate::model::Vlm;

/// Sets the dropout probability of every adapter to `share`, at least 0 and below 1. Dropout acts in training
/// passes only.
pub fn set_dropout(model: &mut Vlm, share: f32) {
    for linear in model.linears() {
        if let Some(adapter) = &mut linear.adapter {
            adapter.dropout = share;
        }
    }
}

/// Adds every adapter to its base weight and removes the adapter (PEFT's `merge_and_unload`). Trained copies of
/// `modules_to_save` replace the original modules and are frozen. A merged packed weight becomes an f32 tensor. A pass
/// without adapters then gives the same as a pass with adapters.
pub fn merge(model: &mut Vlm) {
    crate::adapter::modules_to_save::merge(model);
    for linear in model.linears() {
        if let Some(adapter) = linear.adapter.take() {
            let merged = adapter.merged(linear.weight.values());
            linear.weight.replace(merged);
        }
    }
}
