//! Activations of the GELU family (Hendrycks and Gimpel 2016).

use burn::backend::TensorMetadata;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu;
use crate::device_activation::DeviceActivation;
use crate::simd::activation as kernels;
use crate::unary::{Unary, apply};

/// Number of values that one task of the thread pool computes.
const CHUNK: usize = 16_384;

/// Returns exact GELU (Hendrycks and Gimpel 2016), `0.5 x (1 + erf(x / sqrt(2)))`, of each value: `gelu` in Hugging
/// Face configs. `x` and the result are `[tokens, features]`.
#[must_use]
pub fn gelu(x: Tensor<2>) -> Tensor<2> {
    if cpu::takes(&x) { apply(EXACT, x) } else { DeviceActivation::Gelu.apply(x) }
}

/// Returns GELU with the tanh approximation (Hendrycks and Gimpel 2016),
/// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`, of each value: `gelu_pytorch_tanh` in Hugging Face configs. `x`
/// and the result are `[tokens, features]`.
#[must_use]
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    if cpu::takes(&x) { apply(TANH, x) } else { DeviceActivation::GeluTanh.apply(x) }
}

/// Returns GELU with the sigmoid approximation (Hendrycks and Gimpel 2016), `x * sigmoid(1.702 x)`, of each value:
/// `quick_gelu` in Hugging Face configs. `x` and the result are `[tokens, features]`.
#[must_use]
pub fn gelu_quick(x: Tensor<2>) -> Tensor<2> {
    if cpu::takes(&x) { apply(QUICK, x) } else { DeviceActivation::Sigmoid(1.702).apply(x) }
}

const EXACT: Activation = Activation { forward: kernels::exact_forward, backward: kernels::exact_backward };
const TANH: Activation = Activation { forward: kernels::tanh_forward, backward: kernels::tanh_backward };
const QUICK: Activation = Activation { forward: kernels::quick_forward, backward: kernels::quick_backward };

/// Kernels of an activation, applied to chunks of values on all threads.
#[derive(Clone, Debug)]
struct Activation {
    forward: kernels::Forward,
    backward: kernels::Backward,
}

impl Unary for Activation {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let values = cpu::slice(x);
        let mut out = vec![0.0; values.len()];
        out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(out, x)| (self.forward)(x, out));
        cpu::from_vec(out, &x.shape())
    }

    fn backward(&self, x: &FlexTensor, d_out: &FlexTensor) -> FlexTensor {
        let (values, d_values) = (cpu::slice(x), cpu::slice(d_out));
        let mut d_x = vec![0.0; values.len()];
        d_x.par_chunks_mut(CHUNK)
            .zip(values.par_chunks(CHUNK).zip(d_values.par_chunks(CHUNK)))
            .for_each(|(d_x, (x, d_out))| (self.backward)(x, d_out, d_x));
        cpu::from_vec(d_x, &x.shape())
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::sigmoid;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SHAPES, read, row, same_gradients, same_on_a_device, values};

    type Form = fn(Tensor<2>) -> Tensor<2>;

    // Not Burn's `gelu`: its gradient is the gradient of the tanh form.
    fn composed_exact(x: Tensor<2>) -> Tensor<2> {
        let probability = ((x.clone() * std::f64::consts::FRAC_1_SQRT_2).erf() + 1.0) * 0.5;
        x * probability
    }

    fn composed_tanh(x: Tensor<2>) -> Tensor<2> {
        let inner = (x.clone() + x.clone() * x.clone() * x.clone() * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
        x * 0.5 * (inner.tanh() + 1.0)
    }

    fn composed_quick(x: Tensor<2>) -> Tensor<2> {
        x.clone() * sigmoid(x * 1.702)
    }

    #[test]
    fn devices_agree_with_the_cpu() {
        let forms: [Form; 3] = [gelu, gelu_tanh, gelu_quick];
        for (form, shape) in forms.into_iter().flat_map(|form| SHAPES.map(|shape| (form, shape))) {
            same_on_a_device([values(shape, 3) * 6.0], |[x]| form(x));
        }
    }

    #[test]
    fn equals_the_composition() {
        let forms: [[Form; 2]; 3] = [[gelu, composed_exact], [gelu_tanh, composed_tanh], [gelu_quick, composed_quick]];
        for ([kernel, composed], shape) in forms.into_iter().flat_map(|form| SHAPES.map(|shape| (form, shape))) {
            same_gradients([values(shape, 3) * 3.0], |[x]| kernel(x), |[x]| composed(x));
        }
    }

    proptest! {
        /// `x * p(x) - (-x) * p(-x) = x`, because `p(x) + p(-x) = 1` in all three forms.
        #[test]
        fn difference_of_opposite_arguments_is_the_argument(x in prop::collection::vec(-30.0_f32..30.0, 1..100)) {
            for form in [gelu, gelu_tanh, gelu_quick] {
                let difference = read(form(row(&x)) - form(-row(&x)));
                for (x, difference) in x.iter().zip(difference) {
                    prop_assert!((difference - x).abs() <= 1e-6 * x.abs().max(0.1), "{x}: {difference}");
                }
            }
        }
    }
}
