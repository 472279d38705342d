//! Attention on random trees with windows and spans, against a mask made token by token from the definition.

use std::ops::Range;

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, TensorData};
use proptest::prelude::*;

use super::devices::same_on_devices;
use super::*;
use crate::attention::levels::divide;
use crate::attention::parts::Limit;

/// A plan and the definition it was made from.
#[derive(Debug)]
struct Case {
    segments: Vec<Segment>,
    causal: bool,
    past: usize,
    window: Option<usize>,
    spans: Vec<Range<usize>>,
}

impl Case {
    fn plan(&self) -> AttentionPlan {
        let mut plan = AttentionPlan::new(&self.segments, self.causal, self.past);
        if self.causal {
            plan = plan.with_bidirectional(&self.spans);
        }
        if let Some(window) = self.window {
            plan = plan.with_window(window);
        }
        plan
    }

    /// Segments from the root to `segment`, which is the last.
    fn path(&self, segment: usize) -> Vec<usize> {
        let mut path = self.segments[segment].parent.map_or_else(Vec::new, |parent| self.path(parent));
        path.push(segment);
        path
    }

    /// Segment of each token and its place in the sequence.
    fn tokens(&self) -> Vec<(usize, usize)> {
        let first = |segment: usize| -> usize {
            self.path(segment).iter().filter(|above| **above != segment).map(|above| self.segments[*above].len).sum()
        };
        let segments = self.segments.iter().enumerate();
        segments.flat_map(|(index, it)| (0..it.len).map(move |token| (index, first(index) + token))).collect()
    }

    /// Whether each key is hidden from each query, `[queries * keys]`.
    fn hidden(&self) -> Vec<bool> {
        let tokens = self.tokens();
        let together = |a: usize, b: usize| self.spans.iter().any(|span| span.contains(&a) && span.contains(&b));
        let sees = |query: usize, key: usize| {
            let ((of_query, place), (of_key, key_place)) = (tokens[query], tokens[key]);
            let within = if of_query == of_key {
                !self.segments[of_key].silent && (!self.causal || key <= query || together(query, key))
            } else {
                self.path(of_query).contains(&of_key)
            };
            within && self.window.is_none_or(|window| key_place + window > place)
        };
        (self.past..tokens.len())
            .flat_map(|query| (0..tokens.len()).map(move |key| (query, key)))
            .map(|(query, key)| !sees(query, key))
            .collect()
    }
}

/// Attention with an explicit mask, head by head.
fn masked([q, k, v]: [Tensor<2>; 3], hidden: &Tensor<2, Bool>, heads: Heads) -> Tensor<2> {
    let head_dim = q.dims()[1] / heads.heads;
    let one = |head: usize| {
        let shared = head / (heads.heads / heads.kv_heads);
        let part = |x: &Tensor<2>, head: usize| x.clone().narrow(1, head * head_dim, head_dim);
        let scores = part(&q, head).matmul(part(&k, shared).transpose()) / (head_dim as f64).sqrt();
        softmax(scores.mask_fill(hidden.clone(), f32::NEG_INFINITY), 1).matmul(part(&v, shared))
    };
    Tensor::cat((0..heads.heads).map(one).collect(), 1)
}

fn segments() -> impl Strategy<Value = Vec<Segment>> {
    // Length, parent (roots too), and whether the segment is silent where it may be.
    let length = prop_oneof![1 => Just(0_usize), 9 => 1_usize..50];
    prop::collection::vec((length, 0_usize..6, prop::bool::weighted(0.2)), 1..8).prop_map(|drawn| {
        let mut segments: Vec<Segment> = Vec::new();
        for (index, (len, parent, silent)) in drawn.into_iter().enumerate() {
            let parent = Some(parent).filter(|parent| *parent < index && !segments[*parent].silent);
            // A silent segment needs tokens to attend to.
            let silent = silent && parent.is_some_and(|parent| segments[parent].len > 0);
            segments.push(Segment { len: len.max(usize::from(index == 0)), parent, silent });
        }
        segments
    })
}

/// Cuts each segment into spans and gaps in turn; `lengths` gives their lengths.
fn spans(segments: &[Segment], lengths: &[usize]) -> Vec<Range<usize>> {
    let (mut spans, mut start, mut turn) = (Vec::new(), 0, 0);
    for segment in segments {
        let end = start + segment.len;
        while start < end {
            let next = end.min(start + lengths[turn % lengths.len()]);
            if turn % 3 != 0 {
                spans.push(start..next);
            }
            (start, turn) = (next, turn + 1);
        }
    }
    spans
}

fn case() -> impl Strategy<Value = Case> {
    let lengths = prop::collection::vec(1_usize..40, 1..5);
    (segments(), any::<bool>(), 0.0_f64..1.0, prop::option::of(1_usize..120), lengths).prop_map(
        |(segments, causal, past, window, lengths)| {
            let spans = if causal { spans(&segments, &lengths) } else { Vec::new() };
            let total: usize = segments.iter().map(|segment| segment.len).sum();
            let longest = segments.iter().filter(|segment| segment.silent).map(|segment| segment.len).max();
            let window = window.map(|window| longest.map_or(window, |longest| window.max(longest + 1)));
            // Most plans have no past.
            let past = (total as f64 * (past * 2.0 - 1.0).max(0.0)) as usize;
            Case { segments, causal, past, window, spans }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn kernel_and_composition_equal_the_definition(
        case in case(),
        heads in prop::sample::select(vec![(2, 1), (3, 3)]),
        bytes in prop::sample::select(vec![1 << 8, 1 << 12, 1 << 20]),
    ) {
        let plan = Arc::new(case.plan());
        let (heads, head_dim) = (Heads::new(heads.0, heads.1), 9);
        let hidden = TensorData::new(case.hidden(), [plan.queries(), plan.keys()]);
        let hidden = Tensor::<2, Bool>::from_data(hidden, &burn::tensor::Device::flex());
        let rows = |rows: usize, heads: usize, seed| values([rows, heads * head_dim], seed);
        let [q, k, v] = [
            rows(plan.queries(), heads.heads, 1),
            rows(plan.keys(), heads.kv_heads, 2),
            // Small, because the tolerance is absolute where a query attends to one key and the true gradient is zero.
            rows(plan.keys(), heads.kv_heads, 3) * 0.1,
        ];
        same_gradients(
            [q.clone(), k.clone(), v.clone()],
            |[q, k, v]| attention(q, k, v, &plan, heads),
            |arguments| masked(arguments, &hidden, heads),
        );
        let shape = heads.shape(heads.heads * head_dim);
        let indices = Arc::new(Indices::new(&plan, heads.heads, bytes, &burn::tensor::Device::flex()));
        same_gradients(
            [q, k, v],
            |arguments| composed::with_indices(arguments, Arc::clone(&indices), shape),
            |arguments| masked(arguments, &hidden, heads),
        );
        same_on_devices(&plan, heads, head_dim, bytes);
    }

    #[test]
    fn the_division_has_each_pair_once(case in case(), most in 1_usize..4000) {
        let plan = case.plan();
        let limit = Limit { scores: most, small: most / 8 };
        let mut pairs = vec![0; plan.queries() * plan.keys()];
        for level in divide(&plan, limit).levels {
            for batch in level.batches {
                for piece in batch.pieces {
                    prop_assert!(piece.scores() <= limit.scores || piece.queries.len() == 1);
                    let (keys, queries) = (batch.keys.len() / batch.parts, piece.queries.len() / batch.parts);
                    for (place, visible) in piece.visible.iter().enumerate() {
                        let first = place / queries * keys + piece.keys.start;
                        for key in &batch.keys[first + visible.start..first + visible.end] {
                            let (query, key) = (piece.queries[place].expect("a query"), key.expect("a key"));
                            pairs[query * plan.keys() + key] += 1;
                        }
                    }
                }
            }
        }
        let expected: Vec<i32> = case.hidden().into_iter().map(|hidden| i32::from(!hidden)).collect();
        prop_assert_eq!(pairs, expected);
    }
}
