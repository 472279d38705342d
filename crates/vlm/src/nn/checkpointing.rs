//! Gradient checkpointing by block (Chen et al. 2016, arXiv 1604.06174). The forward pass stores only the input of each
//! block. The backward pass computes each block again, from last to first, and frees its graph before the next block.

use burn::tensor::{Gradients, Tensor};

use super::parameter::Pass;

/// Function from hidden states to hidden states, both `[rows, features]`, for one block of the model.
pub(crate) type Block<'a> = Box<dyn Fn(Tensor<2>, &Pass) -> Tensor<2> + 'a>;

/// Blocks after their forward pass.
pub(crate) struct Blocks<'a> {
    blocks: Vec<Block<'a>>,
    /// Input of each block, without an autodiff graph.
    inputs: Vec<Tensor<2>>,
    pass: &'a Pass,
}

impl<'a> Blocks<'a> {
    /// Runs `blocks` on `x`, `[rows, features]`, one after the other. Returns the blocks with their stored inputs, and
    /// the output of the last block, `[rows, features]` (gradient checkpointing, Chen et al. 2016, arXiv 1604.06174).
    /// The output has no autodiff graph, because Burn frees a dropped graph only at the next backward pass.
    pub fn run(blocks: Vec<Block<'a>>, x: Tensor<2>, pass: &'a Pass) -> (Self, Tensor<2>) {
        let there = pass.without_gradients();
        let mut x = x.inner();
        let mut inputs = Vec::with_capacity(blocks.len());
        for block in &blocks {
            inputs.push(x.clone());
            // A block can add tensors with a graph to its input, for example image features.
            x = block(x, &there).inner();
        }
        (Self { blocks, inputs, pass }, x)
    }

    /// Computes each block again with gradients, from last to first. `d_out` is the gradient of the output of
    /// [`Blocks::run`]. Appends the gradients of the parameters to `found`, one entry per block, and returns the
    /// gradient of the first block's input.
    pub fn backward(self, mut d_out: Tensor<2>, found: &mut Vec<Gradients>) -> Tensor<2> {
        for (block, input) in self.blocks.into_iter().zip(self.inputs).rev() {
            let input = input.autodiff().require_grad();
            let mut gradients = (block(input.clone(), self.pass) * d_out).sum().backward();
            d_out = input.grad_remove(&mut gradients).expect("a block depends on its input");
            found.push(gradients);
        }
        d_out
    }
}
