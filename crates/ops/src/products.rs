//! Matrix products on devices other than the CPU, in f32 or bf16.

use burn::tensor::{DType, FloatDType, Tensor};

/// Returns `a b`, `[rows, columns]` in f32, for `a`, `[rows, inner]` in f32, and `b`, `[inner, columns]` in f32 or bf16.
/// With a `b` in bf16, `a` is rounded to bf16, products are added up in f32, and the sums are rounded to bf16, as
/// PyTorch computes with bf16 weights. Burn's GPU backends round f32 operands to TF32 (10 bits of mantissa) where the
/// device has matrix units for it, which is every NVIDIA card since Ampere.
///
/// # Panics
/// When the shapes do not fit together.
pub fn product(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let ([rows, inner], [_, columns]) = (a.dims(), b.dims());
    if rows == 0 || inner == 0 || columns == 0 {
        // GPU kernels for products without values do not exist.
        return Tensor::zeros([rows, columns], &a.device());
    }
    match b.dtype() {
        DType::BF16 => a.cast(FloatDType::BF16).matmul(b).cast(FloatDType::F32),
        _ => a.matmul(b),
    }
}

/// Returns `factor * x` without an operation for a factor of 1.
#[allow(clippy::float_cmp)] // Exactly 1 leaves every value as it is.
pub fn scaled(x: Tensor<2>, factor: f32) -> Tensor<2> {
    if factor == 1.0 { x } else { x * factor }
}
