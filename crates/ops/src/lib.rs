//! Fused tensor operations for Burn: CPU kernels with their own backward pass, and a portable fallback.
//!
//! Every operation is a function of tensors. If all its arguments are `f32` on Burn's CPU backend (Flex), it runs a
//! kernel of this crate. On any other backend it runs the same formula composed of Burn's own operations; the tests
//! check the kernels against this composition. Tensors are two-dimensional, `[tokens, features]`: sequences lie end to
//! end without padding, and a [`AttentionPlan`] defines which tokens attend to which.

mod allocator;
mod packed_weight;

mod attention;
mod cpu;
mod cross_entropy;
mod gelu;
mod layer_norm;
mod linear;
mod matmul;
mod nf4;
mod rms_norm;
mod rotary;
mod simd;
mod swiglu;
#[cfg(test)]
mod testing;
mod tile;
mod unary;

pub use allocator::keep_freed_memory;
pub use attention::attention;
pub use attention::plan::{AttentionPlan, Segment};
pub use cross_entropy::{cross_entropy, token_logprobs};
pub use gelu::gelu_tanh;
pub use layer_norm::layer_norm;
pub use linear::{Lora, Weight, linear, lora_linear};
pub use packed_weight::{PackedWeight, Precision};
pub use rms_norm::rms_norm;
pub use rotary::rotary;
pub use swiglu::swiglu;
