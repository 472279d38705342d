//! Layer normalisation (Ba et al. 2016).

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::{cpu, simd};

/// `gain * (x - mean) / sqrt(variance + epsilon) + bias`, mean and variance over features; `x` is `[tokens, features]`,
/// `gain` and `bias` are `[features]`.
#[must_use]
pub fn layer_norm(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>, epsilon: f32) -> Tensor<2> {
    // A gain or bias that learns takes the composition: the kernel's backward is for frozen ones, the case of every adapter.
    let learns = gain.is_tracked() || bias.is_tracked();
    if learns || !cpu::takes(&x) || !cpu::takes(&gain) || !cpu::takes(&bias) {
        return composed(x, gain, bias, epsilon);
    }
    let (gain, bias) = (cpu::plain(gain), cpu::plain(bias));
    if !x.is_tracked() {
        return cpu::tensor(forward(&cpu::plain(x), &gain, &bias, epsilon));
    }
    let (x, node) = cpu::node(x);
    let out = forward(&x, &gain, &bias, epsilon);
    cpu::tracked(match LayerNormBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish((x, gain, epsilon), out),
        OpsKind::UnTracked(step) => step.finish(out),
    })
}

fn composed(x: Tensor<2>, gain: Tensor<1>, bias: Tensor<1>, epsilon: f32) -> Tensor<2> {
    burn::tensor::module::layer_norm(x, gain, Some(bias), f64::from(epsilon))
}

/// Mean and inverse root of the variance of one row.
fn moments(row: &[f32], epsilon: f32) -> (f32, f32) {
    let mean = simd::sum(row) / row.len() as f32;
    (mean, 1.0 / (simd::square_distance(row, mean) / row.len() as f32 + epsilon).sqrt())
}

fn forward(x: &FlexTensor, gain: &FlexTensor, bias: &FlexTensor, epsilon: f32) -> FlexTensor {
    let (values, gain, bias) = (cpu::slice(x), cpu::slice(gain), cpu::slice(bias));
    let width = gain.len();
    let mut out = vec![0.0; values.len()];
    cpu::each_row(&mut out, width, |index, out| {
        let row = &values[index * width..][..width];
        let (mean, inverse) = moments(row, epsilon);
        simd::standardise(row, gain, bias, out, mean, inverse);
    });
    cpu::from_vec(out, &x.shape())
}

#[derive(Debug)]
struct LayerNormBackward;

impl Backward<Flex, 1> for LayerNormBackward {
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
            let (mean, inverse) = moments(row, epsilon);
            simd::standardise_backward(row, gain, d_row, d_x, mean, inverse);
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
            let row = |seed| values([1, shape[1]], seed).squeeze_dim::<1>(0);
            let (gain, bias) = (row(8), row(9));
            same_gradients(
                [values(shape, 3)],
                |[x]| layer_norm(x, gain.clone(), bias.clone(), 1e-5),
                |[x]| composed(x, gain.clone(), bias.clone(), 1e-5),
            );
        }
    }

    #[test]
    fn gain_and_bias_that_learn_get_their_gradients() {
        let row = |seed| values([1, 6], seed).squeeze_dim::<1>(0).autodiff().require_grad();
        let (gain, bias) = (row(8), row(9));
        let grads = layer_norm(values([4, 6], 1), gain.clone(), bias.clone(), 1e-5).sum().backward();
        assert!(gain.grad(&grads).is_some() && bias.grad(&grads).is_some());
    }
}
