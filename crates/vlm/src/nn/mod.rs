//! Building blocks of model families: parameters, linear layers with LoRA, norms, gradient checkpointing.

pub(crate) mod angles;
pub(crate) mod checkpointing;
pub mod layers;
pub mod lora;
pub(crate) mod norm;
pub mod parameter;

pub mod source;
