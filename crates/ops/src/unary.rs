//! Shared autodiff code of operations with one differentiable argument.

use std::fmt::Debug;
use std::marker::PhantomData;

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::cpu;

/// Kernel with one differentiable argument, and its gradient. All tensors are contiguous `f32`
/// tensors, `[tokens, features]`.
pub trait Unary: Clone + Debug + Send + Sync + 'static {
    /// Returns the output for the argument `x`, with the shape of `x`.
    fn forward(&self, x: &FlexTensor) -> FlexTensor;

    /// Returns the gradient with respect to `x`, with the shape of `x`. `d_out` is the gradient of the output.
    fn backward(&self, x: &FlexTensor, d_out: &FlexTensor) -> FlexTensor;
}

/// Returns the output of a kernel for `x`, `[tokens, features]`. When `x` is tracked, the output is part of its
/// autodiff graph.
///
/// # Panics
/// When [`cpu::takes`] is false for `x`.
pub fn apply<O: Unary>(operation: O, x: Tensor<2>) -> Tensor<2> {
    if !x.is_tracked() {
        return cpu::tensor(operation.forward(&cpu::plain(x)));
    }
    let (x, node) = cpu::node(x);
    let out = operation.forward(&x);
    cpu::recorded(UnaryBackward::<O>(PhantomData), [node], (operation, x), out)
}

#[derive(Debug)]
struct UnaryBackward<O>(PhantomData<O>);

impl<O: Unary> Backward<Flex, 1> for UnaryBackward<O> {
    type State = (O, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let (operation, x) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<Flex>(parent.id, operation.backward(&x, &d_out));
        }
    }
}
