//! Attention composed of Burn's own operations: trees are padded to equal length and masked.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Int, Tensor, TensorData};

use crate::AttentionPlan;
use crate::attention::heads::HeadShape;

/// Index tensors and mask of a plan, made once on the device of the queries.
#[derive(Clone, Debug)]
pub struct Dense {
    trees: usize,
    queries: usize,
    keys: usize,
    /// Row of `q` for each padded query, `[trees * queries]`.
    query_rows: Tensor<1, Int>,
    /// Row of `k` for each padded key, `[trees * keys]`.
    key_rows: Tensor<1, Int>,
    /// Padded query of each row of the output, `[plan.queries()]`.
    back: Tensor<1, Int>,
    /// Attention mask, true where a key is hidden from a query: `[trees, 1, 1, queries, keys]`.
    hidden: Tensor<5, Bool>,
}

impl Dense {
    fn new(plan: &AttentionPlan, device: &burn::tensor::Device) -> Self {
        let trees = plan.segments().iter().map(|placed| placed.tree + 1).max().unwrap_or(0);
        let mut tree_keys: Vec<Vec<usize>> = vec![Vec::new(); trees];
        let mut tree_queries: Vec<Vec<usize>> = vec![Vec::new(); trees];
        for placed in plan.segments() {
            tree_keys[placed.tree].extend(placed.own.clone());
            tree_queries[placed.tree].extend(placed.own.start.max(plan.past())..placed.own.end);
        }
        let keys = tree_keys.iter().map(Vec::len).max().unwrap_or(0);
        let queries = tree_queries.iter().map(Vec::len).max().unwrap_or(0);
        let padded = |rows: &[Vec<usize>], length: usize, shift: usize| -> Vec<i64> {
            rows.iter()
                .flat_map(|rows| (0..length).map(|i| rows.get(i).map_or(0, |row| (row - shift) as i64)))
                .collect()
        };
        let mut place_of_key = vec![0; plan.keys()];
        for rows in &tree_keys {
            for (place, row) in rows.iter().enumerate() {
                place_of_key[*row] = place;
            }
        }
        let mut back = vec![0_i64; plan.queries()];
        let mut hidden = vec![true; trees * queries * keys];
        for (tree, rows) in tree_queries.iter().enumerate() {
            for (place, row) in rows.iter().enumerate() {
                back[row - plan.past()] = (tree * queries + place) as i64;
            }
            // A padded query attends to the first key, because a fully masked softmax is NaN. Its result is not used.
            for place in rows.len()..queries {
                hidden[(tree * queries + place) * keys] = false;
            }
        }
        for block in plan.blocks(1) {
            let row = block.rows.start;
            let base = back[row - plan.past()] as usize * keys;
            for (segment, keys) in plan.seen(&block) {
                for key in plan.segments()[segment].own.clone().skip(keys.start).take(keys.len()) {
                    hidden[base + place_of_key[key]] = false;
                }
            }
        }
        let ints = |values: Vec<i64>| {
            let length = values.len();
            Tensor::<1, Int>::from_data(TensorData::new(values, [length]), device)
        };
        Self {
            trees,
            queries,
            keys,
            query_rows: ints(padded(&tree_queries, queries, plan.past())),
            key_rows: ints(padded(&tree_keys, keys, 0)),
            back: ints(back),
            hidden: Tensor::from_data(TensorData::new(hidden, [trees, 1, 1, queries, keys]), device),
        }
    }
}

/// Computes [`crate::attention()`] with Burn's operations, on any device and with gradients. Arguments, shapes and
/// result are the same; the caller has checked the shapes. Without query rows, returns `q`.
pub fn attention(q: Tensor<2>, k: Tensor<2>, v: Tensor<2>, plan: &AttentionPlan, shape: HeadShape) -> Tensor<2> {
    if plan.queries() == 0 {
        return q;
    }
    let HeadShape { kv_heads, head_dim, scale, .. } = shape;
    let (width, group) = (shape.width(), shape.group());
    let dense = plan.dense.get_or_init(|| Dense::new(plan, &q.device().without_autodiff()));
    let (trees, queries, keys) = (dense.trees, dense.queries, dense.keys);
    let kv =
        |x: Tensor<2>| x.select(0, dense.key_rows.clone()).reshape([trees, keys, kv_heads, head_dim]).swap_dims(1, 2);
    let q = q
        .select(0, dense.query_rows.clone())
        .reshape([trees, queries, kv_heads, group, head_dim])
        .permute([0, 2, 3, 1, 4]) // [trees, kv_heads, group, queries, head_dim]
        .reshape([trees, kv_heads, group * queries, head_dim]);
    let scores = q.matmul(kv(k).swap_dims(2, 3)) * scale;
    let hidden = dense.hidden.clone().expand([trees, kv_heads, group, queries, keys]);
    let scores = scores.reshape([trees, kv_heads, group, queries, keys]).mask_fill(hidden, f32::NEG_INFINITY);
    let probabilities = softmax(scores, 4).reshape([trees, kv_heads, group * queries, keys]);
    probabilities
        .matmul(kv(v))
        .reshape([trees, kv_heads, group, queries, head_dim])
        .permute([0, 3, 1, 2, 4])
        .reshape([trees * queries, width])
        .select(0, dense.back.clone())
}
