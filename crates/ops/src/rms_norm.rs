//! RMS normalisation (Zhang and Sennrich 2019).

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::unary::{Unary, apply};
use crate::{cpu, simd};

/// Returns RMS normalisation (Zhang and Sennrich 2019), `gain * x / sqrt(mean(x^2) + epsilon)`, with the mean over the
/// features of a row. `x` and the result are `[tokens, features]`, `gain` is `[features]`, and `epsilon` is the small
/// positive constant of the model's config.
///
/// The result rounds differently with a trainable gain, because the CPU kernel then gives way to Burn's operations.
/// `learns` requests that form for a gain that is not tracked now, so that an evaluation equals a pass in which it
/// is trained.
#[must_use]
pub fn rms_norm(x: Tensor<2>, gain: Tensor<1>, epsilon: f32, learns: bool) -> Tensor<2> {
    // The kernel has no gradient for the gain: a trainable one takes the composition. LoRA adapters keep it frozen.
    if learns || gain.is_tracked() || !cpu::takes(&x) || !cpu::takes(&gain) {
        return composed(x, gain, epsilon);
    }
    apply(RmsNorm { gain: cpu::plain(gain), epsilon }, x)
}

fn composed(x: Tensor<2>, gain: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let root = (x.clone().square().mean_dim(1) + epsilon).sqrt(); // [tokens, 1]
    x / root * gain.unsqueeze()
}

#[derive(Clone, Debug)]
struct RmsNorm {
    gain: FlexTensor,
    epsilon: f32,
}

impl RmsNorm {
    fn inverse_root(&self, row: &[f32]) -> f32 {
        1.0 / (simd::dot(row, row) / row.len() as f32 + self.epsilon).sqrt()
    }
}

impl Unary for RmsNorm {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let gain = cpu::slice(&self.gain);
        cpu::map_rows(x, |row, out, _| simd::normalise(row, gain, out, self.inverse_root(row)))
    }

    fn backward(&self, x: &FlexTensor, d_out: &FlexTensor) -> FlexTensor {
        let (gain, d_values) = (cpu::slice(&self.gain), cpu::slice(d_out));
        cpu::map_rows(x, |row, d_x, at| {
            simd::normalise_backward(row, gain, &d_values[at], d_x, self.inverse_root(row));
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{SHAPES, same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for shape in SHAPES {
            let gain: Tensor<1> = values([1, shape[1]], 8).squeeze_dim(0);
            same_gradients(
                [values(shape, 3)],
                |[x]| rms_norm(x, gain.clone(), 1e-5, false),
                |[x]| composed(x, gain.clone(), 1e-5),
            );
        }
    }

    #[test]
    fn a_trainable_gain_gets_a_gradient() {
        let gain = values([1, 6], 8).squeeze_dim::<1>(0).autodiff().require_grad();
        let grads = rms_norm(values([4, 6], 1), gain.clone(), 1e-5, false).sum().backward();
        assert!(gain.grad(&grads).is_some());
    }
}
