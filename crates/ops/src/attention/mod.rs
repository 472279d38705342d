//! Scaled dot-product attention over a [`AttentionPlan`], with grouped key/value heads.

pub(crate) mod plan;

mod composed;
mod heads;
mod kernel;
mod keys;
mod panel;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

pub(crate) use composed::Dense;

use crate::{AttentionPlan, cpu};
use heads::Heads;

/// Returns `softmax(q k^T / sqrt(head_dim)) v` (Vaswani et al. 2017), where the plan defines the keys that each query
/// attends to.
///
/// `q` and the result are `[plan.queries(), heads * head_dim]`; `k` and `v` are `[plan.keys(), kv_heads * head_dim]`.
/// Each run of `heads / kv_heads` neighbouring query heads shares one key/value head. On the CPU the scores are not
/// stored: the backward pass recomputes them block by block from the logarithm of each row's sum (Dao et al. 2022,
/// FlashAttention).
///
/// # Panics
/// When `heads` is not a multiple of `kv_heads`, either is 0, or the shapes do not match the plan.
#[must_use]
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    plan: &Arc<AttentionPlan>,
    heads: usize,
    kv_heads: usize,
) -> Tensor<2> {
    let [queries, width] = q.dims();
    let head_dim = width / heads;
    assert_eq!(heads % kv_heads, 0, "query heads are a multiple of key/value heads");
    assert_eq!(queries, plan.queries(), "rows of q are the plan's queries");
    assert_eq!(k.dims(), [plan.keys(), kv_heads * head_dim], "rows of k are the plan's keys");
    assert_eq!(v.dims(), k.dims(), "k and v have equal shapes");
    if !cpu::takes(&q) || !cpu::takes(&k) || !cpu::takes(&v) {
        return composed::attention(q, k, v, plan, heads, kv_heads);
    }
    let shape = Heads { heads, kv_heads, head_dim };
    if !q.is_tracked() && !k.is_tracked() && !v.is_tracked() {
        return cpu::tensor(kernel::forward(&cpu::plain(q), &cpu::plain(k), &cpu::plain(v), plan, shape).0);
    }
    let ((q, q_node), (k, k_node), (v, v_node)) = (cpu::node(q), cpu::node(k), cpu::node(v));
    let (out, log_sums) = kernel::forward(&q, &k, &v, plan, shape);
    let kept = Kept { q, k, v, out: out.clone(), log_sums, plan: Arc::clone(plan), shape };
    cpu::recorded(AttentionBackward, [q_node, k_node, v_node], kept, out)
}

/// Values of the forward pass that the backward pass needs.
#[derive(Clone, Debug)]
struct Kept {
    q: FlexTensor,
    k: FlexTensor,
    v: FlexTensor,
    out: FlexTensor,
    /// Logarithm of each row's sum of exponentials, `[heads, queries]`.
    log_sums: Vec<f32>,
    plan: Arc<AttentionPlan>,
    shape: Heads,
}

#[derive(Debug)]
struct AttentionBackward;

impl Backward<Flex, 3> for AttentionBackward {
    type State = Kept;

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_out = cpu::arriving(&ops, grads);
        let kept = &ops.state;
        let shapes = [&kept.q, &kept.k, &kept.v].map(|argument| argument.shape());
        let gradients = kernel::backward(kept, &d_out).into_iter().zip(shapes);
        cpu::register(ops, gradients.map(|(gradient, shape)| cpu::from_vec(gradient, &shape)), grads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Segment;
    use crate::testing::{close, read, same_gradients, values};

    fn check(plan: AttentionPlan, heads: usize, kv_heads: usize, head_dim: usize) {
        let plan = Arc::new(plan);
        let rows = |rows: usize, heads: usize, seed| values([rows, heads * head_dim], seed);
        same_gradients(
            [rows(plan.queries(), heads, 1), rows(plan.keys(), kv_heads, 2), rows(plan.keys(), kv_heads, 3)],
            |[q, k, v]| attention(q, k, v, &plan, heads, kv_heads),
            |[q, k, v]| composed::attention(q, k, v, &plan, heads, kv_heads),
        );
    }

    #[test]
    fn equals_the_composition_on_sequences() {
        check(AttentionPlan::sequences(&[1], true), 1, 1, 4);
        check(AttentionPlan::sequences(&[5, 70, 131], true), 4, 2, 8);
        check(AttentionPlan::sequences(&[9, 3], false), 3, 3, 5);
    }

    #[test]
    fn equals_the_composition_on_trees_and_kept_keys() {
        let segment = |len, parent| Segment { len, parent, silent: false };
        let tree =
            [segment(20, None), segment(7, Some(0)), segment(70, Some(0)), segment(3, Some(2)), segment(4, None)];
        check(AttentionPlan::new(&tree, true, 0), 6, 2, 8);
        check(AttentionPlan::new(&tree, true, 20), 2, 1, 4);
    }

    #[test]
    fn equals_the_composition_with_silent_tokens_and_a_past_inside_a_segment() {
        let segment = |len, parent, silent| Segment { len, parent, silent };
        let tiles = [segment(6, None, false), segment(3, Some(0), true), segment(4, None, false)];
        check(AttentionPlan::new(&tiles, false, 0), 2, 2, 4);
        check(AttentionPlan::new(&[segment(70, None, false)], true, 69), 4, 2, 8);
    }

    #[test]
    fn a_tree_equals_its_sequences() {
        let segment = |len, parent| Segment { len, parent, silent: false };
        let tree = Arc::new(AttentionPlan::new(&[segment(3, None), segment(2, Some(0)), segment(4, Some(0))], true, 0));
        let (q, k, v) = (values([9, 8], 1), values([9, 4], 2), values([9, 4], 3));
        let whole = read(attention(q.clone(), k.clone(), v.clone(), &tree, 2, 1));
        let second = |x: Tensor<2>| Tensor::cat(vec![x.clone().narrow(0, 0, 3), x.narrow(0, 5, 4)], 0);
        let alone = Arc::new(AttentionPlan::sequences(&[7], true));
        let branch = read(attention(second(q), second(k), second(v), &alone, 2, 1));
        close("image and last branch", &[&whole[..24], &whole[40..]].concat(), &branch);
    }
}
