//! Fast arithmetic for Burn: fused operations with their own backward on the CPU, the plain composition everywhere else.
//!
//! Every operation is a function of tensors. Where all of them are `f32` on Burn's CPU backend it runs a kernel of this
//! crate; on any other backend, and in the tests that check the kernels, it runs the same formula written with Burn's
//! own operations. Tensors are two-dimensional, `[tokens, features]`: sequences lie end to end and a [`Plan`] says which
//! tokens see which, so there is no padding to compute.

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
pub use attention::plan::{Plan, Segment};
pub use cross_entropy::{cross_entropy, token_logprobs};
pub use gelu::gelu_tanh;
pub use layer_norm::layer_norm;
pub use linear::{Lora, Weight, linear, lora_linear};
pub use packed_weight::{Packed, Precision};
pub use rms_norm::rms_norm;
pub use rotary::rotary;
pub use swiglu::swiglu;
