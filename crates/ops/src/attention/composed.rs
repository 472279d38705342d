//! Attention composed of Burn's own operations, on any device and with its own backward pass.
//!
//! The keys of each segment are multiplied once with the queries of the segment and once with the queries of all its
//! descendants, in batches of bounded size. A query's results over its ancestors and its own segment are joined by the
//! logarithms of their sums of exponentials, so that the softmax is exact.

use std::sync::Arc;

use burn::tensor::activation::sigmoid;
use burn::tensor::{DType, Device, Tensor};

use super::heads::HeadShape;
use super::indices::{Indices, LevelIndices};
use super::products::{HIDDEN, factor, keys, keys_of_piece, product, queries, query_rows, scores};
use super::recompute::Recomputed;
use crate::AttentionPlan;
use crate::recorded::recorded;

/// Least number of bytes that the scores of one product may take.
const SMALL_SCORES: usize = 64 << 20;

/// Most bytes that the scores of one product take on a device with large buffers.
const LARGE_SCORES: usize = 512 << 20;

/// Computes [`crate::attention()`] with Burn's operations. Arguments, shapes and result are the same; the caller has
/// checked the shapes. Without query rows, returns `q`.
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, plan: &AttentionPlan, shape: HeadShape) -> Tensor<2> {
    if plan.queries() == 0 {
        return q;
    }
    let make = || {
        let device = q.device().without_autodiff();
        Arc::new(Indices::new(plan, shape.heads, score_bytes(largest_buffer(&q)), &device))
    };
    let kept = plan.indices.get_or_init(make);
    let indices = if kept.heads == shape.heads { Arc::clone(kept) } else { make() };
    with_indices([q, k, v], indices, shape)
}

/// Computes the attention over the division of a plan. The arguments are `q`, `k` and `v`.
pub fn with_indices(arguments: [Tensor<2>; 3], indices: Arc<Indices>, shape: HeadShape) -> Tensor<2> {
    let [q, k, v] = arguments.clone().map(Tensor::inner);
    let shape = HeadShape { bf16: shape.bf16 && q.device().supports_dtype(DType::BF16), ..shape };
    let [q, k, v] = [q * shape.scale, k, v].map(|x| factor(x, shape));
    if let ([level], false) = (indices.levels.as_slice(), arguments.iter().any(Tensor::is_tracked)) {
        return of_level([&q, &k, &v], level, shape).0;
    }
    let levels = indices.levels.iter().map(|level| {
        let (out, pieces) = of_level([&q, &k, &v], level, shape);
        (out, log_sums(pieces, level, shape))
    });
    let (out, log_sums) = levels.reduce(|above, below| joined(above, below, shape)).expect("a query attends to a key");
    recorded(arguments, Recomputed { q, k, v, out: out.clone(), log_sums, indices, shape }, out)
}

/// Returns the most bytes that the scores of one product of [`crate::attention()`] take on `device`, unless the scores of
/// a single segment take more. The CPU holds fewer.
#[must_use]
pub fn attention_score_bytes(device: &Device) -> usize {
    score_bytes(largest_buffer(&Tensor::zeros([1, 1], device)))
}

/// Returns the most bytes that the scores of one product may take on a device whose largest buffer has `largest` bytes:
/// half of the buffer, within limits. None is a device that states no largest buffer.
fn score_bytes(largest: Option<u64>) -> usize {
    let half = |largest: u64| usize::try_from(largest / 2).unwrap_or(LARGE_SCORES).clamp(SMALL_SCORES, LARGE_SCORES);
    largest.map_or(SMALL_SCORES, half)
}

/// Returns the size in bytes of the largest buffer of the device of `x`; None if the backend states none.
fn largest_buffer(x: &Tensor<2>) -> Option<u64> {
    #[cfg(any(feature = "cuda", feature = "wgpu"))]
    if let Ok(x) = x.clone().inner().try_into_primitive::<burn::backend::Cube>() {
        use burn::backend::TensorMetadata;

        return Some(x.device().client().properties().memory.max_page_size);
    }
    let _ = x; // Other backends state no largest buffer.
    None
}

/// Largest score of each row of a piece, and the sum of the exponentials of all scores less the largest one. Both are
/// `[parts, kv_heads, group * queries, 1]`.
struct RowSums {
    most: Tensor<4>,
    sums: Tensor<4>,
}

/// Returns the output over the keys of one level, `[plan.queries(), width]`, zeros for rows without keys in the level,
/// and the sums of each piece. `q` holds the factor of the scores.
fn of_level([q, k, v]: [&Tensor<2>; 3], level: &LevelIndices, shape: HeadShape) -> (Tensor<2>, Vec<RowSums>) {
    let (mut outs, mut row_sums) = (Vec::new(), Vec::new());
    for batch in &level.batches {
        let (k, v) = (keys(k, batch, shape), keys(v, batch, shape));
        for piece in &batch.pieces {
            let by_head =
                |x: Tensor<4>, size| x.reshape([batch.parts, shape.kv_heads, shape.group() * piece.queries, size]);
            let scores = scores(queries(q, batch.parts, piece, shape), keys_of_piece(&k, piece), piece, shape);
            let most = scores.clone().max_dim(3);
            let weights = (scores - most.clone()).exp();
            let sums = by_head(weights.clone().sum_dim(3), 1);
            let weights = factor(by_head(weights, piece.keys.len()), shape);
            let out = product(weights, keys_of_piece(&v, piece), shape) / sums.clone();
            outs.push(query_rows(out, batch.parts, piece, shape));
            row_sums.push(RowSums { most: by_head(most, 1), sums });
        }
    }
    (level.collected.of(outs, 0.0), row_sums)
}

/// Returns the natural logarithm of each row's sum of exponentials over the keys of one level,
/// `[plan.queries(), heads]`, and [`HIDDEN`] for rows without keys in the level.
fn log_sums(row_sums: Vec<RowSums>, level: &LevelIndices, shape: HeadShape) -> Tensor<2> {
    let pieces = level.batches.iter().flat_map(|batch| batch.pieces.iter().map(|piece| (batch.parts, piece)));
    let rows = pieces
        .zip(row_sums)
        .map(|((parts, piece), RowSums { most, sums })| query_rows(most + sums.log(), parts, piece, shape));
    level.collected.of(rows.collect(), HIDDEN)
}

/// Joins outputs and logarithms of sums over two sets of keys.
fn joined(a: (Tensor<2>, Tensor<2>), b: (Tensor<2>, Tensor<2>), shape: HeadShape) -> (Tensor<2>, Tensor<2>) {
    let ((a, a_sums), (b, b_sums)) = (a, b);
    let rows = a.dims()[0];
    let apart = b_sums.clone() - a_sums.clone();
    let by_head = |x: Tensor<2>| x.reshape([rows, shape.heads, shape.head_dim]);
    let share: Tensor<3> = sigmoid(apart.clone()).reshape([rows, shape.heads, 1]);
    let (a, b) = (by_head(a), by_head(b));
    let out = a.clone() + (b - a) * share;
    (out.reshape([rows, shape.width()]), a_sums.max_pair(b_sums) + apart.abs().neg().exp().log1p())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_take_half_of_the_largest_buffer_within_limits() {
        let mebibytes = |largest: Option<u64>| score_bytes(largest.map(|mebibytes| mebibytes << 20)) >> 20;
        let sizes = [None, Some(16), Some(128), Some(256), Some(1024), Some(1 << 20)].map(mebibytes);
        assert_eq!(sizes, [64, 64, 64, 128, 512, 512]);
    }
}
