//! Fused tensor operations for Burn: CPU kernels with their own backward pass, and a portable fallback.
//!
//! Every operation is a function of tensors. If all its arguments are `f32` on Burn's CPU backend (Flex), it runs a
//! kernel of this crate. On any other backend it runs the same formula composed of Burn's own operations; the tests
//! check the kernels against this composition. Tensors are two-dimensional, `[tokens, features]`: sequences lie end to
//! end without padding, and a [`Plan`] defines which tokens attend to which.

mod attention;
mod cpu;
mod cross_entropy;
mod gelu;
mod layer_norm;
mod linear;
mod matmul;
mod memory;
mod nf4;
mod packed;
mod plan;
mod rms_norm;
mod rotary;
mod simd;
mod swiglu;
#[cfg(test)]
mod testing;
mod tile;
mod unary;

pub use attention::attention;
pub use cross_entropy::{cross_entropy, token_logprobs};
pub use gelu::gelu_tanh;
pub use layer_norm::layer_norm;
pub use linear::{Lora, Weight, linear, lora_linear};
pub use memory::keep_freed_memory;
pub use packed::{Packed, Precision};
pub use plan::{Plan, Segment};
pub use rms_norm::rms_norm;
pub use rotary::rotary;
pub use swiglu::swiglu;
