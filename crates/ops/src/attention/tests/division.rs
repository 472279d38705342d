//! Sizes of the products into which a plan is divided.

use crate::attention::indices::Indices;
use crate::attention::levels::{Division, Level, Piece, divide};
use crate::attention::parts::Limit;
use crate::attention::rows::Rows;
use crate::{AttentionPlan, Segment};

/// A root of 600 tokens with questions of 30 to 37 tokens, each with two options of 5 tokens.
fn questions(count: usize) -> AttentionPlan {
    let segment = |len, parent| Segment { len, parent, silent: false };
    let mut segments = vec![segment(600, None)];
    for question in 0..count {
        let parent = Some(segments.len());
        segments.extend([segment(30 + question % 8, Some(0)), segment(5, parent), segment(5, parent)]);
    }
    AttentionPlan::new(&segments, true, 0)
}

fn pieces(division: &Division) -> impl Iterator<Item = &Piece> {
    division.levels.iter().flat_map(Level::pieces)
}

fn scores(division: &Division) -> usize {
    pieces(division).map(Piece::scores).sum()
}

/// Pairs of a query and a key that it attends to.
fn pairs(plan: &AttentionPlan) -> usize {
    let rows = plan.blocks(1);
    rows.iter().flat_map(|row| plan.seen(row)).map(|(_, keys)| keys.len()).sum()
}

#[test]
fn scores_and_keys_grow_with_the_questions() {
    let limit = Limit { scores: 1 << 16, small: 1 << 10 };
    let of = |count: usize| {
        let plan = questions(count);
        let division = divide(&plan, limit);
        let largest = pieces(&division).map(Piece::scores).max();
        assert!(largest.is_some_and(|largest| largest <= limit.scores), "{count} questions: {largest:?}");
        let keys: usize = division.key_places.iter().map(|keys| keys.count).sum();
        assert!(keys <= 3 * plan.keys(), "{count} questions: {keys} keys of {}", plan.keys());
        assert!(scores(&division) <= 3 * pairs(&plan), "{count} questions: {}", scores(&division));
        scores(&division)
    };
    let one = of(1);
    for count in [2, 4, 8, 64] {
        assert!(of(count) <= count * one, "{count} questions");
    }
    // Each new question costs as much as the ones before.
    let (eight, sixteen, sixty_four) = (of(8), of(16), of(64));
    assert!(sixty_four - sixteen <= 7 * (sixteen - eight), "{eight} {sixteen} {sixty_four}");
}

#[test]
fn a_long_segment_is_cut_into_bounded_products() {
    let limit = Limit::of(64 << 20, 9);
    let rows: usize = 16_384;
    for (plan, most) in [
        (AttentionPlan::sequences(&[rows], true), rows * rows * 6 / 10),
        (AttentionPlan::sequences(&[rows], true).with_window(512), rows * 512 * 4),
        (AttentionPlan::sequences(&[rows], false), rows * rows),
    ] {
        let division = divide(&plan, limit);
        let largest = pieces(&division).map(Piece::scores).max();
        assert!(largest.is_some_and(|largest| largest <= limit.scores), "{largest:?}");
        assert!(scores(&division) <= most, "{} of {most}", scores(&division));
    }
}

#[test]
fn sequences_of_equal_length_need_no_lists() {
    let device = burn::tensor::Device::flex();
    for (causal, bytes, pieces) in [(false, 1 << 20, 1), (true, 1 << 20, 1), (false, 2 * 4 * 64 * 64 * 2, 3)] {
        let plan = AttentionPlan::sequences(&[64; 6], causal);
        let indices = Indices::new(&plan, 2, bytes, &device);
        let [level] = indices.levels.as_slice() else { panic!("one level") };
        assert_eq!(level.batches.len(), pieces);
        for batch in &level.batches {
            let whole =
                |rows: &Rows| if pieces == 1 { matches!(rows, Rows::All) } else { matches!(rows, Rows::Range(_)) };
            assert!(whole(&batch.rows) && whole(&batch.pieces[0].rows), "{batch:?}");
            let mask = batch.pieces[0].mask.as_ref().map(|mask| mask.hidden().dims());
            assert_eq!(mask, causal.then_some([1, 1, 64, 64]));
        }
        assert!(matches!(level.collected.rows, Rows::All) && !level.collected.missing);
        let [_, own] = indices.key_lists();
        assert!(matches!(own.rows, Rows::All) && !own.missing);
    }
}

#[test]
fn a_root_and_its_descendants_need_no_lists() {
    let indices = Indices::new(&questions(8), 2, 1 << 30, &burn::tensor::Device::flex());
    let root = &indices.levels[0];
    assert_eq!(root.batches.iter().map(|batch| batch.own).collect::<Vec<_>>(), [true, false]);
    assert!(matches!(root.collected.rows, Rows::All) && !root.collected.missing);
    for batch in &root.batches {
        assert!(matches!((&batch.rows, &batch.pieces[0].rows), (Rows::Range(_), Rows::Range(_))));
        assert_eq!(batch.pieces[0].mask.is_some(), batch.own, "descendants see the whole root");
    }
}

#[test]
fn a_token_after_a_past_needs_no_lists() {
    let plan = AttentionPlan::new(&[Segment { len: 500, parent: None, silent: false }], true, 499);
    let indices = Indices::new(&plan, 4, 1 << 20, &burn::tensor::Device::flex());
    let [level] = indices.levels.as_slice() else { panic!("one level") };
    let [batch] = level.batches.as_slice() else { panic!("one batch") };
    assert!(matches!(batch.rows, Rows::All) && matches!(batch.pieces[0].rows, Rows::All));
    assert!(batch.pieces[0].mask.is_none());
}
