//! Linear layers with and without a LoRA adapter (Hu et al. 2021). The dense adapted weight is never built.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Tensor, TensorData};
use burn_flex::FlexTensor;

use crate::matmul::{Into, Target, View, product};
use crate::{PackedWeight, cpu, simd};

/// Weight of a linear layer, `[out features, in features]` as in PyTorch.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant)] // Made and taken apart within one call.
pub enum Weight {
    /// Burn tensor, trainable or frozen, on any device.
    Tensor(Tensor<2>),
    /// Frozen weight on the CPU, packed for fast products. Its products never give it a gradient.
    Packed(Arc<PackedWeight>),
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

impl Weight {
    /// Returns the weight as a tensor; a packed one is unpacked to the device of `x`.
    fn tensor(self, x: &Tensor<2>) -> Tensor<2> {
        match self {
            Self::Tensor(weight) => weight,
            Self::Packed(weight) => {
                Tensor::from_data(TensorData::new(weight.unpacked(), weight.sides()), &x.device().without_autodiff())
            }
        }
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
    fused(x, weight.into(), bias, None)
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
    fused(x, weight.into(), bias, Some(lora))
}

fn composed(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
    let mut y = x.clone().matmul(weight.transpose());
    if let Some(bias) = bias {
        y = y + bias.unsqueeze();
    }
    match lora {
        None => y,
        Some(Lora { down, up, scale }) => y + x.matmul(down.transpose()).matmul(up.transpose()) * scale,
    }
}

fn fused(x: Tensor<2>, weight: Weight, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
    let cpu_all = cpu::takes(&x)
        && matches!(&weight, Weight::Packed(_)) | matches!(&weight, Weight::Tensor(weight) if cpu::takes(weight))
        && bias.as_ref().is_none_or(cpu::takes)
        && lora.as_ref().is_none_or(|lora| cpu::takes(&lora.down) && cpu::takes(&lora.up));
    if !cpu_all {
        let weight = weight.tensor(&x);
        return composed(x, weight, bias, lora);
    }
    let weight_learns = matches!(&weight, Weight::Tensor(weight) if weight.is_tracked());
    let tracked = x.is_tracked()
        || weight_learns
        || bias.as_ref().is_some_and(Tensor::is_tracked)
        || lora.as_ref().is_some_and(|lora| lora.down.is_tracked() || lora.up.is_tracked());
    if !tracked {
        let low_rank = lora.map(|Lora { down, up, scale }| LowRank {
            hidden: None,
            down: cpu::plain(down),
            up: cpu::plain(up),
            scale,
        });
        let weight = match weight {
            Weight::Tensor(weight) => Values::Tensor(cpu::plain(weight)),
            Weight::Packed(weight) => Values::Packed(weight),
        };
        return cpu::tensor(forward(&cpu::plain(x), &weight, bias.map(cpu::plain).as_ref(), low_rank).0);
    }
    // The backward step has a fixed number of nodes; absent arguments become constants of one value.
    let absent = || Tensor::<2>::zeros([1, 1], &x.device().without_autodiff());
    let bias_values = bias.as_ref().map(|bias| cpu::plain(bias.clone()));
    let bias_node = cpu::node(bias.unwrap_or_else(|| absent().reshape([1]))).1;
    let (down, up, scale) = match lora {
        Some(Lora { down, up, scale }) => (down, up, Some(scale)),
        None => (absent(), absent(), None),
    };
    let needs_x = weight_learns || down.is_tracked();
    let (weight, weight_node) = match weight {
        Weight::Tensor(weight) => {
            let (weight, node) = cpu::node(weight);
            (Values::Tensor(weight), node)
        }
        Weight::Packed(weight) => (Values::Packed(weight), cpu::node(absent()).1),
    };
    let (x, x_node) = cpu::node(x);
    let ((down, down_node), (up, up_node)) = (cpu::node(down), cpu::node(up));
    let low_rank = scale.map(|scale| LowRank { hidden: None, down, up, scale });
    let (out, low_rank) = forward(&x, &weight, bias_values.as_ref(), low_rank);
    let nodes = [x_node, weight_node, bias_node, down_node, up_node];
    cpu::recorded(LinearBackward, nodes, Kept { x: needs_x.then_some(x), weight, low_rank }, out)
}

#[derive(Clone, Debug)]
struct LowRank {
    /// `scale * x down^T`, `[tokens, rank]`; None before the forward pass.
    hidden: Option<FlexTensor>,
    down: FlexTensor,
    up: FlexTensor,
    scale: f32,
}

/// Weight without autodiff graph.
#[derive(Clone, Debug)]
enum Values {
    Tensor(FlexTensor),
    Packed(Arc<PackedWeight>),
}

impl Values {
    /// `[out, in]`.
    fn sides(&self) -> [usize; 2] {
        match self {
            Self::Tensor(weight) => sides(weight),
            Self::Packed(weight) => weight.sides(),
        }
    }
}

/// Values of the forward pass that the backward pass needs.
#[derive(Clone, Debug)]
struct Kept {
    x: Option<FlexTensor>,
    weight: Values,
    low_rank: Option<LowRank>,
}

fn sides(values: &FlexTensor) -> [usize; 2] {
    let shape = values.shape();
    [shape[0], shape[1]]
}

fn matrix(values: &FlexTensor) -> View<'_> {
    let [rows, columns] = sides(values);
    View::new(cpu::slice(values), rows, columns)
}

fn forward(
    x: &FlexTensor,
    weight: &Values,
    bias: Option<&FlexTensor>,
    low_rank: Option<LowRank>,
) -> (FlexTensor, Option<LowRank>) {
    let ([tokens, _], [out_features, _]) = (sides(x), weight.sides());
    let (x_values, bias) = (cpu::slice(x), bias.map(cpu::slice));
    let low_rank = low_rank.map(|low_rank| {
        let [rank, _] = sides(&low_rank.down);
        let mut hidden = vec![0.0; tokens * rank];
        let down = matrix(&low_rank.down).transposed();
        product(Target::new(&mut hidden, rank), Into::Set, low_rank.scale, matrix(x), down);
        LowRank { hidden: Some(cpu::from_vec(hidden, &[tokens, rank])), ..low_rank }
    });
    let y = match weight {
        Values::Packed(weight) => {
            let added = low_rank.as_ref().and_then(|low_rank| Some((low_rank.hidden.as_ref()?, &low_rank.up)));
            weight.forward(x_values, tokens, bias, added.map(|(hidden, up)| (cpu::slice(hidden), cpu::slice(up))))
        }
        Values::Tensor(weight) => {
            let mut y = vec![0.0; tokens * out_features];
            if let Some(bias) = bias {
                cpu::each_row(&mut y, out_features, |_, row| row.copy_from_slice(bias));
            }
            let into = if bias.is_some() { Into::Add } else { Into::Set };
            product(Target::new(&mut y, out_features), into, 1.0, matrix(x), matrix(weight).transposed());
            if let Some(LowRank { hidden: Some(hidden), up, .. }) = &low_rank {
                product(Target::new(&mut y, out_features), Into::Add, 1.0, matrix(hidden), matrix(up).transposed());
            }
            y
        }
    };
    (cpu::from_vec(y, &[tokens, out_features]), low_rank)
}

#[derive(Debug)]
struct LinearBackward;

impl Backward<Flex, 5> for LinearBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 5>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let Kept { x, weight, low_rank } = ops.state;
        let [x_parent, weight_parent, bias_parent, down_parent, up_parent] = ops.parents;
        let ([tokens, out_features], [_, in_features]) = (sides(&d_out), weight.sides());

        let d_hidden = low_rank.as_ref().map(|low_rank| {
            let [rank, _] = sides(&low_rank.down);
            let mut d_hidden = vec![0.0; tokens * rank];
            product(Target::new(&mut d_hidden, rank), Into::Set, low_rank.scale, matrix(&d_out), matrix(&low_rank.up));
            cpu::from_vec(d_hidden, &[tokens, rank])
        });
        if let Some(parent) = x_parent {
            let added = low_rank.as_ref().zip(d_hidden.as_ref()).map(|(low_rank, d_hidden)| (d_hidden, &low_rank.down));
            let d_x = match &weight {
                Values::Packed(weight) => {
                    let added = added.map(|(d_hidden, down)| (cpu::slice(d_hidden), cpu::slice(down)));
                    weight.backward(cpu::slice(&d_out), tokens, added)
                }
                Values::Tensor(weight) => {
                    let mut d_x = vec![0.0; tokens * in_features];
                    product(Target::new(&mut d_x, in_features), Into::Set, 1.0, matrix(&d_out), matrix(weight));
                    if let Some((d_hidden, down)) = added {
                        product(Target::new(&mut d_x, in_features), Into::Add, 1.0, matrix(d_hidden), matrix(down));
                    }
                    d_x
                }
            };
            grads.register::<Flex>(parent.id, cpu::from_vec(d_x, &[tokens, in_features]));
        }
        if let (Some(parent), Some(x)) = (weight_parent, &x) {
            grads.register::<Flex>(parent.id, outer(&d_out, x, 1.0));
        }
        if let Some(parent) = bias_parent {
            let mut d_bias = vec![0.0; out_features];
            for row in cpu::slice(&d_out).chunks_exact(out_features) {
                simd::add_scaled(&mut d_bias, row, 1.0);
            }
            grads.register::<Flex>(parent.id, cpu::from_vec(d_bias, &[out_features]));
        }
        if let (Some(parent), Some(x), Some(d_hidden)) = (down_parent, &x, &d_hidden) {
            grads.register::<Flex>(parent.id, outer(d_hidden, x, 1.0));
        }
        if let (Some(parent), Some(low_rank)) = (up_parent, &low_rank)
            && let Some(hidden) = &low_rank.hidden
        {
            grads.register::<Flex>(parent.id, outer(&d_out, hidden, 1.0));
        }
    }
}

/// Returns `factor * a^T b`, `[columns of a, columns of b]`; zeros if there are no tokens.
fn outer(a: &FlexTensor, b: &FlexTensor, factor: f32) -> FlexTensor {
    let ([_, rows], [_, columns]) = (sides(a), sides(b));
    let mut out = vec![0.0; rows * columns];
    product(Target::new(&mut out, columns), Into::Add, factor, matrix(a).transposed(), matrix(b));
    cpu::from_vec(out, &[rows, columns])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Precision;
    use crate::testing::{same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for (tokens, inputs, outputs) in [(1, 1, 1), (5, 7, 3), (130, 96, 200), (0, 4, 2)] {
            let row = |x: Tensor<2>| x.reshape([outputs]);
            same_gradients(
                [values([tokens, inputs], 1), values([outputs, inputs], 2), values([1, outputs], 3)],
                |[x, weight, bias]| linear(x, weight, Some(row(bias))),
                |[x, weight, bias]| composed(x, weight, Some(row(bias)), None),
            );
        }
    }

    #[test]
    fn a_packed_weight_equals_the_composition() {
        for (tokens, inputs, outputs, rank) in [(1, 1, 1, 1), (5, 7, 3, 2), (130, 96, 200, 8), (0, 4, 2, 3)] {
            let weight = values([outputs, inputs], 2);
            let packed = PackedWeight::new(&crate::testing::read(weight.clone()), [outputs, inputs], Precision::F32);
            let packed = Arc::new(packed);
            let lora = |down, up| Lora { down, up, scale: 0.7 };
            let row = |x: Tensor<2>| Some(x.reshape([outputs]));
            same_gradients(
                [
                    values([tokens, inputs], 1),
                    values([1, outputs], 5),
                    values([rank, inputs], 3),
                    values([outputs, rank], 4),
                ],
                |[x, bias, down, up]| lora_linear(x, Arc::clone(&packed), row(bias), lora(down, up)),
                |[x, bias, down, up]| composed(x, weight.clone(), row(bias), Some(lora(down, up))),
            );
        }
    }

    #[test]
    fn the_adapted_layer_equals_the_composition() {
        for (tokens, inputs, outputs, rank) in [(1, 1, 1, 1), (5, 7, 3, 2), (130, 96, 200, 8), (0, 4, 2, 3)] {
            let lora = |down, up| Lora { down, up, scale: 0.7 };
            same_gradients(
                [
                    values([tokens, inputs], 1),
                    values([outputs, inputs], 2),
                    values([rank, inputs], 3),
                    values([outputs, rank], 4),
                ],
                |[x, weight, down, up]| lora_linear(x, weight, None, lora(down, up)),
                |[x, weight, down, up]| composed(x, weight, None, Some(lora(down, up))),
            );
        }
    }

    #[test]
    fn a_strided_input_equals_the_composition() {
        let x = values([6, 4], 1);
        let narrow = x.clone().transpose().narrow(1, 1, 4); // [4, 4], strided
        let weight = values([3, 4], 2);
        let mine = crate::testing::read(linear(narrow.clone(), weight.clone(), None));
        crate::testing::close("strided", &mine, &crate::testing::read(composed(narrow, weight, None, None)));
    }
}
