//! Layer normalisation (Ba et al. 2016).

use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::recorded::{Kept, recorded};
use crate::unary::{Unary, apply};
use crate::{cpu, simd};

/// Returns layer normalisation (Ba et al. 2016), `gain * (x - mean) / sqrt(variance + epsilon) + bias`, with mean and
/// variance over the features of a row (variance divided by the number of features). `x` and the result are
/// `[tokens, features]`, `gain` and `bias` are `[features]`, and `epsilon` is the small positive constant of the
/// model's config.
///
/// On the CPU the result rounds differently with a trainable gain or bias, because the kernel then gives way to Burn's
/// operations. `learns` requests that form for a gain and bias that are not tracked now, so that an evaluation equals a
/// pass in which one of them is trained. Other devices have one form.
#[must_use]
pub fn layer_norm(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>, epsilon: f32, learns: bool) -> Tensor<2> {
    if !cpu::takes(&x) || !cpu::takes(&gain) || !cpu::takes(&bias) {
        return on_a_device(x, gain.unsqueeze(), bias.unsqueeze(), epsilon);
    }
    // The kernel has no gradient for gain and bias: trainable ones take the composition. LoRA adapters
    // keep them frozen.
    if learns || gain.is_tracked() || bias.is_tracked() {
        return composed(x, gain, bias, epsilon);
    }
    apply(LayerNorm { gain: cpu::plain(gain), bias: cpu::plain(bias), epsilon }, x)
}

fn composed(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let centred = x.clone() - x.mean_dim(1);
    let root = (centred.clone().square().mean_dim(1) + epsilon).sqrt(); // [tokens, 1]
    centred / root * gain.unsqueeze() + bias.unsqueeze()
}

/// Computes the norm on a device other than the CPU, with 9 operations and 10 in the backward pass (3 more for gain and
/// bias). `gain` and `bias` are `[1, features]`.
fn on_a_device(x: Tensor<2>, gain: Tensor<2>, bias: Tensor<2>, epsilon: f32) -> Tensor<2> {
    let (plain, plain_gain) = (x.clone().inner(), gain.clone().inner());
    let mean = plain.clone().mean_dim(1);
    let centred = plain.clone() - mean.clone();
    let root = ((centred.clone() * centred.clone()).mean_dim(1) + epsilon).sqrt();
    let out = centred / root.clone() * plain_gain.clone() + bias.clone().inner();
    recorded([x, gain, bias], Normalised { x: plain, gain: plain_gain, mean, root }, out)
}

/// Values of the forward pass on a device other than the CPU, kept for the backward pass.
#[derive(Clone, Debug)]
struct Normalised {
    x: Tensor<2>,
    /// `[1, features]`.
    gain: Tensor<2>,
    /// Mean of each row, `[tokens, 1]`.
    mean: Tensor<2>,
    /// `sqrt(variance + epsilon)` of each row, `[tokens, 1]`.
    root: Tensor<2>,
}

impl Kept<3> for Normalised {
    fn gradients(self, d_out: Tensor<2>, wanted: [bool; 3]) -> [Option<Tensor<2>>; 3] {
        let normalised = (self.x - self.mean) / self.root.clone();
        let d_gain = wanted[1].then(|| (d_out.clone() * normalised.clone()).sum_dim(0));
        let d_bias = wanted[2].then(|| d_out.clone().sum_dim(0));
        let d_x = wanted[0].then(|| {
            let d_normalised = d_out * self.gain;
            let along = (d_normalised.clone() * normalised.clone()).mean_dim(1);
            let mean = d_normalised.clone().mean_dim(1);
            (d_normalised - mean - normalised * along) / self.root
        });
        [d_x, d_gain, d_bias]
    }
}

#[derive(Clone, Debug)]
struct LayerNorm {
    gain: FlexTensor,
    bias: FlexTensor,
    epsilon: f32,
}

impl LayerNorm {
    /// Mean of one row and `1 / sqrt(variance + epsilon)`.
    fn moments(&self, row: &[f32]) -> (f32, f32) {
        let width = row.len() as f32;
        let mean = simd::sum(row) / width;
        (mean, 1.0 / (simd::square_distance(row, mean) / width + self.epsilon).sqrt())
    }
}

impl Unary for LayerNorm {
    fn forward(&self, x: &FlexTensor) -> FlexTensor {
        let (gain, bias) = (cpu::slice(&self.gain), cpu::slice(&self.bias));
        cpu::map_rows(x, |row, out, _| {
            let (mean, inverse) = self.moments(row);
            simd::standardise(row, gain, bias, out, mean, inverse);
        })
    }

    fn backward(&self, x: &FlexTensor, d_out: &FlexTensor) -> FlexTensor {
        let (gain, d_values) = (cpu::slice(&self.gain), cpu::slice(d_out));
        cpu::map_rows(x, |row, d_x, at| {
            let (mean, inverse) = self.moments(row);
            simd::standardise_backward(row, gain, &d_values[at], d_x, mean, inverse);
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
            let row = |seed| values([1, shape[1]], seed).squeeze_dim::<1>(0);
            let (gain, bias) = (row(8), row(9));
            same_gradients(
                [values(shape, 3)],
                |[x]| layer_norm(x, gain.clone(), bias.clone(), 1e-5, false),
                |[x]| composed(x, gain.clone(), bias.clone(), 1e-5),
            );
        }
    }

    #[test]
    fn devices_agree_with_the_cpu() {
        for shape in SHAPES {
            // One feature has no variance: its gradient is the difference of equal numbers.
            if shape[1] > 1 {
                let row = |seed| values([1, shape[1]], seed);
                same_on_a_device([values(shape, 3), row(8), row(9)], |[x, gain, bias]| {
                    layer_norm(x, gain.squeeze_dim(0), bias.squeeze_dim(0), 1e-5, false)
                });
            }
        }
    }

    #[test]
    fn trainable_gain_and_bias_get_gradients() {
        let row = |seed| values([1, 6], seed).squeeze_dim::<1>(0).autodiff().require_grad();
        let (gain, bias) = (row(8), row(9));
        let grads = layer_norm(values([4, 6], 1), gain.clone(), bias.clone(), 1e-5, false).sum().backward();
        assert!(gain.grad(&grads).is_some() && bias.grad(&grads).is_some());
    }
}
