//! Attention on the CPU: blocks of rows, one head at a time, scores in a scratch buffer.
#![allow(unsafe_code)] // Tasks write disjoint rows and columns of one buffer (`matmul::Shared`).

use std::ops::Range;

use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::Kept;
use crate::matmul::{Into, Shared, Target, View, product_here};
use crate::plan::Block;
use crate::{Plan, cpu, simd};

/// Rows of a block: its scores against a thousand keys fit the second-level cache.
const ROWS: usize = 64;

/// The heads of an attention layer.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    pub heads: usize,
    pub kv_heads: usize,
    pub head_dim: usize,
}

impl Heads {
    /// Values in a row of queries.
    fn width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Values in a row of keys.
    fn kv_width(self) -> usize {
        self.kv_heads * self.head_dim
    }

    /// The key/value head of a query head.
    fn kv_head(self, head: usize) -> usize {
        head / (self.heads / self.kv_heads)
    }

    fn scale(self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// One head of some rows, `[rows, head_dim]`, out of `values` whose rows are `width` wide.
fn one_head<'a>(values: &'a [f32], rows: &Range<usize>, width: usize, head: usize, head_dim: usize) -> View<'a> {
    View::strided(&values[rows.start * width + head * head_dim..], rows.len(), head_dim, width)
}

/// The block's rows as rows of `q`, which starts after the past.
fn query_rows(plan: &Plan, block: &Block) -> Range<usize> {
    block.rows.start - plan.past()..block.rows.end - plan.past()
}

/// How many of `columns` keys the block's row number `row` sees: in a causal plan the block's own tokens are the last,
/// unless they are silent.
fn visible(plan: &Plan, block: &Block, columns: usize, row: usize) -> usize {
    let own_last = plan.causal() && !plan.segments()[block.segment].silent;
    if own_last { columns - block.rows.len() + row + 1 } else { columns }
}

/// Attention and, for the backward, the logarithm of each row's sum of exponentials, `[heads, queries]`.
pub fn forward(q: &FlexTensor, k: &FlexTensor, v: &FlexTensor, plan: &Plan, shape: Heads) -> (FlexTensor, Vec<f32>) {
    let (q_values, k_values, v_values) = (cpu::slice(q), cpu::slice(k), cpu::slice(v));
    let queries = plan.queries();
    let (width, kv_width, head_dim) = (shape.width(), shape.kv_width(), shape.head_dim);
    let mut out = vec![0.0; queries * width];
    let mut log_sums = vec![0.0; shape.heads * queries];
    let (out_shared, sums_shared) = (Shared::new(&mut out), Shared::new(&mut log_sums));
    let blocks = plan.blocks(ROWS);
    (0..blocks.len() * shape.heads).into_par_iter().with_max_len(4).for_each(|task| {
        let (block, head) = (&blocks[task / shape.heads], task % shape.heads);
        let (rows, seen, kv_head) = (query_rows(plan, block), plan.seen(block), shape.kv_head(head));
        let columns: usize = seen.iter().map(Range::len).sum();
        let mut scores = vec![0.0; rows.len() * columns];
        let mut column = 0;
        for keys in &seen {
            let target = Target::part(&mut scores, column, columns);
            let query = one_head(q_values, &rows, width, head, head_dim);
            let key = one_head(k_values, keys, kv_width, kv_head, head_dim);
            product_here(target, Into::Set, shape.scale(), query, key.transposed());
            column += keys.len();
        }
        // SAFETY: this task alone owns these rows of this head.
        let sums = unsafe { sums_shared.slice(head * queries + rows.start, rows.len()) };
        for (row, (scores, log_sum)) in scores.chunks_exact_mut(columns).zip(sums).enumerate() {
            let (shown, hidden) = scores.split_at_mut(visible(plan, block, columns, row));
            let most = simd::max(shown);
            let sum = simd::exp_and_sum(shown, most);
            simd::scale(shown, 1.0 / sum);
            hidden.fill(0.0);
            *log_sum = most + sum.ln();
        }
        // SAFETY: this task alone writes these rows and columns.
        let target = unsafe { out_shared.target(rows.start * width + head * head_dim, width) };
        let mut column = 0;
        for keys in &seen {
            let probabilities = View::strided(&scores[column..], rows.len(), keys.len(), columns);
            let value = one_head(v_values, keys, kv_width, kv_head, head_dim);
            product_here(target, Into::Add, 1.0, probabilities, value);
            column += keys.len();
        }
    });
    (cpu::from_vec(out, &[queries, width]), log_sums)
}

/// Gradients with respect to `q`, `k` and `v`, given the gradient of the output.
pub fn backward(kept: &Kept, d_out: &FlexTensor) -> [Vec<f32>; 3] {
    let Kept { plan, shape, .. } = kept;
    let (width, kv_width) = (shape.width(), shape.kv_width());
    let mut d_q = vec![0.0; plan.queries() * width];
    let d_q_shared = Shared::new(&mut d_q);
    let trees = by_tree(plan);
    // One task a head and tree: it alone touches its columns of d_q, and keeps its part of d_k and d_v to itself, since
    // the heads of a group share those.
    let parts: Vec<(Vec<f32>, Vec<f32>)> = (0..trees.len() * shape.heads)
        .into_par_iter()
        .with_max_len(1)
        .map(|task| head_backward(kept, cpu::slice(d_out), &trees[task / shape.heads], task % shape.heads, &d_q_shared))
        .collect();
    let (mut d_k, mut d_v) = (vec![0.0; plan.keys() * kv_width], vec![0.0; plan.keys() * kv_width]);
    let group = shape.heads / shape.kv_heads;
    for (tree_index, tree) in trees.iter().enumerate() {
        for (local, key) in tree.keys.iter().flat_map(Clone::clone).enumerate() {
            for kv_head in 0..shape.kv_heads {
                let at = key * kv_width + kv_head * shape.head_dim;
                for head in kv_head * group..(kv_head + 1) * group {
                    let (part_k, part_v) = &parts[tree_index * shape.heads + head];
                    let from = local * shape.head_dim..(local + 1) * shape.head_dim;
                    simd::add_scaled(&mut d_k[at..at + shape.head_dim], &part_k[from.clone()], 1.0);
                    simd::add_scaled(&mut d_v[at..at + shape.head_dim], &part_v[from], 1.0);
                }
            }
        }
    }
    [d_q, d_k, d_v]
}

/// The tokens of one tree of segments.
struct Tree {
    blocks: Vec<Block>,
    /// Key rows of its segments, in order.
    keys: Vec<Range<usize>>,
}

impl Tree {
    /// Where a key row stands among the tree's own.
    fn local(&self, key: usize) -> usize {
        let mut before = 0;
        for range in &self.keys {
            if range.contains(&key) {
                return before + key - range.start;
            }
            before += range.len();
        }
        unreachable!("a block sees keys of its own tree")
    }
}

fn by_tree(plan: &Plan) -> Vec<Tree> {
    let mut trees: Vec<Tree> = Vec::new();
    for placed in plan.segments() {
        if placed.tree == trees.len() {
            trees.push(Tree { blocks: Vec::new(), keys: Vec::new() });
        }
        trees[placed.tree].keys.push(placed.own.clone());
    }
    for block in plan.blocks(ROWS) {
        trees[plan.segments()[block.segment].tree].blocks.push(block);
    }
    trees
}

/// One head of one tree: writes its columns of `d_q`, returns its `d_k` and `d_v`, `[tree's keys, head_dim]` each.
fn head_backward(kept: &Kept, d_out: &[f32], tree: &Tree, head: usize, d_q: &Shared<'_>) -> (Vec<f32>, Vec<f32>) {
    let Kept { q, k, v, out, log_sums, plan, shape } = kept;
    let (q, k, v, out) = (cpu::slice(q), cpu::slice(k), cpu::slice(v), cpu::slice(out));
    let (width, kv_width, head_dim) = (shape.width(), shape.kv_width(), shape.head_dim);
    let kv_head = shape.kv_head(head);
    let tree_keys: usize = tree.keys.iter().map(Range::len).sum();
    let (mut d_k, mut d_v) = (vec![0.0; tree_keys * head_dim], vec![0.0; tree_keys * head_dim]);
    let (mut scores, mut d_scores) = (Vec::new(), Vec::new());
    for block in &tree.blocks {
        let (rows, seen) = (query_rows(plan, block), plan.seen(block));
        let columns: usize = seen.iter().map(Range::len).sum();
        scores.resize(rows.len() * columns, 0.0);
        d_scores.resize(rows.len() * columns, 0.0);
        let query = one_head(q, &rows, width, head, head_dim);
        let d_row = one_head(d_out, &rows, width, head, head_dim);
        let mut column = 0;
        for keys in &seen {
            let key = one_head(k, keys, kv_width, kv_head, head_dim);
            let value = one_head(v, keys, kv_width, kv_head, head_dim);
            let target = Target::part(&mut scores, column, columns);
            product_here(target, Into::Set, shape.scale(), query, key.transposed());
            product_here(Target::part(&mut d_scores, column, columns), Into::Set, 1.0, d_row, value.transposed());
            column += keys.len();
        }
        for (row, (scores, d_scores)) in
            scores.chunks_exact_mut(columns).zip(d_scores.chunks_exact_mut(columns)).enumerate()
        {
            let token = rows.start + row;
            let at = token * width + head * head_dim..token * width + (head + 1) * head_dim;
            let d_mean = simd::dot(&out[at.clone()], &d_out[at]);
            let shown = visible(plan, block, columns, row);
            simd::softmax_backward(
                &mut scores[..shown],
                &mut d_scores[..shown],
                log_sums[head * plan.queries() + token],
                d_mean,
            );
            scores[shown..].fill(0.0);
            d_scores[shown..].fill(0.0);
        }
        // SAFETY: this task alone writes these rows and columns of d_q.
        let d_query = unsafe { d_q.target(rows.start * width + head * head_dim, width) };
        let mut column = 0;
        for keys in &seen {
            let p = View::strided(&scores[column..], rows.len(), keys.len(), columns);
            let d_s = View::strided(&d_scores[column..], rows.len(), keys.len(), columns);
            let at = tree.local(keys.start) * head_dim;
            product_here(d_query, Into::Add, shape.scale(), d_s, one_head(k, keys, kv_width, kv_head, head_dim));
            product_here(Target::part(&mut d_k, at, head_dim), Into::Add, shape.scale(), d_s.transposed(), query);
            product_here(Target::part(&mut d_v, at, head_dim), Into::Add, 1.0, p.transposed(), d_row);
            column += keys.len();
        }
    }
    (d_k, d_v)
}
