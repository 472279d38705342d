//! Test helpers: compare a kernel's values and gradients with its composition on pseudo-random tensors.

use burn::tensor::{Device, Tensor, TensorData};

/// Returns a pseudo-random tensor of `shape` on the CPU with values between -2 and 2, the same for the same `seed`.
pub fn values(shape: [usize; 2], seed: u32) -> Tensor<2> {
    let mut state = seed.wrapping_mul(0x9E37_79B9).wrapping_add(0x85EB_CA6B);
    let drawn: Vec<f32> = (0..shape[0] * shape[1])
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state as f32 / u32::MAX as f32) * 4.0 - 2.0
        })
        .collect();
    Tensor::from_data(TensorData::new(drawn, shape), &Device::flex())
}

/// Shapes of tensors for operations on values or rows: without rows, of one value, of widths of model families' heads and
/// widths that are no multiple of the vector length, and of more values than one task computes.
pub const SHAPES: [[usize; 2]; 7] = [[0, 3], [1, 1], [3, 7], [5, 33], [2, 72], [7, 80], [67, 256]];

/// Returns `values` as a tensor of one row on the CPU.
pub fn row(values: &[f32]) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [1, values.len()]), &Device::flex())
}

/// Returns the values of an `f32` tensor in row order.
///
/// # Panics
/// When the tensor has another type.
pub fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_to_vec().expect("f32")
}

/// Asserts that two lists of values are close. `name` begins the message.
///
/// # Panics
/// When the lengths differ or a value of `mine` differs from `reference` by more than 1e-5 of the largest absolute
/// reference value, which counts as at least 0.1.
pub fn close(name: &str, mine: &[f32], reference: &[f32]) {
    assert_eq!(mine.len(), reference.len(), "{name}: lengths");
    let scale = reference.iter().fold(0.1_f32, |most, value| most.max(value.abs()));
    for (index, (mine, reference)) in mine.iter().zip(reference).enumerate() {
        assert!((mine - reference).abs() <= 1e-5 * scale, "{name}[{index}]: {mine} against {reference}");
    }
}

/// Returns a copy of a tensor without a graph on another device.
pub fn moved<const D: usize>(tensor: Tensor<D>, device: &Device) -> Tensor<D> {
    Tensor::from_data(tensor.into_data(), device)
}

/// Values of an operation's output, and the gradient of each argument; None for an argument that is not tracked.
type Outcome<const N: usize> = (Vec<f32>, [Option<Vec<f32>>; N]);

/// Computes an operation and the gradients of a weighted sum of its output. `tracked` is the only argument with a graph;
/// None gives all of them one.
fn outcome<const N: usize>(
    arguments: [Tensor<2>; N],
    tracked: Option<usize>,
    operation: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) -> Outcome<N> {
    let mut index = 0;
    let leaves = arguments.map(|argument| {
        let leaf = tracked.is_none_or(|only| only == index);
        index += 1;
        if leaf { argument.autodiff().require_grad() } else { argument }
    });
    let out = operation(leaves.clone());
    let weights = moved(values(out.dims(), 99), &out.device().without_autodiff()).autodiff();
    let grads = (out.clone() * weights).sum().backward();
    let gradients = leaves.map(|leaf| if leaf.is_autodiff() { leaf.grad(&grads).map(read) } else { None });
    (read(out), gradients)
}

/// Asserts that the results of two forms of an operation agree within the tolerance of [`close`].
fn same_outcome<const N: usize>((mine, my_gradients): Outcome<N>, (reference, gradients): Outcome<N>) {
    close("value", &mine, &reference);
    for (index, (mine, reference)) in my_gradients.iter().zip(&gradients).enumerate() {
        match (mine, reference) {
            (Some(mine), Some(reference)) => close(&format!("gradient of argument {index}"), mine, reference),
            (mine, reference) => assert_eq!(mine.is_some(), reference.is_some(), "gradient of argument {index}"),
        }
    }
}

/// Asserts that a kernel and its composition of Burn's operations agree: values without a graph, then values and all
/// gradients with every argument tracked alone and with all tracked together.
///
/// # Panics
/// When they do not agree within the tolerance of [`close`].
pub fn same_gradients<const N: usize>(
    arguments: [Tensor<2>; N],
    kernel: impl Fn([Tensor<2>; N]) -> Tensor<2>,
    composition: impl Fn([Tensor<2>; N]) -> Tensor<2>,
) {
    close("untracked", &read(kernel(arguments.clone())), &read(composition(arguments.clone())));
    for tracked in (0..N).map(Some).chain([None]) {
        let mine = outcome(arguments.clone(), tracked, &kernel);
        same_outcome(mine, outcome(arguments.clone(), tracked, &composition));
    }
}

/// Asserts that an operation gives the same values and gradients on the CPU and on a device of another backend, which
/// Burn's second CPU backend stands for. `arguments` are on the CPU.
///
/// # Panics
/// When they do not agree within the tolerance of [`close`].
#[allow(deprecated)] // Burn keeps this backend until its CPU backends are one.
pub fn same_on_a_device<const N: usize>(arguments: [Tensor<2>; N], operation: impl Fn([Tensor<2>; N]) -> Tensor<2>) {
    let there = arguments.clone().map(|argument| moved(argument, &Device::ndarray()));
    close("untracked", &read(operation(there.clone())), &read(operation(arguments.clone())));
    for tracked in (0..N).map(Some).chain([None]) {
        let mine = outcome(there.clone(), tracked, &operation);
        same_outcome(mine, outcome(arguments.clone(), tracked, &operation));
    }
}
