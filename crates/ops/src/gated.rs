//! Gated products of two linear layers' outputs (Shazeer 2020, "GLU Variants Improve Transformer").

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::cpu;
use crate::device_activation::DeviceActivation;
use crate::recorded::{Kept, recorded};
use crate::simd::activation as kernels;

/// Values per task: few enough to stay in cache, enough to outweigh the cost of a task.
const CHUNK: usize = 16_384;

/// Returns `silu(gate) * up` (SwiGLU, Shazeer 2020), value by value, where `silu(x) = x * sigmoid(x)`. Arguments and
/// result have equal shapes, `[tokens, features]`.
///
/// # Panics
/// When the shapes differ.
#[must_use]
pub fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    SWIGLU.apply(gate, up)
}

/// Returns `gelu_tanh(gate) * up` (GEGLU, Shazeer 2020, with the tanh form of GELU), value by value; see
/// [`crate::gelu_tanh`]. Arguments and result have equal shapes, `[tokens, features]`.
///
/// # Panics
/// When the shapes differ.
#[must_use]
pub fn geglu_tanh(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    GEGLU_TANH.apply(gate, up)
}

const SWIGLU: Gated = Gated {
    forward: kernels::swiglu_forward,
    backward: kernels::swiglu_backward,
    activation: DeviceActivation::Sigmoid(1.0),
};
const GEGLU_TANH: Gated = Gated {
    forward: kernels::geglu_tanh_forward,
    backward: kernels::geglu_tanh_backward,
    activation: DeviceActivation::GeluTanh,
};

/// Kernels of a gated product on the CPU, and the gate's activation on other devices.
#[derive(Clone, Copy, Debug)]
struct Gated {
    forward: kernels::GatedForward,
    backward: kernels::GatedBackward,
    activation: DeviceActivation,
}

impl Gated {
    fn apply(self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        assert_eq!(gate.dims(), up.dims(), "gate and up have equal shapes");
        if !cpu::takes(&gate) || !cpu::takes(&up) {
            return self.on_a_device(gate, up);
        }
        if !gate.is_tracked() && !up.is_tracked() {
            return cpu::tensor(self.values(&cpu::plain(gate), &cpu::plain(up)));
        }
        let ((gate, gate_node), (up, up_node)) = (cpu::node(gate), cpu::node(up));
        let out = self.values(&gate, &up);
        cpu::recorded(GatedStep, [gate_node, up_node], (self, gate, up), out)
    }

    fn on_a_device(self, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
        let kept = Factors { activation: self.activation, gate: gate.clone().inner(), up: up.clone().inner() };
        let out = self.activation.value(kept.gate.clone()) * kept.up.clone();
        recorded([gate, up], kept, out)
    }

    fn values(self, gate: &FlexTensor, up: &FlexTensor) -> FlexTensor {
        let (gate_values, up_values) = (cpu::slice(gate), cpu::slice(up));
        let mut out = vec![0.0; gate_values.len()];
        out.par_chunks_mut(CHUNK)
            .zip(gate_values.par_chunks(CHUNK).zip(up_values.par_chunks(CHUNK)))
            .for_each(|(out, (gate, up))| (self.forward)(gate, up, out));
        cpu::from_vec(out, &gate.shape())
    }
}

/// Arguments of a gated product on a device other than the CPU, kept for the backward pass.
#[derive(Clone, Debug)]
struct Factors {
    activation: DeviceActivation,
    gate: Tensor<2>,
    up: Tensor<2>,
}

impl Kept<2> for Factors {
    fn gradients(self, d_out: Tensor<2>, wanted: [bool; 2]) -> [Option<Tensor<2>>; 2] {
        let [value, derivative] = self.activation.value_and_derivative(self.gate);
        let d_up = wanted[1].then(|| value * d_out.clone());
        [wanted[0].then(|| d_out * self.up * derivative), d_up]
    }
}

#[derive(Debug)]
struct GatedStep;

impl Backward<Flex, 2> for GatedStep {
    /// The product, `gate` and `up`.
    type State = (Gated, FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let (gated, gate, up) = &ops.state;
        let d_values = cpu::slice(&d_out);
        let (mut d_gate, mut d_up) = (vec![0.0; d_values.len()], vec![0.0; d_values.len()]);
        d_gate
            .par_chunks_mut(CHUNK)
            .zip(d_up.par_chunks_mut(CHUNK))
            .zip(cpu::slice(gate).par_chunks(CHUNK).zip(cpu::slice(up).par_chunks(CHUNK)))
            .zip(d_values.par_chunks(CHUNK))
            .for_each(|(((d_gate, d_up), (gate, up)), d_out)| (gated.backward)(gate, up, d_out, d_gate, d_up));
        let shape = gate.shape();
        cpu::register(ops, [d_gate, d_up].map(|gradient| cpu::from_vec(gradient, &shape)), grads);
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::activation::silu;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{SHAPES, close, read, row, same_gradients, same_on_a_device, values};
    use crate::{gelu_tanh, values_of};

    #[test]
    fn equals_the_composition() {
        type Gate = fn(Tensor<2>) -> Tensor<2>;
        let forms: [(Gated, Gate); 2] = [(SWIGLU, silu), (GEGLU_TANH, gelu_tanh)];
        for ((gated, gate_of), shape) in forms.into_iter().flat_map(|form| SHAPES.map(|shape| (form, shape))) {
            same_gradients(
                [values(shape, 1) * 2.0, values(shape, 2)],
                |[gate, up]| gated.apply(gate, up),
                |[gate, up]| gate_of(gate) * up,
            );
        }
    }

    #[test]
    fn devices_agree_with_the_cpu() {
        for (gated, shape) in [SWIGLU, GEGLU_TANH].into_iter().flat_map(|form| SHAPES.map(|shape| (form, shape))) {
            same_on_a_device([values(shape, 1) * 6.0, values(shape, 2)], |[gate, up]| gated.apply(gate, up));
        }
    }

    proptest! {
        #[test]
        fn the_gate_is_its_activation(pairs in prop::collection::vec((-30.0_f32..30.0, -5.0_f32..5.0), 1..100)) {
            let (gate, up): (Vec<f32>, Vec<f32>) = pairs.into_iter().unzip();
            let (gate, up) = (row(&gate), row(&up));
            close("SwiGLU", &read(swiglu(gate.clone(), up.clone())), &read(silu(gate.clone()) * up.clone()));
            close("GEGLU", &read(geglu_tanh(gate.clone(), up.clone())), &values_of(gelu_tanh(gate) * up));
        }
    }

    #[test]
    #[should_panic(expected = "gate and up have equal shapes")]
    fn different_shapes_are_refused() {
        let _ = geglu_tanh(values([2, 3], 1), values([2, 4], 1));
    }
}
