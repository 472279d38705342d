//! SwiGLU: `silu(gate) * up` (Shazeer 2020, "GLU Variants Improve Transformer").

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Tensor, activation::silu};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::{cpu, simd};

/// Values per task: few enough to stay in cache, enough to outweigh the cost of a task.
const CHUNK: usize = 16_384;

/// Returns `silu(gate) * up` (SwiGLU, Shazeer 2020), value by value, where `silu(x) = x * sigmoid(x)`. Arguments and
/// result have equal shapes, `[tokens, features]`; on the CPU this is not checked.
#[must_use]
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    if !cpu::takes(&gate) || !cpu::takes(&up) {
        return composed(gate, up);
    }
    if !gate.is_tracked() && !up.is_tracked() {
        return cpu::tensor(forward(&cpu::plain(gate), &cpu::plain(up)));
    }
    let ((gate, gate_node), (up, up_node)) = (cpu::node(gate), cpu::node(up));
    let out = forward(&gate, &up);
    cpu::recorded(SwigluBackward, [gate_node, up_node], (gate, up), out)
}

fn composed(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    silu(gate) * up
}

fn forward(gate: &FlexTensor, up: &FlexTensor) -> FlexTensor {
    let (gate_values, up_values) = (cpu::slice(gate), cpu::slice(up));
    let mut out = vec![0.0; gate_values.len()];
    out.par_chunks_mut(CHUNK)
        .zip(gate_values.par_chunks(CHUNK).zip(up_values.par_chunks(CHUNK)))
        .for_each(|(out, (gate, up))| simd::swiglu(gate, up, out));
    cpu::from_vec(out, &gate.shape())
}

#[derive(Debug)]
struct SwigluBackward;

impl Backward<Flex, 2> for SwigluBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let (gate, up) = &ops.state;
        let d_values = cpu::slice(&d_out);
        let (mut d_gate, mut d_up) = (vec![0.0; d_values.len()], vec![0.0; d_values.len()]);
        d_gate
            .par_chunks_mut(CHUNK)
            .zip(d_up.par_chunks_mut(CHUNK))
            .zip(cpu::slice(gate).par_chunks(CHUNK).zip(cpu::slice(up).par_chunks(CHUNK)))
            .zip(d_values.par_chunks(CHUNK))
            .for_each(|(((d_gate, d_up), (gate, up)), d_out)| simd::swiglu_backward(gate, up, d_out, d_gate, d_up));
        let shape = gate.shape();
        cpu::register(ops, [d_gate, d_up].map(|gradient| cpu::from_vec(gradient, &shape)), grads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for shape in [[1, 1], [3, 7], [33, 100], [0, 4]] {
            same_gradients(
                [values(shape, 1), values(shape, 2)],
                |[gate, up]| swiglu(gate, up),
                |[gate, up]| composed(gate, up),
            );
        }
    }
}
