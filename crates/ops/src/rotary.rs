//! Rotary position embedding (Su et al. 2021) in Llama's layout: the two halves of a head form the pairs.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use crate::cpu;

/// Returns `x` with every head rotated by the angles of its token (rotary position embedding, Su et al. 2021). `x` and
/// the result are `[tokens, heads * head_dim]`; `cos` and `sin` are cosines and sines of the angles, `[tokens, head_dim
/// / 2]`. Within a head, value `i` forms a pair with value `i + head_dim / 2`, as in Llama. The result has a gradient
/// with respect to `x` only.
///
/// # Panics
/// When `cos` or `sin` has fewer rows than `x`.
#[must_use]
pub fn rotary(x: Tensor<2>, cos: &Tensor<2>, sin: &Tensor<2>) -> Tensor<2> {
    if !cpu::takes(&x) {
        return composed(x, cos, sin);
    }
    let (cos, sin) = (cpu::plain(cos.clone()), cpu::plain(sin.clone()));
    if !x.is_tracked() {
        return cpu::tensor(rotated(&cpu::plain(x), &cos, &sin, 1.0));
    }
    let (x, node) = cpu::node(x);
    let out = rotated(&x, &cos, &sin, 1.0);
    cpu::recorded(RotaryBackward, [node], (cos, sin), out)
}

fn composed(x: Tensor<2>, cos: &Tensor<2>, sin: &Tensor<2>) -> Tensor<2> {
    let ([tokens, width], [_, half]) = (x.dims(), cos.dims());
    if tokens == 0 {
        return x;
    }
    let heads = width / (2 * half);
    let x = x.reshape([tokens, heads, 2, half]);
    let first = x.clone().narrow(2, 0, 1); // [tokens, heads, 1, half]
    let second = x.narrow(2, 1, 1);
    let (cos, sin) = (cos.clone().reshape([tokens, 1, 1, half]), sin.clone().reshape([tokens, 1, 1, half]));
    Tensor::cat(vec![first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin], 2)
        .reshape([tokens, width])
}

/// Rotates forwards for `direction` 1 and backwards for -1; the gradient of a rotation is the inverse rotation.
fn rotated(x: &FlexTensor, cos: &FlexTensor, sin: &FlexTensor, direction: f32) -> FlexTensor {
    let half = cos.shape()[1];
    let width = x.shape()[1];
    let (values, cos, sin) = (cpu::slice(x), cpu::slice(cos), cpu::slice(sin));
    let mut out = vec![0.0; values.len()];
    cpu::each_row(&mut out, width, |token, out| {
        let row = &values[token * width..][..width];
        let (cos, sin) = (&cos[token * half..][..half], &sin[token * half..][..half]);
        for (head, out) in row.chunks_exact(2 * half).zip(out.chunks_exact_mut(2 * half)) {
            let ((first, second), (out_first, out_second)) = (head.split_at(half), out.split_at_mut(half));
            for i in 0..half {
                let turn = direction * sin[i];
                out_first[i] = first[i] * cos[i] - second[i] * turn;
                out_second[i] = second[i] * cos[i] + first[i] * turn;
            }
        }
    });
    cpu::from_vec(out, &x.shape())
}

#[derive(Debug)]
struct RotaryBackward;

impl Backward<Flex, 1> for RotaryBackward {
    type State = (FlexTensor, FlexTensor);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let (cos, sin) = ops.state;
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            grads.register::<Flex>(parent.id, rotated(&d_out, &cos, &sin, -1.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for (tokens, heads, head_dim) in
            [(1, 1, 2), (5, 3, 8), (9, 2, 6), (3, 2, 72), (4, 1, 80), (2, 2, 256), (0, 1, 4)]
        {
            let angles = values([tokens, head_dim / 2], 5);
            let (cos, sin) = (angles.clone().cos(), angles.sin());
            same_gradients(
                [values([tokens, heads * head_dim], 4)],
                |[x]| rotary(x, &cos, &sin),
                |[x]| composed(x, &cos, &sin),
            );
        }
    }
}
