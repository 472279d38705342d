//! Conversion between Burn's tensors and `f32` slices of its CPU backend, and loops over rows on all threads.

use std::ops::Range;

use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::{Autodiff, Flex, TensorMetadata};
use burn::tensor::{DType, Device, Shape, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

/// Tensor of the CPU backend as a node of the autodiff graph.
pub type Node = burn::backend::tensor::FloatTensor<Autodiff<Flex>>;

/// Returns whether the kernels of this crate support the tensor: `f32` on the CPU backend, with or without autodiff.
pub fn takes<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.dtype() == DType::F32 && tensor.device().without_autodiff() == Device::flex()
}

/// Returns the tensor's values, contiguous and without the autodiff graph.
///
/// # Panics
/// When [`takes`] is false for the tensor.
pub fn plain<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    contiguous(tensor.inner().try_into_primitive::<Flex>().expect("checked with `takes`"))
}

/// Returns the tensor's contiguous values and their autodiff node. A tensor without graph becomes a node
/// without gradient.
///
/// # Panics
/// When [`takes`] is false for the tensor.
pub fn node<const D: usize>(tensor: Tensor<D>) -> (FlexTensor, NodeGuard) {
    let tensor: Node = tensor.autodiff().try_into_primitive::<Autodiff<Flex>>().expect("checked with `takes`");
    let (values, node) = tensor.into_parts();
    (contiguous(values), node)
}

/// Makes a tensor without an autodiff graph from values of the CPU backend. `D` is the number of their dimensions.
pub fn tensor<const D: usize>(values: FlexTensor) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(values)
}

/// Makes a tensor from the output `out` of an operation and adds the operation to the autodiff graph. `nodes` are
/// the operation's arguments. `kept` holds the values that the backward pass needs; it is dropped if no argument
/// needs a gradient.
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

/// Returns the values in row order without gaps. They are copied only when they are not contiguous yet.
pub fn contiguous(values: FlexTensor) -> FlexTensor {
    if values.as_slice::<f32>().is_some() { values } else { values.to_contiguous() }
}

/// Returns the values of a contiguous `f32` tensor in row order.
///
/// # Panics
/// When the tensor is not contiguous or has another type.
pub fn slice(values: &FlexTensor) -> &[f32] {
    values.as_slice::<f32>().expect("contiguous f32")
}

/// Makes a tensor of `shape` from values in row order.
///
/// # Panics
/// When the number of values is not the product of `shape`.
pub fn from_vec(values: Vec<f32>, shape: &[usize]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, Shape::from(shape.to_vec())))
}

/// Takes the gradient of an operation's output out of `grads` and returns it, contiguous, for use in a backward step,
/// where the gradient exists.
///
/// # Panics
/// When there is no such gradient.
pub fn arriving<State, const N: usize>(ops: &Ops<State, N>, grads: &mut Gradients) -> FlexTensor {
    contiguous(grads.consume::<Flex>(&ops.node))
}

/// Adds the gradients of an operation's arguments to `grads`. `gradients` follow the order of the arguments; gradients
/// of arguments that need none are dropped, and arguments beyond the last gradient get none.
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

/// Runs `row_kernel(index, row)` on all threads for every row of `out`, in any order. A row has `width` values, the
/// last one fewer where `out` ends earlier, and `index` counts from 0. Does nothing when `width` is 0.
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

/// Makes a tensor with the shape of `x`, `[rows, width]`, row by row on all threads. The arguments of `row_kernel` are
/// the row of `x`, the row of the result (zeros, to be filled), and the range of both in the values.
///
/// # Panics
/// When `x` is not contiguous, is not `f32` or has fewer than two dimensions.
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
