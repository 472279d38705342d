//! Gradient checkpointing by block (Chen et al. 2016, arXiv 1604.06174): on the way there only what goes into each block is
//! kept; on the way back each block is computed again, from the last to the first, and its graph is gone before the next.

use burn::tensor::{Gradients, Tensor};

use super::parameter::Pass;

/// One block: hidden states in, hidden states out.
pub(crate) type Block<'a> = Box<dyn Fn(Tensor<2>, &Pass) -> Tensor<2> + 'a>;

/// Blocks that were run one after the other.
pub(crate) struct Blocks<'a> {
    blocks: Vec<Block<'a>>,
    /// What went into each, without a graph.
    inputs: Vec<Tensor<2>>,
    pass: &'a Pass,
}

impl<'a> Blocks<'a> {
    /// Runs `blocks` on `x`, as in `pass` but without a graph: one that is dropped would be freed no earlier than the next
    /// backward pass.
    pub fn run(blocks: Vec<Block<'a>>, x: Tensor<2>, pass: &'a Pass) -> (Self, Tensor<2>) {
        let there = pass.without_gradients();
        let mut x = x.inner();
        let mut inputs = Vec::with_capacity(blocks.len());
        for block in &blocks {
            inputs.push(x.clone());
            x = block(x, &there);
        }
        (Self { blocks, inputs, pass }, x)
    }

    /// The gradient of what went in, given that of what came out; those of parameters are added to `found`.
    pub fn backward(self, mut d_out: Tensor<2>, found: &mut Vec<Gradients>) -> Tensor<2> {
        for (block, input) in self.blocks.into_iter().zip(self.inputs).rev() {
            let input = input.autodiff().require_grad();
            let mut gradients = (block(input.clone(), self.pass) * d_out).sum().backward();
            d_out = input.grad_remove(&mut gradients).expect("a block is a function of what goes in");
            found.push(gradients);
        }
        d_out
    }
}
