//! Backward pass of the composed attention: recomputes the probabilities piece by piece (Dao et al. 2022,
//! FlashAttention).

use std::sync::Arc;

use burn::tensor::Tensor;

use super::heads::HeadShape;
use super::indices::{BatchIndices, Indices, PieceIndices};
use super::products::{factor, key_rows, keys, keys_of_piece, product, queries, query_rows, scores};
use crate::recorded::Kept;

/// Values of the forward pass that the backward pass needs. No score is among them.
#[derive(Clone, Debug)]
pub struct Recomputed {
    /// Queries times the factor of the scores, `[queries, width]`, in the type of the products.
    pub q: Tensor<2>,
    /// Keys, `[keys, kv_width]`, in the type of the products.
    pub k: Tensor<2>,
    /// Values, `[keys, kv_width]`, in the type of the products.
    pub v: Tensor<2>,
    /// Output, `[queries, width]`.
    pub out: Tensor<2>,
    /// Natural logarithm of each row's sum of exponentials, `[queries, heads]`.
    pub log_sums: Tensor<2>,
    /// Division of the plan.
    pub indices: Arc<Indices>,
    /// Sizes of the heads.
    pub shape: HeadShape,
}

/// Gradients that the caller wants.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    q: bool,
    k: bool,
    v: bool,
}

impl Kept<3> for Recomputed {
    fn gradients(self, d_out: Tensor<2>, [q, k, v]: [bool; 3]) -> [Option<Tensor<2>>; 3] {
        let wanted = Wanted { q, k, v };
        let shape = self.shape;
        let rows = d_out.dims()[0];
        let by_head = (d_out.clone() * self.out.clone()).reshape([rows, shape.heads, shape.head_dim]);
        let d_mean: Tensor<2> = by_head.sum_dim(2).reshape([rows, shape.heads]);
        let d_out = factor(d_out, shape);
        let mut d_q: Option<Tensor<2>> = None;
        let (mut d_k, mut d_v) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
        for level in &self.indices.levels {
            let mut d_queries = Vec::new();
            for batch in &level.batches {
                let [d_keys, d_values] = self.batch(batch, &d_out, &d_mean, wanted, &mut d_queries);
                d_k[usize::from(batch.own)].extend(d_keys.map(|d_keys| key_rows(d_keys, batch, shape)));
                d_v[usize::from(batch.own)].extend(d_values.map(|d_values| key_rows(d_values, batch, shape)));
            }
            if wanted.q {
                d_q = Some(added(d_q, level.collected.of(d_queries, 0.0)));
            }
        }
        let of_keys = |gradients: [Vec<Tensor<2>>; 2]| {
            let lists = self.indices.key_lists().iter().zip(gradients).filter(|(_, gradients)| !gradients.is_empty());
            lists.map(|(list, gradients)| list.of(gradients, 0.0)).reduce(|above, own| above + own)
        };
        [d_q.map(|d_q| d_q * shape.scale), of_keys(d_k), of_keys(d_v)]
    }
}

impl Recomputed {
    /// Returns the wanted gradients of a batch's keys and values, `[parts, kv_heads, keys, head_dim]`, and adds the
    /// gradients of its pieces' queries, `[parts * queries, width]`, to `d_queries` if they are wanted.
    fn batch(
        &self,
        batch: &BatchIndices,
        d_out: &Tensor<2>,
        d_mean: &Tensor<2>,
        wanted: Wanted,
        d_queries: &mut Vec<Tensor<2>>,
    ) -> [Option<Tensor<4>>; 2] {
        let shape = self.shape;
        let (all_k, all_v) = (keys(&self.k, batch, shape), keys(&self.v, batch, shape));
        let (mut d_keys, mut d_values) = (None, None);
        for piece in &batch.pieces {
            let (k, v) = (keys_of_piece(&all_k, piece), keys_of_piece(&all_v, piece));
            let [q, d_out] = [&self.q, d_out].map(|x| queries(x, batch.parts, piece, shape));
            let size = [batch.parts, shape.heads, piece.queries, piece.keys.len()];
            let rows = [batch.parts, shape.kv_heads, shape.group() * piece.queries, piece.keys.len()];
            let [log_sums, d_mean] = [&self.log_sums, d_mean]
                .map(|x| queries(x, batch.parts, piece, shape).reshape([size[0], size[1], size[2], 1]));
            let weights = (scores(q.clone(), k.clone(), piece, shape) - log_sums).exp();
            if wanted.v {
                let weights = factor(weights.clone().reshape(rows), shape);
                let d_piece = product(weights.swap_dims(2, 3), d_out.clone(), shape);
                d_values = Some(with_piece(d_values, d_piece, piece, batch));
            }
            if wanted.q || wanted.k {
                let d_weights = product(d_out, v.swap_dims(2, 3), shape).reshape(size);
                let d_scores = factor((weights * (d_weights - d_mean)).reshape(rows), shape);
                if wanted.k {
                    let d_piece = product(d_scores.clone().swap_dims(2, 3), q, shape);
                    d_keys = Some(with_piece(d_keys, d_piece, piece, batch));
                }
                if wanted.q {
                    d_queries.push(query_rows(product(d_scores, k, shape), batch.parts, piece, shape));
                }
            }
        }
        [d_keys, d_values]
    }
}

/// Adds the gradient of a piece's keys to the gradient of all keys of its batch.
fn with_piece(sum: Option<Tensor<4>>, d_piece: Tensor<4>, piece: &PieceIndices, batch: &BatchIndices) -> Tensor<4> {
    if piece.keys.len() == batch.keys {
        return added(sum, d_piece);
    }
    let [parts, heads, _, size] = d_piece.dims();
    let sum =
        sum.unwrap_or_else(|| Tensor::zeros([parts, heads, batch.keys, size], (&d_piece.device(), d_piece.dtype())));
    let place = [0..parts, 0..heads, piece.keys.clone(), 0..size];
    let added = sum.clone().slice(place.clone()) + d_piece;
    sum.slice_assign(place, added)
}

fn added<const D: usize>(sum: Option<Tensor<D>>, addend: Tensor<D>) -> Tensor<D> {
    match sum {
        Some(sum) => sum + addend,
        None => addend,
    }
}
