//! Keys that the queries of a plan attend to, as ranges of each segment's keys.

use std::ops::Range;

use crate::AttentionPlan;
use crate::attention::plan::Block;

impl AttentionPlan {
    /// Returns the segments with keys that some row of the block attends to, each with the range from the first to the
    /// last such key, in ascending order of segments. Keys count from 0 within their segment; no range is empty.
    ///
    /// # Panics
    /// When the block is of another plan.
    pub(crate) fn seen(&self, block: &Block) -> Vec<(usize, Range<usize>)> {
        let mut seen: Vec<(usize, Range<usize>)> = Vec::new();
        for segment in block.segments.clone() {
            let placed = &self.segments()[segment];
            if placed.own.is_empty() {
                continue;
            }
            // Later rows of a segment attend to no earlier first key, and to no earlier last key.
            let (first, last) = (block.rows.start.max(placed.own.start), block.rows.end.min(placed.own.end) - 1);
            seen.extend(
                placed
                    .ancestors
                    .iter()
                    .chain([&segment])
                    .map(|of| (*of, self.keys_seen(*of, segment, first).start..self.keys_seen(*of, segment, last).end)),
            );
        }
        seen.retain(|(_, keys)| !keys.is_empty());
        seen.sort_by_key(|(segment, _)| *segment);
        seen.dedup_by(|(other, keys), (segment, union)| {
            let same = other == segment;
            if same {
                *union = union.start.min(keys.start)..union.end.max(keys.end);
            }
            same
        });
        seen
    }

    /// Returns the keys of segment `of` that the token `row` of `segment` attends to. Keys count from 0 within `of`;
    /// `row` counts from the first key of the plan. The range is empty unless `of` is an ancestor of `segment` or
    /// `segment` itself.
    ///
    /// # Panics
    /// When there is no such segment.
    pub(crate) fn keys_seen(&self, of: usize, segment: usize, row: usize) -> Range<usize> {
        let (keys, queries) = (&self.segments()[of], &self.segments()[segment]);
        let end = match queries.ancestors.contains(&of) {
            true => keys.own.len(),
            false if of != segment || keys.silent => 0,
            false if self.causal() => self.own_end(row) - keys.own.start,
            false => keys.own.len(),
        };
        let start = self.window().map_or(0, |window| {
            let place = queries.place + row - queries.own.start;
            (place + 1).saturating_sub(keys.place).saturating_sub(window).min(end)
        });
        start..end
    }
}

#[cfg(test)]
mod tests {
    use crate::{AttentionPlan, Segment};

    fn segment(len: usize, parent: Option<usize>) -> Segment {
        Segment { len, parent, silent: false }
    }

    fn tree() -> AttentionPlan {
        AttentionPlan::new(&[segment(3, None), segment(2, Some(0)), segment(4, Some(0)), segment(1, Some(2))], true, 0)
    }

    #[test]
    fn a_branch_sees_its_ancestors_and_itself() {
        let plan = tree();
        let blocks = plan.blocks(3);
        let rows: Vec<_> = blocks.iter().map(|block| block.rows.clone()).collect();
        assert_eq!(rows, [0..3, 3..6, 6..9, 9..10]);
        assert_eq!(plan.seen(&blocks[1]), [(0, 0..3), (1, 0..2), (2, 0..1)]);
        assert_eq!(plan.seen(&blocks[2]), [(0, 0..3), (2, 0..4)]);
        assert_eq!(plan.seen(&blocks[3]), [(0, 0..3), (2, 0..4), (3, 0..1)]);
        assert_eq!((plan.keys_seen(2, 2, 5), plan.keys_seen(2, 2, 8)), (0..1, 0..4));
        assert_eq!((plan.keys_seen(1, 2, 8), plan.keys_seen(2, 3, 9)), (0..0, 0..4));
    }

    #[test]
    fn a_window_counts_along_the_branch() {
        let plan = tree().with_window(3);
        let blocks = plan.blocks(3);
        // Rows 3 and 4 continue the root at places 3 and 4, and so do rows 5 to 8 at places 3 to 6.
        assert_eq!((plan.keys_seen(0, 1, 4), plan.keys_seen(0, 2, 5)), (2..3, 1..3));
        assert_eq!(plan.seen(&blocks[1]), [(0, 1..3), (1, 0..2), (2, 0..1)]);
        assert_eq!(plan.seen(&blocks[2]), [(0, 2..3), (2, 0..4)]);
        assert_eq!(plan.seen(&blocks[3]), [(2, 2..4), (3, 0..1)]);
    }

    #[test]
    fn rows_of_a_span_see_its_end() {
        let plan = AttentionPlan::new(&[segment(2, None), segment(6, None)], true, 0).with_bidirectional(&[3..5, 5..7]);
        let ends: Vec<_> = (2..8).map(|row| plan.keys_seen(1, 1, row).end).collect();
        assert_eq!(ends, [1, 3, 3, 5, 5, 6]);
        let windowed = plan.with_window(2);
        let ranges: Vec<_> = (2..8).map(|row| windowed.keys_seen(1, 1, row)).collect();
        assert_eq!(ranges, [0..1, 0..3, 1..3, 2..5, 3..5, 4..6]);
    }
}
