//! Rotary position embedding (Su et al. 2021) in Llama's layout: the two halves of a head form the pairs.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Device, Int, Tensor};
use burn_flex::FlexTensor;

use crate::cpu;
use crate::recorded::{Kept, recorded};
use crate::values::{row_of, tensor_of};

/// Cosines and sines of the rotary angles of tokens, made once for all layers of a pass.
#[derive(Clone, Debug)]
pub struct RotaryTables {
    /// `[tokens, head_dim / 2]`.
    cos: Tensor<2>,
    /// On the CPU the sines, `[tokens, head_dim / 2]`. On other devices the negated sines and then the sines,
    /// `[tokens, head_dim]`: the factors of a head whose halves are swapped.
    sin: Tensor<2>,
}

impl RotaryTables {
    /// Makes the tables on `device` from the angles of all tokens in radians, `half` angles for each token. `half` is
    /// half the width of a head.
    ///
    /// # Panics
    /// When `half` is 0 or does not divide the number of angles.
    #[must_use]
    pub fn new(angles: &[f32], half: usize, device: &Device) -> Self {
        assert!(half > 0 && angles.len().is_multiple_of(half), "{half} angles for each token");
        let tokens = angles.len() / half;
        let table = |values: Vec<f32>, width| tensor_of(values, [tokens, width], device);
        let cos = table(angles.iter().map(|angle| angle.cos()).collect(), half);
        let sines: Vec<f32> = angles.iter().map(|angle| angle.sin()).collect();
        if device.clone().without_autodiff() == Device::flex() {
            return Self { cos, sin: table(sines, half) };
        }
        let factors = sines.chunks_exact(half).flat_map(|row| row.iter().map(|sine| -sine).chain(row.iter().copied()));
        Self { cos, sin: table(factors.collect(), 2 * half) }
    }

    /// Returns the tables of the `count` tokens from the token `start` on.
    ///
    /// # Panics
    /// When there are fewer tokens.
    #[must_use]
    pub fn rows(&self, start: usize, count: usize) -> Self {
        Self { cos: self.cos.clone().narrow(0, start, count), sin: self.sin.clone().narrow(0, start, count) }
    }

    /// Returns tables with the angles of the given tokens, in this order; a token may occur several times.
    #[must_use]
    pub fn select(&self, tokens: &[usize]) -> Self {
        let tokens: Vec<i64> = tokens.iter().map(|token| *token as i64).collect();
        let tokens = row_of::<Int>(tokens, &self.cos.device());
        Self { cos: self.cos.clone().select(0, tokens.clone()), sin: self.sin.clone().select(0, tokens) }
    }
}

/// Returns `x` with every head rotated by the angles of its token (rotary position embedding, Su et al. 2021). `x` and
/// the result are `[tokens, heads * head_dim]`; the tables have the angles of these tokens. Within a head, value `i`
/// forms a pair with value `i + head_dim / 2`, as in Llama.
///
/// # Panics
/// When the tables are on another device or have another number of tokens than `x`, or `x` is not f32 on the CPU.
#[must_use]
pub fn rotary(x: Tensor<2>, tables: &RotaryTables) -> Tensor<2> {
    assert_eq!(x.dims()[0], tables.cos.dims()[0], "angles for each token");
    if x.device().without_autodiff() != Device::flex() {
        let out = turned(x.clone().inner(), tables, true);
        return recorded([x], tables.clone(), out);
    }
    let (cos, sin) = (cpu::plain(tables.cos.clone()), cpu::plain(tables.sin.clone()));
    if !x.is_tracked() {
        return cpu::tensor(rotated(&cpu::plain(x), &cos, &sin, 1.0));
    }
    let (x, node) = cpu::node(x);
    let out = rotated(&x, &cos, &sin, 1.0);
    cpu::recorded(RotaryBackward, [node], (cos, sin), out)
}

/// Rotates on a device other than the CPU, with 4 operations: `forwards`, or backwards for the gradient.
fn turned(x: Tensor<2>, tables: &RotaryTables, forwards: bool) -> Tensor<2> {
    let ([tokens, width], [_, half]) = (x.dims(), tables.cos.dims());
    if tokens == 0 {
        return x;
    }
    let x = x.reshape([tokens, width / (2 * half), 2, half]);
    let swapped = x.clone().flip([2]) * tables.sin.clone().reshape([tokens, 1, 2, half]);
    let straight = x * tables.cos.clone().reshape([tokens, 1, 1, half]);
    let out = if forwards { straight + swapped } else { straight - swapped };
    out.reshape([tokens, width])
}

impl Kept<1> for RotaryTables {
    fn gradients(self, d_out: Tensor<2>, _: [bool; 1]) -> [Option<Tensor<2>>; 1] {
        [Some(turned(d_out, &self, false))]
    }
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
    use crate::testing::{same_gradients, same_on_a_device, values};
    use crate::values_of;

    /// Tokens, heads and width of a head.
    const SIZES: [[usize; 3]; 7] = [[1, 1, 2], [5, 3, 8], [9, 2, 6], [3, 2, 72], [4, 1, 80], [2, 2, 256], [0, 1, 4]];

    fn tables([tokens, _, head_dim]: [usize; 3], device: &Device) -> RotaryTables {
        RotaryTables::new(&values_of(values([tokens, head_dim / 2], 5)), head_dim / 2, device)
    }

    fn composed(x: Tensor<2>, tables: &RotaryTables) -> Tensor<2> {
        let ([tokens, width], [_, half]) = (x.dims(), tables.cos.dims());
        if tokens == 0 {
            return x;
        }
        let x = x.reshape([tokens, width / (2 * half), 2, half]);
        let (first, second) = (x.clone().narrow(2, 0, 1), x.narrow(2, 1, 1));
        let [cos, sin] = [&tables.cos, &tables.sin].map(|table| table.clone().reshape([tokens, 1, 1, half]));
        let turned = vec![first.clone() * cos.clone() - second.clone() * sin.clone(), second * cos + first * sin];
        Tensor::cat(turned, 2).reshape([tokens, width])
    }

    #[test]
    fn equals_the_composition() {
        for size @ [tokens, heads, head_dim] in SIZES {
            let tables = tables(size, &Device::flex());
            same_gradients(
                [values([tokens, heads * head_dim], 4)],
                |[x]| rotary(x, &tables),
                |[x]| composed(x, &tables),
            );
        }
    }

    #[test]
    fn devices_agree_with_the_cpu() {
        for size @ [tokens, heads, head_dim] in SIZES {
            same_on_a_device([values([tokens, heads * head_dim], 4)], |[x]| {
                let tables = tables(size, &x.device().without_autodiff());
                rotary(x, &tables)
            });
        }
    }

    #[test]
    fn rows_of_tables_belong_to_their_tokens() {
        let (tables, x) = (tables([5, 2, 6], &Device::flex()), values([5, 12], 4));
        let all = rotary(x.clone(), &tables);
        let some = rotary(x.clone().narrow(0, 2, 2), &tables.rows(2, 2));
        assert_eq!(values_of(some), values_of(all.clone().narrow(0, 2, 2)));
        let twice = Tensor::cat(vec![x.clone().narrow(0, 3, 1), x.narrow(0, 3, 1)], 0);
        let once = all.narrow(0, 3, 1);
        let expected = Tensor::cat(vec![once.clone(), once], 0);
        assert_eq!(values_of(rotary(twice, &tables.select(&[3, 3]))), values_of(expected));
    }
}
