//! Attention plan: which tokens attend to which, for sequences and trees of segments laid end to end without padding.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use crate::attention::Indices;

/// Run of neighbouring tokens. A token attends to every token of the segment's ancestors. Inside its own segment it
/// attends to itself and the tokens before it; in a plan that is not causal, to all tokens of the segment.
/// [`AttentionPlan::with_window`] and [`AttentionPlan::with_bidirectional`] change this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Number of tokens.
    pub len: usize,
    /// Index of the segment that this one continues; it must be smaller than this segment's own index. None for the
    /// start of a sequence.
    pub parent: Option<usize>,
    /// Whether the segment's tokens are queries only: they attend to their ancestors, and no token attends to them. A
    /// silent segment with tokens needs an ancestor with tokens.
    pub silent: bool,
}

/// Tokens laid end to end, and for each token the tokens that it attends to.
///
/// A plain batch has one segment without parent per sequence. Several questions about one image are a segment for the
/// image and one child segment per question: the image is computed once, and each question attends to the image and
/// itself. Tokens before [`AttentionPlan::past`] are cached keys and values of an earlier pass.
#[derive(Debug)]
pub struct AttentionPlan {
    segments: Vec<Placed>,
    causal: bool,
    past: usize,
    total: usize,
    /// Number of places, back from and including its own, in which a token sees keys. None means no limit.
    window: Option<usize>,
    /// End of the tokens that each token attends to in its own segment; empty without bidirectional spans.
    own_ends: Vec<usize>,
    /// Index lists and masks of the composed form, made at its first use; empty when only the CPU kernel has run.
    pub(crate) indices: OnceLock<Arc<Indices>>,
}

/// A segment with its token range and ancestors.
#[derive(Debug)]
pub(crate) struct Placed {
    /// Token range of the segment.
    pub own: Range<usize>,
    /// Place of the segment's first token in its sequence: the number of tokens of the ancestors.
    pub place: usize,
    /// Indices of the ancestors, root first.
    pub ancestors: Vec<usize>,
    /// Number of the tree the segment belongs to, counted from 0 over segments without parent.
    pub tree: usize,
    /// Whether the segment's tokens are queries only.
    pub silent: bool,
}

/// Neighbouring query rows of one tree: the unit of work of the attention kernel.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Segments that the rows belong to.
    pub segments: Range<usize>,
    /// Tokens of the block, numbered from the first key of the plan.
    pub rows: Range<usize>,
}

impl AttentionPlan {
    /// Builds a plan over `segments`, whose tokens follow each other in this order. The first `past` tokens are
    /// keys only, cached by an earlier pass; all other tokens are queries too. `causal` hides later tokens of the
    /// same segment.
    ///
    /// # Panics
    /// When a parent does not come before its child, a parent is silent, a silent segment has tokens but no ancestor with
    /// tokens, or `past` exceeds the number of tokens.
    #[must_use]
    pub fn new(segments: &[Segment], causal: bool, past: usize) -> Self {
        let mut placed: Vec<Placed> = Vec::with_capacity(segments.len());
        let (mut start, mut trees) = (0, 0);
        for (index, segment) in segments.iter().enumerate() {
            let own = start..start + segment.len;
            start = own.end;
            let (ancestors, tree) = match segment.parent {
                None => {
                    trees += 1;
                    (Vec::new(), trees - 1)
                }
                Some(parent) => {
                    assert!(parent < index, "a parent comes before its child");
                    let above = &placed[parent];
                    assert!(!above.silent, "a silent segment has no children");
                    let mut ancestors = above.ancestors.clone();
                    ancestors.push(parent);
                    (ancestors, above.tree)
                }
            };
            // Attention to nothing at all would be NaN.
            let attends = ancestors.iter().any(|above| !placed[*above].own.is_empty());
            assert!(!segment.silent || own.is_empty() || attends, "a silent segment has an ancestor with tokens");
            let place = ancestors.last().map_or(0, |above| placed[*above].place + placed[*above].own.len());
            placed.push(Placed { own, place, ancestors, tree, silent: segment.silent });
        }
        assert!(past <= start, "the past lies within the plan");
        let (window, own_ends, indices) = (None, Vec::new(), OnceLock::new());
        Self { segments: placed, causal, past, total: start, window, own_ends, indices }
    }

    /// Builds a plan of independent sequences with the given lengths in tokens, without cached tokens. `causal` hides
    /// later tokens of the same sequence.
    #[must_use]
    pub fn sequences(lengths: &[usize], causal: bool) -> Self {
        let segments: Vec<Segment> = lengths.iter().map(|&len| Segment { len, parent: None, silent: false }).collect();
        Self::new(&segments, causal, 0)
    }

    /// Hides keys far behind a query (sliding-window attention, Beltagy et al. 2020): a token at place `p` attends only
    /// to keys at places greater than `p - window`. The place of a token is the number of tokens before it in its
    /// sequence: in its ancestors and in its own segment, including the past. The window does not limit keys after the
    /// query, which a token sees in a plan that is not causal or in a bidirectional span.
    ///
    /// # Panics
    /// When `window` is 0, or a silent segment has `window` tokens or more, whose last one would attend to nothing.
    #[must_use]
    pub fn with_window(self, window: usize) -> Self {
        assert!(window > 0, "a window holds the query itself");
        let fits = self.segments.iter().all(|placed| !placed.silent || placed.own.len() < window);
        assert!(fits, "a silent segment is shorter than the window");
        Self { window: Some(window), indices: OnceLock::new(), ..self }
    }

    /// Lets the tokens of each span attend to each other in both directions in a causal plan, as Gemma 3 does with the
    /// tokens of one image. A window still hides keys far behind. `spans` are ranges of the plan's tokens, counted from
    /// the first key, in ascending order without overlap; they replace the spans of an earlier call, and empty ones have
    /// no effect. Neighbouring spans do not see each other's later tokens.
    ///
    /// # Panics
    /// When the plan is not causal, spans overlap or descend, or a span does not lie inside one segment.
    #[must_use]
    pub fn with_bidirectional(self, spans: &[Range<usize>]) -> Self {
        assert!(self.causal, "only a causal plan hides later tokens");
        let mut own_ends: Vec<usize> = if spans.is_empty() { Vec::new() } else { (1..=self.total).collect() };
        let mut free = 0;
        for span in spans.iter().filter(|span| !span.is_empty()) {
            assert!(free <= span.start, "spans ascend without overlap");
            let holder = self.segments.partition_point(|placed| placed.own.end <= span.start);
            let inside = self.segments.get(holder).is_some_and(|placed| span.end <= placed.own.end);
            assert!(inside, "a bidirectional span lies inside one segment");
            own_ends[span.clone()].fill(span.end);
            free = span.end;
        }
        Self { own_ends, indices: OnceLock::new(), ..self }
    }

    /// Returns the number of leading tokens that are keys only.
    #[must_use]
    pub fn past(&self) -> usize {
        self.past
    }

    /// Returns the number of key rows: all tokens, including silent ones, which no token attends to.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.total
    }

    /// Returns the number of query rows: all tokens after the past.
    #[must_use]
    pub fn queries(&self) -> usize {
        self.total - self.past
    }

    /// Returns the segments in the order given to [`AttentionPlan::new`].
    pub(crate) fn segments(&self) -> &[Placed] {
        &self.segments
    }

    /// Returns whether later tokens of a segment are hidden.
    pub(crate) fn causal(&self) -> bool {
        self.causal
    }

    /// Returns the window of [`AttentionPlan::with_window`]; None without one.
    pub(crate) fn window(&self) -> Option<usize> {
        self.window
    }

    /// Returns the end of the tokens that the token `row` attends to in its own segment, in a causal plan. Both count
    /// from the first key of the plan.
    pub(crate) fn own_end(&self, row: usize) -> usize {
        self.own_ends.get(row).copied().unwrap_or(row + 1)
    }

    /// Divides the query rows into blocks of at most `height` (at least 1) rows of one tree, in order. A block may
    /// hold several short segments: scoring the keys of their common ancestors costs as much for one row as for a
    /// full block.
    ///
    /// # Panics
    /// When `height` is 0.
    pub(crate) fn blocks(&self, height: usize) -> Vec<Block> {
        let mut blocks: Vec<Block> = Vec::new();
        for (segment, placed) in self.segments.iter().enumerate() {
            let mut rows = placed.own.start.max(self.past)..placed.own.end;
            if let Some(open) = blocks.last_mut().filter(|open| self.segments[open.segments.start].tree == placed.tree)
            {
                let taken = rows.len().min(height - open.rows.len());
                if taken > 0 {
                    (open.segments.end, open.rows.end) = (segment + 1, rows.start + taken);
                    rows.start += taken;
                }
            }
            blocks.extend(
                rows.clone()
                    .step_by(height)
                    .map(|row| Block { segments: segment..segment + 1, rows: row..(row + height).min(rows.end) }),
            );
        }
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::{AttentionPlan, Segment};

    fn segment(len: usize, parent: Option<usize>) -> Segment {
        Segment { len, parent, silent: false }
    }

    #[test]
    fn blocks_do_not_span_trees() {
        let plan = AttentionPlan::new(&[segment(1, None), segment(1, None), segment(2, Some(1))], true, 0);
        let blocks: Vec<_> = plan.blocks(8).into_iter().map(|block| (block.segments, block.rows)).collect();
        assert_eq!(blocks, [(0..1, 0..1), (1..3, 1..4)]);
    }

    #[test]
    fn kept_keys_are_not_queries() {
        let plan = AttentionPlan::new(&[segment(3, None), segment(2, Some(0))], true, 3);
        assert_eq!((plan.keys(), plan.queries(), plan.blocks(64).len()), (5, 2, 1));
    }

    #[test]
    fn the_past_may_end_inside_a_segment() {
        let plan = AttentionPlan::new(&[segment(5, None)], true, 4);
        let blocks = plan.blocks(64);
        assert_eq!((blocks.len(), blocks[0].rows.clone(), plan.seen(&blocks[0])[0].clone()), (1, 4..5, (0, 0..5)));
    }

    #[test]
    fn silent_segments_attend_to_an_ancestor_with_tokens() {
        let silent = |len, parent| Segment { len, parent, silent: true };
        let attends =
            |segments: &[Segment]| std::panic::catch_unwind(|| AttentionPlan::new(segments, false, 0)).is_ok();
        assert!(attends(&[segment(1, None), silent(3, Some(0))]));
        assert!(attends(&[segment(2, None), segment(0, Some(0)), silent(3, Some(1))]));
        assert!(attends(&[segment(0, None), silent(0, Some(0))]), "without tokens, nothing attends");
        assert!(!attends(&[segment(0, None), silent(3, Some(0))]));
        assert!(!attends(&[silent(3, None)]));
    }

    #[test]
    #[should_panic(expected = "a parent comes before its child")]
    fn a_parent_after_its_child_is_refused() {
        let _ = AttentionPlan::new(&[segment(1, Some(1)), segment(1, None)], true, 0);
    }

    #[test]
    #[should_panic(expected = "a bidirectional span lies inside one segment")]
    fn a_span_across_two_segments_is_refused() {
        let plan = AttentionPlan::new(&[segment(3, None), segment(3, Some(0))], true, 0);
        let _ = plan.with_bidirectional(&[0..2, 2..4]);
    }

    #[test]
    #[should_panic(expected = "spans ascend without overlap")]
    fn overlapping_spans_are_refused() {
        let _ = AttentionPlan::sequences(&[6], true).with_bidirectional(&[1..4, 3..5]);
    }

    #[test]
    #[should_panic(expected = "a silent segment is shorter than the window")]
    fn a_window_that_leaves_a_silent_token_alone_is_refused() {
        let segments = [segment(5, None), Segment { len: 3, parent: Some(0), silent: true }];
        let _ = AttentionPlan::new(&segments, false, 0).with_window(3);
    }
}
