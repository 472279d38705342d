//! RMS normalisation (Zhang and Sennrich 2019).

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::{cpu, simd};

/// `gain * x / sqrt(mean(x^2) + epsilon)`, the mean over features; `x` is `[tokens, features]`, `gain` `[features]`.
#[must_use]
pub fn rms_norm(x: Tensor<2>, gain: Tensor<1>, epsilon: f32) -> Tensor<2> {
    // A gain that learns takes the composition: the kernel's backward is for frozen gains, the case of every adapter.
    if !cpu::takes(&x) || !cpu::takes(&gain) || gain.is_tracked() {
        return composed(x, gain, epsilon);
    }
    let gain = cpu::plain(gain);
    if !x.is_tracked() {
        return cpu::tensor(forward(&cpu::plain(x), &gain, epsilon));
    }
    let (x, node) = cpu::node(x);
    let out = forward(&x, &gain, epsilon);
    cpu::tracked(match RmsNormBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((x, gain, epsilon), out),
        OpsKind::UnTracked(step) => step.finish(out),
    })
}

fn composed(x: Tensor<2>, gain: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let root = (x.clone().square().mean_dim(1) + epsilon).sqrt(); // [tokens, 1]
    x / root * gain.unsqueeze()
}

fn inverse_root(row: &[f32], epsilon: f32) -> f32 {
    1.0 / (simd::dot(row, row) / row.len() as f32 + epsilon).sqrt()
}

fn forward(x: &FlexTensor, gain: &FlexTensor, epsilon: f32) -> FlexTensor {
    let (values, gain) = (cpu::slice(x), cpu::slice(gain));
    let width = gain.len();
    let mut out = vec![0.0; values.len()];
    cpu::each_row(&mut out, width, |index, out| {
        let row = &values[index * width..][..width];
        simd::normalise(row, gain, out, inverse_root(row, epsilon));
    });
    cpu::from_vec(out, &x.shape())
}

#[derive(Debug)]
struct RmsNormBackward;

impl Backward<Flex, 1> for RmsNormBackward {
    type State = (FlexTensor, FlexTensor, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let (x, gain, epsilon) = ops.state;
        let (values, gain, d_values) = (cpu::slice(&x), cpu::slice(&gain), cpu::slice(&d_out));
        let width = gain.len();
        let mut d_x = vec![0.0; values.len()];
        cpu::each_row(&mut d_x, width, |index, d_x| {
            let row = &values[index * width..][..width];
            let d_row = &d_values[index * width..][..width];
            simd::normalise_backward(row, gain, d_row, d_x, inverse_root(row, epsilon));
        });
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<Flex>(parent.id, cpu::from_vec(d_x, &x.shape()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for shape in [[1, 1], [5, 33], [40, 64], [0, 3]] {
            let gain: Tensor<1> = values([1, shape[1]], 8).squeeze_dim(0);
            same_gradients(
                [values(shape, 3)],
                |[x]| rms_norm(x, gain.clone(), 1e-5),
                |[x]| composed(x, gain.clone(), 1e-5),
            );
        }
    }

    #[test]
    fn a_gain_that_learns_gets_its_gradient() {
        let gain = values([1, 6], 8).squeeze_dim::<1>(0).autodiff().require_grad();
        let grads = rms_norm(values([4, 6], 1), gain.clone(), 1e-5).sum().backward();
        assert!(gain.grad(&grads).is_some());
    }
}
