//! RMS normalisation (Zhang and Sennrich 2019).

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::recorded::{Kept, recorded};
use crate::unary::{Unary, apply};
use crate::{cpu, simd};

/// Returns RMS normalisation (Zhang and Sennrich 2019), `gain * x / sqrt(mean(x^2) + epsilon)`, with the mean over the
/// features of a row. `x` and the result are `[tokens, features]`, `gain` is `[features]`, and `epsilon` is the small
/// positive constant of the model's config.
///
/// On the CPU the result rounds differently with a trainable gain, because the kernel then gives way to Burn's
/// operations. `learns` requests that form for a gain that is not tracked now, so that an evaluation equals a pass in
/// which it is trained. Other devices have one form.
#[must_use]
pub fn rms_norm(x: Tensor<2>, gain: Tensor<1>, epsilon: f32, learns: bool) -> Tensor<2> {
    if !cpu::takes(&x) || !cpu::takes(&gain) {
        return on_a_device(x, gain.unsqueeze(), epsilon);
    }
    // The kernel has no gradient for the gain: a trainable one takes the composition. LoRA adapters keep it frozen.
    if learns || gain.is_tracked() {
        return composed(x, gain, epsilon);
    }
    apply(RmsNorm { gain: cpu::plain(gain), epsilon }, x)
}

fn composed(x: Tensor<2>, gain: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let root = (x.clone().square().mean_dim(1) + epsilon).sqrt(); // [tokens, 1]
    x / root * gain.unsqueeze()
}

/// Computes the norm on a device other than the CPU, with 6 operations and 7 in the backward pass (2 more for the gain).
/// `gain` is `[1, features]`.
fn on_a_device(x: Tensor<2>, gain: Tensor<2>, epsilon: f32) -> Tensor<2> {
    let (plain, plain_gain) = (x.clone().inner(), gain.clone().inner());
    let root = ((plain.clone() * plain.clone()).mean_dim(1) + epsilon).sqrt();
    let out = plain.clone() / root.clone() * plain_gain.clone();
    recorded([x, gain], Normalised { x: plain, gain: plain_gain, root }, out)
}

/// Values of the forward pass on a device other than the CPU, kept for the backward pass.
#[derive(Clone, Debug)]
struct Normalised {
    x: Tensor<2>,
    /// `[1, features]`.
    gain: Tensor<2>,
    /// `sqrt(mean(x^2) + epsilon)` of each row, `[tokens, 1]`.
    root: Tensor<2>,
}

impl Kept<2> for Normalised {
    fn gradients(self, d_out: Tensor<2>, wanted: [bool; 2]) -> [Option<Tensor<2>>; 2] {
        let normalised = self.x / self.root.clone();
        let d_gain = wanted[1].then(|| (d_out.clone() * normalised.clone()).sum_dim(0));
        let d_x = wanted[0].then(|| {
            let d_normalised = d_out * self.gain;
            let along = (d_normalised.clone() * normalised.clone()).mean_dim(1);
            (d_normalised - normalised * along) / self.root
        });
        [d_x, d_gain]
    }
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
    use crate::testing::{SHAPES, same_gradients, same_on_a_device, values};

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
    fn devices_agree_with_the_cpu() {
        for shape in SHAPES {
            same_on_a_device([values(shape, 3), values([1, shape[1]], 8)], |[x, gain]| {
                rms_norm(x, gain.squeeze_dim(0), 1e-5, false)
            });
        }
    }

    #[test]
    fn a_trainable_gain_gets_a_gradient() {
        let gain = values([1, 6], 8).squeeze_dim::<1>(0).autodiff().require_grad();
        let grads = rms_norm(values([4, 6], 1), gain.clone(), 1e-5, false).sum().backward();
        assert!(gain.grad(&grads).is_some());
    }
}
