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
        let run = |operation: &dyn Fn([Tensor<2>; N]) -> Tensor<2>| {
            let mut index = 0;
            let leaves = arguments.clone().map(|argument| {
                let leaf = tracked.is_none_or(|only| only == index);
                index += 1;
                if leaf { argument.autodiff().require_grad() } else { argument }
            });
            let out = operation(leaves.clone());
            let weights = values(out.dims(), 99).autodiff();
            let grads = (out.clone() * weights).sum().backward();
            let gradients = leaves.map(|leaf| if leaf.is_autodiff() { leaf.grad(&grads).map(read) } else { None });
            (read(out), gradients)
        };
        let ((mine, my_gradients), (reference, gradients)) = (run(&kernel), run(&composition));
        close("value", &mine, &reference);
        for (index, (mine, reference)) in my_gradients.iter().zip(&gradients).enumerate() {
            match (mine, reference) {
                (Some(mine), Some(reference)) => close(&format!("gradient of argument {index}"), mine, reference),
                (mine, reference) => assert_eq!(mine.is_some(), reference.is_some(), "gradient of argument {index}"),
            }
        }
    }
}
