//! Linear layers on the CPU, with their own backward pass.

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::{Lora, Weight};
use crate::matmul::{Into, Target, View, product};
use crate::{PackedWeight, cpu, simd};

/// Returns whether the kernels support the arguments: f32 tensors on the CPU, and a packed weight.
pub(super) fn takes(x: &Tensor<2>, weight: &Weight, bias: Option<&Tensor<1>>, lora: Option<&Lora>) -> bool {
    let weight = match weight {
        Weight::Tensor(weight) => cpu::takes(weight),
        Weight::Packed(_) => true,
        Weight::Nf4(_) => false,
    };
    cpu::takes(x)
        && weight
        && bias.is_none_or(cpu::takes)
        && lora.is_none_or(|lora| cpu::takes(&lora.down) && cpu::takes(&lora.up))
}

/// Returns the output of the layer, `[tokens, out]`, as part of the autodiff graph if an argument is tracked.
///
/// # Panics
/// When [`takes`] is false for the arguments.
pub(super) fn apply(x: Tensor<2>, weight: Weight, bias: Option<Tensor<1>>, lora: Option<Lora>) -> Tensor<2> {
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
            Weight::Nf4(_) => unreachable!("checked with `takes`"),
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
        Weight::Nf4(_) => unreachable!("checked with `takes`"),
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
