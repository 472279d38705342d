//! Conversion between Burn's tensors and `f32` slices of its CPU backend, and loops over rows on all threads.

use std::ops::Range;

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{DType, Device, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// A tensor of the CPU backend as a node of the autodiff graph.
pub type Node = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// Whether the kernels of this crate support the tensor: `f32` on the CPU backend.
pub fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device().without_autodiff() == Device::flex()
}

/// Contiguous values without the autodiff graph. Panics unless [`takes`] is true.
pub fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    contiguous(tensor.inner().try_into_primitive::<Flex>().expect("checked with `takes`"))
}

/// Contiguous values and their autodiff node. A constant becomes a node without gradient. Panics unless
/// [`takes`] is true.
pub fn node<const D: usize>(tensor: Tensor<D>) -> (FlexTensor, NodeGuard) {
    let tensor: Node = tensor.autodiff().try_into_primitive::<Autodiff<Flex>>().expect("checked with `takes`");
    let (values, node) = tensor.into_parts();
    (contiguous(values), node)
}

/// Makes a tensor without an autodiff graph.
pub fn tensor<const D: usize>(values: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(values)
}

/// Makes the output `out` of an operation with the arguments `nodes` a part of the autodiff graph. `kept` is what the
/// backward pass needs; it is dropped if no argument needs a gradient.
pub fn recorded<B: Backward<Flex, N>, const N: usize, const D: usize>(
    backward: B,
    nodes: [NodeGuard; N],
    kept: B::State,
    out: FlexTensor,
) -> Tensor<D> {
    let node = match backward.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(kept, out),
        OpsKind::UnTracked(step) => step.finish(out),
    };
    Tensor::from_primitive::<Autodiff<Flex>>(node)
}

/// Copies the values row by row unless they are contiguous already.
pub fn contiguous(values: FlexTensor) -> FlexTensor {
    if values.as_slice::<f32>().is_some() { values } else { values.to_contiguous() }
}

/// Values of a contiguous tensor. Panics for another layout or type.
pub fn slice(values: &FlexTensor) -> &[f32] {
    values.as_slice::<f32>().expect("contiguous f32")
}

/// Makes a tensor of `shape` from values in row order.
pub fn from_vec(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape.to_vec())))
}

/// Contiguous gradient of an operation's output.
pub fn arriving<State, const N: usize>(ops: &Ops<State, N>, grads: &mut Gradients) -> FlexTensor {
    contiguous(grads.consume::<Flex>(&ops.node))
}

/// Hands the gradients of an operation's arguments on to the arguments that need one, in the same order.
pub fn register<State, const N: usize>(
    ops: Ops<State, N>,
    gradients: impl IntoIterator<Item = FlexTensor>,
    grads: &mut Gradients,
) {
    for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
        if let Some(parent) = parent {
            grads.register::<Flex>(parent.id, gradient);
        }
    }
}

/// Runs `row_kernel(index, row)` on all threads for every row of `out`; a row has `width` values.
pub fn each_row(out: &mut [f32], width: usize, row_kernel: impl Fn(usize, &mut [f32]) + Sync + Send) {
    if width == 0 || out.is_empty() {
        return;
    }
    let rows = out.len() / width;
    let rows_a_task = rows.div_ceil(rayon::current_num_threads() * 4).max((4096 / width).max(1));
    out.par_chunks_mut(width * rows_a_task).enumerate().for_each(|(task, chunk)| {
        for (row, values) in chunk.chunks_mut(width).enumerate() {
            row_kernel(task * rows_a_task + row, values);
        }
    });
}

/// Makes a tensor with the shape of `x` row by row on all threads. The arguments of `row_kernel` are the row of `x`,
/// the row of the result, and the range of both in the values.
pub fn map_rows(x: &FlexTensor, row_kernel: impl Fn(&[f32], &mut [f32], Range<usize>) + Sync + Send) -> FlexTensor {
    let (values, shape) = (slice(x), x.shape());
    let width = shape[1];
    let mut out = vec![0.0; values.len()];
    each_row(&mut out, width, |index, out| {
        let at = index * width..(index + 1) * width;
        row_kernel(&values[at.clone()], out, at);
    });
    from_vec(out, &shape)
}
