//! Tests of the attention kernel against Burn's operations.

mod devices;
mod division;
mod masks;

use super::*;
use crate::Segment;
use crate::testing::{close, read, same_gradients, values};

fn check(plan: AttentionPlan, heads: usize, kv_heads: usize, head_dim: usize) {
    check_scaled(plan, Heads::new(heads, kv_heads), head_dim);
}

fn check_scaled(plan: AttentionPlan, heads: Heads, head_dim: usize) {
    let plan = Arc::new(plan);
    let rows = |rows: usize, heads: usize, seed| values([rows, heads * head_dim], seed);
    let kv_heads = heads.kv_heads;
    same_gradients(
        [rows(plan.queries(), heads.heads, 1), rows(plan.keys(), kv_heads, 2), rows(plan.keys(), kv_heads, 3)],
        |[q, k, v]| attention(q, k, v, &plan, heads),
        |[q, k, v]| composed::attention(q, k, v, &plan, heads.shape(heads.heads * head_dim)),
    );
}

#[test]
fn equals_the_composition_on_sequences() {
    check(AttentionPlan::sequences(&[1], true), 1, 1, 4);
    check(AttentionPlan::sequences(&[5, 70, 131], true), 4, 2, 8);
    check(AttentionPlan::sequences(&[9, 3], false), 3, 3, 5);
}

#[test]
fn equals_the_composition_at_the_widths_of_model_families() {
    for (heads, kv_heads, head_dim) in [(2, 2, 72), (2, 2, 80), (4, 2, 256), (3, 1, 20)] {
        check(AttentionPlan::sequences(&[40, 3], true), heads, kv_heads, head_dim);
    }
}

#[test]
fn equals_the_composition_on_many_short_sequences() {
    let lengths: Vec<usize> = (0..40).map(|window| [16, 64, 8, 1][window % 4]).collect();
    check(AttentionPlan::sequences(&lengths, false), 2, 2, 8);
}

#[test]
fn equals_the_composition_on_trees_and_kept_keys() {
    let segment = |len, parent| Segment { len, parent, silent: false };
    let tree = [segment(20, None), segment(7, Some(0)), segment(70, Some(0)), segment(3, Some(2)), segment(4, None)];
    check(AttentionPlan::new(&tree, true, 0), 6, 2, 8);
    check(AttentionPlan::new(&tree, true, 20), 2, 1, 4);
}

#[test]
fn equals_the_composition_with_silent_tokens_and_a_past_inside_a_segment() {
    let segment = |len, parent, silent| Segment { len, parent, silent };
    let tiles = [segment(6, None, false), segment(3, Some(0), true), segment(4, None, false)];
    check(AttentionPlan::new(&tiles, false, 0), 2, 2, 4);
    check(AttentionPlan::new(&[segment(70, None, false)], true, 69), 4, 2, 8);
}

#[test]
fn equals_the_composition_with_a_given_scale() {
    let heads = |scale| Heads { scale, ..Heads::new(4, 2) };
    check_scaled(AttentionPlan::sequences(&[5, 40], true), heads(Some(0.05)), 8);
    let (q, k, v) = (values([9, 32], 1), values([9, 16], 2), values([9, 16], 3));
    let plan = Arc::new(AttentionPlan::sequences(&[9], true));
    let scaled = read(attention(q.clone() * 0.5, k.clone(), v.clone(), &plan, heads(Some(0.3))));
    close("scale", &scaled, &read(attention(q, k, v, &plan, heads(Some(0.15)))));
}

#[test]
fn equals_the_composition_with_windows_and_spans() {
    for window in [2, 8, 9, 33, usize::MAX] {
        check(AttentionPlan::sequences(&[5, 70, 131], true).with_window(window), 4, 2, 8);
        let images = AttentionPlan::sequences(&[90, 60], true).with_bidirectional(&[3..43, 43..83, 100..133]);
        check(images.with_window(window), 2, 1, 20);
    }
    check(AttentionPlan::sequences(&[90], true).with_bidirectional(&[3..43, 50..90]), 3, 3, 8);
}

#[test]
fn a_tree_equals_its_sequences() {
    let segment = |len, parent| Segment { len, parent, silent: false };
    let segments = [segment(30, None), segment(20, Some(0)), segment(40, Some(0))];
    let (q, k, v) = (values([90, 8], 1), values([90, 4], 2), values([90, 4], 3));
    let second = |x: Tensor<2>| Tensor::cat(vec![x.clone().narrow(0, 0, 30), x.narrow(0, 50, 40)], 0);
    for window in [1, 5, 16, 45, 1000] {
        let tree =
            Arc::new(AttentionPlan::new(&segments, true, 0).with_window(window).with_bidirectional(&[3..20, 60..80]));
        let whole = read(attention(q.clone(), k.clone(), v.clone(), &tree, Heads::new(2, 1)));
        let alone = AttentionPlan::sequences(&[70], true).with_window(window).with_bidirectional(&[3..20, 40..60]);
        let (q, k, v) = (second(q.clone()), second(k.clone()), second(v.clone()));
        let branch = read(attention(q, k, v, &Arc::new(alone), Heads::new(2, 1)));
        close("image and last branch", &[&whole[..240], &whole[400..]].concat(), &branch);
    }
}

#[test]
fn token_by_token_equals_one_pass() {
    let (q, k, v) = (values([50, 8], 1), values([50, 4], 2), values([50, 4], 3));
    let pass = |keys: usize, past: usize| {
        let plan = AttentionPlan::new(&[Segment { len: keys, parent: None, silent: false }], true, past).with_window(7);
        let (q, k, v) = (q.clone().narrow(0, past, keys - past), k.clone().narrow(0, 0, keys), v.clone());
        read(attention(q, k, v.narrow(0, 0, keys), &Arc::new(plan), Heads::new(2, 1)))
    };
    let steps: Vec<f32> = (20..50).fold(pass(20, 0), |steps, token| [steps, pass(token + 1, token)].concat());
    close("tokens", &steps, &pass(50, 0));
}

#[test]
#[should_panic(expected = "query heads are a multiple of key/value heads")]
fn heads_that_do_not_share_evenly_are_refused() {
    let plan = Arc::new(AttentionPlan::sequences(&[2], true));
    let _ = attention(values([2, 6], 1), values([2, 4], 1), values([2, 4], 1), &plan, Heads::new(3, 2));
}
