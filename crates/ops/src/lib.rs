#![doc = include_str!("../README.md")]

mod packed_weight;

mod attention;
mod cpu;
mod cross_entropy;
mod device_activation;
mod gated;
mod gelu;
mod layer_norm;
mod linear;
mod matmul;
mod nf4;
mod process;
mod products;
mod recorded;
mod rms_norm;
mod rotary;
mod simd;
#[cfg(test)]
mod testing;
mod tile;
mod unary;
mod values;

pub use attention::heads::Heads;
pub use attention::plan::{AttentionPlan, Segment};
pub use attention::{attention, attention_score_bytes};
pub use cross_entropy::{
    LOGIT_ROWS, LOGIT_TENSORS, LOGITS_ON_DEVICE, cross_entropy, logit_rows_on_device, token_logprobs,
};
pub use gated::{geglu_tanh, swiglu};
pub use gelu::{gelu, gelu_quick, gelu_tanh};
pub use layer_norm::layer_norm;
pub use linear::{Lora, Weight, linear, lora_linear, low_rank};
pub use nf4::{NF4_PIECE, Nf4Tensor};
pub use packed_weight::{PackedWeight, Precision};
pub use process::{exit_process, keep_freed_memory};
pub use rms_norm::rms_norm;
pub use rotary::{RotaryTables, rotary};
pub use values::{host_reads, host_writes, row_of, tensor_of, values_of};
