//! Linear layers with and without a LoRA adapter (Hu et al. 2021). The dense adapted weight is never built.

mod cpu;
mod device;

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::products::scaled;
use crate::{Nf4Tensor, PackedWeight};

/// Weight of a linear layer, `[out features, in features]` as in PyTorch.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Made and taken apart within one call.
pub enum Weight {
    /// Burn tensor on any device: in f32, trainable or frozen, or frozen in bf16. Products with bf16 round the other
    /// operand to bf16, too, and give f32.
    Tensor(Tensor<2>),
    /// Frozen weight on the CPU, packed for fast products. Its products never give it a gradient.
    Packed(Arc<PackedWeight>),
    /// Frozen weight in NF4 on a device other than the CPU. Its products never give it a gradient.
    Nf4(Arc<Nf4Tensor>),
}

impl From<Tensor<2>> for Weight {
    fn from(weight: Tensor<2>) -> Self {
        Self::Tensor(weight)
    }
}

impl From<Arc<PackedWeight>> for Weight {
    fn from(weight: Arc<PackedWeight>) -> Self {
        Self::Packed(weight)
    }
}

impl From<Arc<Nf4Tensor>> for Weight {
    fn from(weight: Arc<Nf4Tensor>) -> Self {
        Self::Nf4(weight)
    }
}

/// Low-rank addition to a weight (LoRA, Hu et al. 2021): `scale * up * down`, `[out features, in features]`.
#[derive(Clone, Debug)]
pub struct Lora {
    /// PEFT's `lora_A`, `[rank, in]`.
    pub down: Tensor<2>,
    /// PEFT's `lora_B`, `[out, rank]`.
    pub up: Tensor<2>,
    /// Factor of the addition: `lora_alpha / r`, or `lora_alpha / sqrt(r)` with rsLoRA (Kalajdzievski 2023).
    pub scale: f32,
}

/// Returns `x weight^T + bias`, `[tokens, out]`. `x` is `[tokens, in]`, `weight` is `[out, in]`, and `bias` is `[out]`;
/// None adds nothing. Away from the CPU a packed weight is unpacked to the device of `x` at every call.
///
/// # Panics
/// When the shapes do not fit together.
#[must_use]
pub fn linear(x: Tensor<2>, weight: impl std::convert::Into<Weight>, bias: Option<Tensor<1>>) -> Tensor<2> {
    apply(x, weight.into(), bias, None)
}

/// Returns `x weight^T + bias + scale (x down^T) up^T`, `[tokens, out]` (LoRA, Hu et al. 2021). `x` is `[tokens, in]`,
/// `weight` is `[out, in]`, and `bias` is `[out]`; None adds nothing. The sum of `weight` and the addition is never
/// built, which saves its memory.
///
/// # Panics
/// When the shapes do not fit together.
#[must_use]
pub fn lora_linear(
    x: Tensor<2>,
    weight: impl std::convert::Into<Weight>,
    bias: Option<Tensor<1>>,
    lora: Lora,
) -> Tensor<2> {
    apply(x, weight.into(), bias, Some(lora))
}

/// Returns `scale (x down^T) up^T`, `[tokens, out]`, the addition of an adapter alone. `x` is `[tokens, in]`. On devices
/// other than the CPU the narrow factor is scaled, which is one pass fewer over the output.
///
/// # Panics
/// When the shapes do not fit together.
#[must_use]
pub fn low_rank(x: Tensor<2>, Lora { down, up, scale }: Lora) -> Tensor<2> {
    if crate::cpu::takes(&x) {
        linear(linear(x, down, None), up, None) * scale
    } else {
        linear(scaled(linear(x, down, None), scale), up, None)
    }
}

fn apply(x: Tensor<2>, weight: Weight, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
    if cpu::takes(&x, &weight, bias.as_ref(), lora.as_ref()) {
        cpu::apply(x, weight, bias, lora)
    } else {
        device::apply(x, weight, bias, lora)
    }
}

#[cfg(test)]
mod tests;
