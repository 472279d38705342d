//! Parts of a plan's scores: query rows against the keys of one segment, cut where they are too many.

use std::ops::Range;

use crate::AttentionPlan;

/// Number of scores that a cut computes for each score that the plan asks for, at most.
const CUT_WASTE: usize = 3;

/// Most scores of one product, for one head.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// Most scores of one piece; a piece of one query row may have more.
    pub scores: usize,
    /// Scores that cost less than the start of one more product: no bound on waste applies below this number.
    pub small: usize,
}

impl Limit {
    /// Returns the limit for pieces whose scores, f32 values for `heads` heads, take at most `bytes` bytes.
    ///
    /// # Panics
    /// When `heads` is 0.
    pub fn of(bytes: usize, heads: usize) -> Self {
        let scores = (bytes / size_of::<f32>() / heads).max(1);
        Self { scores, small: scores / 64 }
    }
}

/// Keys that one query row attends to in one segment.
#[derive(Clone, Debug)]
pub struct Row {
    /// Row of `q`.
    pub row: usize,
    /// Rows of `k`; not empty.
    pub keys: Range<usize>,
}

/// Query rows whose scores are computed by one product.
#[derive(Clone, Debug)]
pub struct Cut {
    /// Query rows in ascending order.
    pub rows: Vec<Row>,
    /// Rows of `k` from the first to the last that one of `rows` attends to.
    pub keys: Range<usize>,
}

impl Cut {
    /// Returns the number of scores.
    pub fn scores(&self) -> usize {
        self.rows.len() * self.keys.len()
    }
}

/// Query rows that attend to the keys of one segment: either its own rows, or the rows of all its descendants.
#[derive(Clone, Debug)]
pub struct Part {
    /// Number of the segment's ancestors that have tokens. A query row is in at most one part of a level.
    pub level: usize,
    /// Whether the query rows are the segment's own rows.
    pub own: bool,
    /// Rows of `k` from the first to the last that a query row attends to.
    pub keys: Range<usize>,
    /// The query rows, divided; not empty.
    pub cuts: Vec<Cut>,
}

/// Returns the parts of a plan. Each pair of a query and a key that it attends to is in one cut. A cut of more than one
/// row has at most `limit.scores` scores, and at most [`CUT_WASTE`] times the pairs that the plan asks for or
/// `limit.small` scores, whichever is more.
pub fn parts(plan: &AttentionPlan, limit: Limit) -> Vec<Part> {
    let segments = plan.segments();
    let mut rows: Vec<[Vec<Row>; 2]> = segments.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for (segment, placed) in segments.iter().enumerate() {
        for row in placed.own.start.max(plan.past())..placed.own.end {
            for of in placed.ancestors.iter().copied().chain([segment]) {
                let keys = plan.keys_seen(of, segment, row);
                if !keys.is_empty() {
                    let first = segments[of].own.start;
                    let keys = first + keys.start..first + keys.end;
                    rows[of][usize::from(of == segment)].push(Row { row: row - plan.past(), keys });
                }
            }
        }
    }
    let mut parts = Vec::new();
    for (placed, rows) in segments.iter().zip(rows) {
        let level = placed.ancestors.iter().filter(|above| !segments[**above].own.is_empty()).count();
        for (own, rows) in [false, true].into_iter().zip(rows) {
            let cuts = cuts(rows, limit);
            let keys = cuts.iter().map(|cut| cut.keys.clone()).reduce(union);
            parts.extend(keys.map(|keys| Part { level, own, keys, cuts }));
        }
    }
    parts
}

/// Divides query rows: a cut ends before the first row with which it would break a bound of [`parts`].
fn cuts(rows: Vec<Row>, limit: Limit) -> Vec<Cut> {
    let mut cuts: Vec<Cut> = Vec::new();
    let mut asked = 0;
    for row in rows {
        if let Some(cut) = cuts.last_mut() {
            let keys = union(cut.keys.clone(), row.keys.clone());
            let scores = (cut.rows.len() + 1) * keys.len();
            let useful = CUT_WASTE * (asked + row.keys.len());
            if scores <= limit.scores && scores <= useful.max(limit.small) {
                asked += row.keys.len();
                cut.keys = keys;
                cut.rows.push(row);
                continue;
            }
        }
        asked = row.keys.len();
        cuts.push(Cut { keys: row.keys.clone(), rows: vec![row] });
    }
    cuts
}

/// Returns the range from the first to the last of two ranges.
fn union(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    a.start.min(b.start)..a.end.max(b.end)
}
