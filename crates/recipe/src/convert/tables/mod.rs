//! Keys of each tool, as its argument classes define them.

pub(super) mod axolotl;
pub(super) mod llama_factory;
pub(super) mod llama_factory_v1;
pub(super) mod megatron_swift;
pub(super) mod ms_swift;
mod reasons;
mod swift_arguments;
mod training_arguments;
pub(super) mod trl;
