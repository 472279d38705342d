//! GELU in its tanh form (Hendrycks and Gimpel 2016), `gelu_pytorch_tanh` of Hugging Face configs.

use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::NoCheckpointing};
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{cpu, simd};

const CHUNK: usize = 16_384;

/// `0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))`; `[tokens, features]`.
#[must_use]
pub fn gelu_tanh(x: Tensor<2>) -> Tensor<2> {
    if !cpu::takes(&x) {
        return composed(x);
    }
    if !x.is_tracked() {
        return cpu::tensor(forward(&cpu::plain(x)));
    }
    let (x, node) = cpu::node(x);
    let out = forward(&x);
    cpu::tracked(match GeluBackward.prepare::<NoCheckpointing>([node]).compute_bound().stateful() {
        OpsKind::Tracked(step) => step.finish(x, out),
        OpsKind::UnTracked(step) => step.finish(out),
    })
}

fn composed(x: Tensor<2>) -> Tensor<2> {
    let inner = (x.clone() + x.clone().powi_scalar(3) * 0.044_715) * (2.0 / std::f64::consts::PI).sqrt();
    x * 0.5 * (inner.tanh() + 1.0)
}

fn forward(x: &FlexTensor) -> FlexTensor {
    let values = cpu::slice(x);
    let mut out = vec![0.0; values.len()];
    out.par_chunks_mut(CHUNK).zip(values.par_chunks(CHUNK)).for_each(|(out, x)| simd::gelu(x, out));
    cpu::from_vec(out, &x.shape())
}

#[derive(Debug)]
struct GeluBackward;

impl Backward<Flex, 1> for GeluBackward {
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let x = ops.state;
        let mut d_x = vec![0.0; cpu::slice(&d_out).len()];
        d_x.par_chunks_mut(CHUNK)
            .zip(cpu::slice(&x).par_chunks(CHUNK).zip(cpu::slice(&d_out).par_chunks(CHUNK)))
            .for_each(|(d_x, (x, d_out))| simd::gelu_backward(x, d_out, d_x));
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
        for shape in [[1, 1], [5, 33], [0, 3]] {
            same_gradients([values(shape, 3) * 3.0], |[x]| gelu_tanh(x), |[x]| composed(x));
        }
    }
}
