//! Panels of queries: one column for each pair of query row and head that share a key/value head.

use crate::AttentionPlan;
use crate::attention::heads::Heads;
use crate::attention::plan::Block;
use crate::simd::Columns;
use crate::tile::COLUMNS;

/// Queries of one tree and one key/value head as columns of a panel.
pub struct Panel {
    /// Query row and head of each used column.
    columns: Vec<(usize, usize)>,
    /// Segment of each used column.
    segments: Vec<usize>,
    past: usize,
    shape: Heads,
}

/// Makes the panels of one key/value head on a block of rows. They hold every pair of a row and a query head
/// of the group.
pub fn panels(plan: &AttentionPlan, block: &Block, kv_head: usize, shape: Heads) -> Vec<Panel> {
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

/// Number of rows per block that fills a panel: a row takes one column per head of a group.
pub fn block_rows(shape: Heads) -> usize {
    (COLUMNS / shape.group()).max(1)
}

impl Panel {
    /// Query row and head of each used column.
    pub fn columns(&self) -> &[(usize, usize)] {
        &self.columns
    }

    /// Fills `out` with each column's part of `values`, `[queries, width]`, times `factor`: `[head_dim][COLUMNS]`.
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

    /// Fills `out` with each column's part of `values` times `factor`, one part per row, in panels:
    /// `[head_dim / COLUMNS, rounded up][COLUMNS][COLUMNS]`.
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

    /// Sets the scores of keys that a column does not attend to to `value`. `scores` are those of `segment`: the first
    /// `seen` keys have some column that attends to them, and later rows only fill the last tile.
    pub fn hide(&self, plan: &AttentionPlan, segment: usize, seen: usize, scores: &mut [f32], value: f32) {
        let shown: [usize; COLUMNS] = std::array::from_fn(|column| match self.columns.get(column) {
            Some((row, _)) => plan.keys_seen(segment, self.segments[column], row + self.past).min(seen),
            None => seen,
        });
        let always = shown.into_iter().min().unwrap_or(0);
        for (key, scores) in scores.chunks_exact_mut(COLUMNS).enumerate().skip(always) {
            for (score, shown) in scores.iter_mut().zip(shown) {
                if key >= shown {
                    *score = value;
                }
            }
        }
    }

    /// Returns `of(query row, head)` for each used column and zero for the others.
    pub fn each(&self, of: impl Fn(usize, usize) -> f32) -> Columns {
        std::array::from_fn(|column| self.columns.get(column).map_or(0.0, |(row, head)| of(*row, *head)))
    }
}
