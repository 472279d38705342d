//! GELU with the tanh approximation (Hendrycks and Gimpel 2016): `gelu_pytorch_tanh` in Hugging Face configs.

use burn::backend::TensorMetadata;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::unary::{Unary, apply};
use crate::{cpu, simd};

/// Number of values that one task of the thread pool computes.
const CHUNK: usize = 16_384;

/// Returns GELU with the tanh approximation (Hendrycks and Gimpel 2016),
/// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, of each value. `x` and the result are `[tokens, features]`.
#[must_use]
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    if cpu::takes(&x) { apply(Gelu, x) } else { composed(x) }
}

fn composed(x: Tensor<2>) -> Tensor<2> {
    let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

#[derive(Clone, Debug)]
struct Gelu;

impl Unary for Gelu {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let values = cpu::slice(x);
        let mut out = vec![0.0; values.len()];
        out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(out, x)| simd::gelu(x, out));
        cpu::from_vec(out, &x.shape())
    }

    fn backward(&self, x: &FlexTensor, d_out: &FlexTensor) -> FlexTensor {
        let (values, d_values) = (cpu::slice(x), cpu::slice(d_out));
        let mut d_x = vec![0.0; values.len()];
        d_x.par_chunks_mut(CHUNK)
            .zip(values.par_chunks(CHUNK).zip(d_values.par_chunks(CHUNK)))
            .for_each(|(d_x, (x, d_out))| simd::gelu_backward(x, d_out, d_x));
        cpu::from_vec(d_x, &x.shape())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for shape in [[1, 1], [5, 33], [0, 3]] {
            same_gradients([values(shape, 3) * 3.0], |[x]| gelu_tanh(x), |[x]| composed(x));
        }
    }
}
