//! Panels of queries: one column for each pair of query row and head that share a key/value head.

use std::ops::Range;

use crate::AttentionPlan;
use crate::attention::heads::HeadShape;
use crate::attention::plan::Block;
use crate::simd::Columns;
use crate::tile::{COLUMNS, ROWS};

/// Queries of one tree and one key/value head as columns of a panel. A panel has [`COLUMNS`] columns; the columns after
/// the last query are unused.
pub struct Panel {
    /// Query row and head of each used column.
    columns: Vec<(usize, usize)>,
    /// Segment of each used column.
    segments: Vec<usize>,
    past: usize,
    shape: HeadShape,
}

/// Makes the panels of the key/value head `kv_head` (counted from 0) on a block of rows. Together they hold every pair
/// of a row of the block and a query head that shares the key/value head.
///
/// # Panics
/// When a row of the block lies in none of the block's segments.
pub fn panels(plan: &AttentionPlan, block: &Block, kv_head: usize, shape: HeadShape) -> Vec<Panel> {
    let first = kv_head * shape.group();
    let heads: Vec<usize> = (first..first + shape.group()).collect();
    let of_row = |row: &usize| block.segments.clone().find(|segment| plan.segments()[*segment].own.contains(row));
    let segments: Vec<usize> =
        block.rows.clone().map(|row| of_row(&row).expect("a block's rows belong to its segments")).collect();
    let some = heads.chunks(COLUMNS);
    some.map(|heads| {
        let rows = block.rows.start - plan.past()..block.rows.end - plan.past();
        let columns = rows.flat_map(|row| heads.iter().map(move |head| (row, *head))).collect();
        let segments = segments.iter().flat_map(|segment| heads.iter().map(|_| *segment)).collect();
        Panel { columns, segments, past: plan.past(), shape }
    })
    .collect()
}

/// Returns the number of rows per block that fills a panel, at least 1: a row takes one column per query head of
/// a group.
pub fn block_rows(shape: HeadShape) -> usize {
    (COLUMNS / shape.group()).max(1)
}

impl Panel {
    /// Returns the query row (counted from the plan's first query) and the head of each used column.
    pub fn columns(&self) -> &[(usize, usize)] {
        &self.columns
    }

    /// Replaces `out` by each column's part of `values` times `factor`, one part per column: `[head_dim][COLUMNS]`.
    /// `values` is `[queries, width]`; unused columns become zero.
    ///
    /// # Panics
    /// When `values` is shorter than the queries of the plan.
    pub fn side_by_side(&self, values: &[f32], factor: f32, out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.shape.head_dim * COLUMNS, 0.0);
        for (column, (row, head)) in self.columns.iter().enumerate() {
            let line = &values[row * self.shape.width() + head * self.shape.head_dim..][..self.shape.head_dim];
            for (out, value) in out[column..].iter_mut().step_by(COLUMNS).zip(line) {
                *out = factor * value;
            }
        }
    }

    /// Replaces `out` by each column's part of `values` times `factor`, one part per row, in panels:
    /// `[head_dim / COLUMNS, rounded up][COLUMNS][COLUMNS]`. `values` is `[queries, width]`; places without a value
    /// become zero.
    ///
    /// # Panics
    /// When `values` is shorter than the queries of the plan.
    pub fn stacked(&self, values: &[f32], factor: f32, out: &mut Vec<f32>) {
        out.clear();
        out.resize(self.shape.head_dim.div_ceil(COLUMNS) * COLUMNS * COLUMNS, 0.0);
        for (column, (row, head)) in self.columns.iter().enumerate() {
            let line = &values[row * self.shape.width() + head * self.shape.head_dim..][..self.shape.head_dim];
            for (panel, line) in line.chunks(COLUMNS).enumerate() {
                let out = &mut out[(panel * COLUMNS + column) * COLUMNS..][..line.len()];
                for (out, value) in out.iter_mut().zip(line) {
                    *out = factor * value;
                }
            }
        }
    }

    /// Writes `value` over the scores of keys that a column does not attend to. `scores`, `[keys][COLUMNS]`, belong to
    /// the tiles of `segment` that hold `seen`, the keys that some column attends to. Rows before and after `seen` only
    /// fill the first and last tile and are overwritten in every column.
    pub fn hide(&self, plan: &AttentionPlan, segment: usize, seen: &Range<usize>, scores: &mut [f32], value: f32) {
        let first = seen.start / ROWS * ROWS;
        let (mut starts, mut ends) = ([seen.start - first; COLUMNS], [seen.end - first; COLUMNS]);
        for (column, (row, _)) in self.columns.iter().enumerate() {
            let shown = plan.keys_seen(segment, self.segments[column], row + self.past);
            starts[column] = shown.start.max(seen.start) - first;
            ends[column] = shown.end.min(seen.end).saturating_sub(first);
        }
        let rows = scores.len() / COLUMNS;
        let from = starts.into_iter().max().unwrap_or(0);
        let to = ends.into_iter().min().unwrap_or(rows);
        for key in (0..from.min(to)).chain(to..rows) {
            let scores = &mut scores[key * COLUMNS..(key + 1) * COLUMNS];
            for ((score, start), end) in scores.iter_mut().zip(&starts).zip(&ends) {
                if key < *start || key >= *end {
                    *score = value;
                }
            }
        }
    }

    /// Returns `of(query row, head)` for each used column and zero for each unused one.
    pub fn each(&self, of: impl Fn(usize, usize) -> f32) -> Columns {
        std::array::from_fn(|column| self.columns.get(column).map_or(0.0, |(row, head)| of(*row, *head)))
    }
}
