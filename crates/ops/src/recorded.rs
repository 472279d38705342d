//! Operations with their own backward pass on any device, made of Burn's operations.

use std::fmt::Debug;

use burn::backend::autodiff::{
    checkpoint::{base::Checkpointer, strategy::NoCheckpointing},
    grads::Gradients,
    ops::{Backward, NodeGuard, Ops, OpsKind},
};
use burn::tensor::Tensor;

/// Values of a forward pass that the backward pass needs, with the computation of the gradients. The tensors have no
/// autodiff graph.
pub trait Kept<const N: usize>: Clone + Debug + Send + 'static {
    /// Returns the gradients of the operation's `N` arguments for `d_out`, the gradient of the output. `wanted` says
    /// which arguments need one; the others may get None.
    fn gradients(self, d_out: Tensor<2>, wanted: [bool; N]) -> [Option<Tensor<2>>; N];
}

/// Adds an operation to the autodiff graph. `arguments` are the operation's arguments as the caller got them, `out` is
/// the output computed without graph. Returns `out` unchanged if no argument has a graph.
///
/// # Panics
/// When the tensors are on different devices, or on one of a backend that the crate's features leave out.
pub fn recorded<const N: usize, K: Kept<N>>(arguments: [Tensor<2>; N], kept: K, out: Tensor<2>) -> Tensor<2> {
    if !arguments.iter().any(Tensor::is_tracked) {
        return out;
    }
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if cube::holds(&out) {
        return cube::recorded(arguments, kept, out);
    }
    #[cfg(feature = "ndarray")]
    if ndarray::holds(&out) {
        return ndarray::recorded(arguments, kept, out);
    }
    if flex::holds(&out) {
        return flex::recorded(arguments, kept, out);
    }
    drop(kept);
    panic!("{:?} is a device of no backend that this program is built for", out.device())
}

/// Step of the autodiff graph. One type serves all backends; each module below implements its backward pass for one.
#[derive(Debug)]
struct Step<K>(std::marker::PhantomData<K>);

/// Implements the graph operations for one backend. Burn's conversions between tensors and primitives exist for each
/// backend type by itself, so that generic code cannot name them.
macro_rules! recorded_on {
    ($(#[$attribute:meta])* $module:ident, $backend:ty) => {
        $(#[$attribute])*
        mod $module {
            use burn::backend::Autodiff;

            use super::*;

            pub fn holds(tensor: &Tensor<2>) -> bool {
                tensor.clone().try_into_primitive::<$backend>().is_ok()
            }

            pub fn recorded<const N: usize, K: Kept<N>>(
                arguments: [Tensor<2>; N],
                kept: K,
                out: Tensor<2>,
            ) -> Tensor<2> {
                let nodes: [NodeGuard; N] = arguments.map(|argument| {
                    let primitive = argument.autodiff().try_into_primitive::<Autodiff<$backend>>();
                    primitive.expect("arguments and output are on one device").into_parts().1
                });
                let out = out.try_into_primitive::<$backend>().expect("arguments and output are on one device");
                let step = Step::<K>(std::marker::PhantomData);
                let out = match step.prepare::<NoCheckpointing>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(step) => step.finish(kept, out),
                    OpsKind::UnTracked(step) => step.finish(out),
                };
                Tensor::from_primitive::<Autodiff<$backend>>(out)
            }

            impl<const N: usize, K: Kept<N>> Backward<$backend, N> for Step<K> {
                type State = K;

                fn backward(self, ops: Ops<K, N>, grads: &mut Gradients, _: &mut Checkpointer) {
                    let d_out = Tensor::from_primitive::<$backend>(grads.consume::<$backend>(&ops.node));
                    let wanted = ops.parents.each_ref().map(Option::is_some);
                    let gradients = ops.state.gradients(d_out, wanted);
                    for (parent, gradient) in ops.parents.into_iter().zip(gradients) {
                        if let (Some(parent), Some(gradient)) = (parent, gradient) {
                            let gradient = gradient.try_into_primitive::<$backend>();
                            grads.register::<$backend>(parent.id, gradient.expect("gradients are on one device"));
                        }
                    }
                }
            }
        }
    };
}

#[cfg(any(feature = "cuda", feature = "wgpu"))]
recorded_on!(cube, burn::backend::Cube);
#[cfg(feature = "ndarray")]
recorded_on!(
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    ndarray,
    burn::backend::NdArray
);
recorded_on!(flex, burn::backend::Flex);

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    /// `a * b`, element by element.
    #[derive(Clone, Debug)]
    struct Factors(Tensor<2>, Tensor<2>);

    impl Kept<2> for Factors {
        fn gradients(self, d_out: Tensor<2>, wanted: [bool; 2]) -> [Option<Tensor<2>>; 2] {
            let Self(a, b) = self;
            [wanted[0].then(|| d_out.clone() * b), wanted[1].then(|| d_out * a)]
        }
    }

    fn multiplied(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
        let (plain_a, plain_b) = (a.clone().inner(), b.clone().inner());
        recorded([a, b], Factors(plain_a.clone(), plain_b.clone()), plain_a * plain_b)
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn gradients_reach_the_arguments_that_have_a_graph() {
        let device = Device::ndarray();
        let tensor = |values: [f32; 2]| Tensor::<2>::from_data(TensorData::from([values]), &device);
        let (a, b) = (tensor([2.0, 3.0]), tensor([5.0, 7.0]));
        assert!(!multiplied(a.clone(), b.clone()).is_tracked());
        let a = a.autodiff().require_grad();
        let gradients = multiplied(a.clone() * 10.0, b).sum().backward();
        let gradient: Vec<f32> = a.grad(&gradients).expect("a has a graph").into_data().to_vec().expect("f32");
        assert_eq!(gradient, [50.0, 70.0]);
    }
}
