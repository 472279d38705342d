//! Scaled dot-product attention over a [`AttentionPlan`], with grouped key/value heads.

pub(crate) mod heads;
pub(crate) mod plan;

mod composed;
mod indices;
mod kernel;
mod keys;
mod levels;
mod mask;
mod panel;
mod parts;
mod products;
mod recompute;
mod rows;
mod visible;

use std::sync::Arc;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

pub use composed::attention_score_bytes;
pub(crate) use indices::Indices;

use crate::{AttentionPlan, cpu};
use heads::{HeadShape, Heads};

/// Returns `softmax(scale q k^T) v` (Vaswani et al. 2017), where the plan defines the keys that each query attends to
/// and [`Heads::scale`] the factor, by default `1 / sqrt(head_dim)`.
///
/// `q` and the result are `[plan.queries(), heads * head_dim]`; `k` and `v` are `[plan.keys(), kv_heads * head_dim]`.
/// Each run of `heads / kv_heads` neighbouring query heads shares one key/value head. The scores are not stored: the
/// backward pass recomputes them block by block from the logarithm of each row's sum (Dao et al. 2022, FlashAttention).
///
/// # Panics
/// When `heads` is not a multiple of `kv_heads`, either is 0, or the shapes do not match the plan and the heads.
#[must_use]
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, plan: &Arc<AttentionPlan>, heads: Heads) -> Tensor<2> {
    let [queries, width] = q.dims();
    let shape = heads.shape(width);
    assert_eq!(queries, plan.queries(), "rows of q are the plan's queries");
    assert_eq!(k.dims(), [plan.keys(), shape.kv_width()], "rows of k are the plan's keys");
    assert_eq!(v.dims(), k.dims(), "k and v have equal shapes");
    if !cpu::takes(&q) || !cpu::takes(&k) || !cpu::takes(&v) {
        return composed::attention(q, k, v, plan, shape);
    }
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
    shape: HeadShape,
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
mod tests;
