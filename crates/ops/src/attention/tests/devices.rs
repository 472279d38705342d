//! The composed attention on a device other than the CPU's, against the CPU kernel.
#![allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.

use burn::tensor::{Device, TensorData};

use super::*;

/// Values of `tensor` on `device`.
fn moved(tensor: &Tensor<2>, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(read(tensor.clone()), tensor.dims()), device)
}

/// Returns output and gradients of the arguments, each with a graph.
fn results(arguments: [Tensor<2>; 3], operation: impl Fn([Tensor<2>; 3]) -> Tensor<2>) -> [Vec<f32>; 4] {
    let leaves = arguments.map(|argument| argument.autodiff().require_grad());
    let out = operation(leaves.clone());
    let weights = moved(&values(out.dims(), 99), &out.device().without_autodiff()).autodiff();
    let grads = (out.clone() * weights).sum().backward();
    let [q, k, v] = leaves.map(|leaf| leaf.grad(&grads).map(read).expect("a leaf has a gradient"));
    [read(out), q, k, v]
}

/// Asserts that the composition on the other backend, in products of at most `bytes` bytes of scores, equals the
/// kernel.
pub fn same_on_devices(plan: &Arc<AttentionPlan>, heads: Heads, head_dim: usize, bytes: usize) {
    let rows = |rows: usize, heads: usize, seed| values([rows, heads * head_dim], seed);
    let arguments = [
        rows(plan.queries(), heads.heads, 1),
        rows(plan.keys(), heads.kv_heads, 2),
        // Small, because the tolerance is absolute where a query attends to one key and the true gradient is zero.
        rows(plan.keys(), heads.kv_heads, 3) * 0.1,
    ];
    let device = Device::ndarray();
    let there = arguments.each_ref().map(|argument| moved(argument, &device));
    let shape = heads.shape(heads.heads * head_dim);
    let indices = Arc::new(Indices::new(plan, heads.heads, bytes, &device));
    let kernel = results(arguments, |[q, k, v]| attention(q, k, v, plan, heads));
    let untracked = composed::with_indices(there.clone(), Arc::clone(&indices), shape);
    close("untracked", &read(untracked), &kernel[0]);
    let composed = results(there, |arguments| composed::with_indices(arguments, Arc::clone(&indices), shape));
    for (name, (composed, kernel)) in ["output", "d_q", "d_k", "d_v"].into_iter().zip(composed.iter().zip(&kernel)) {
        close(name, composed, kernel);
    }
}

fn segment(len: usize, parent: Option<usize>) -> Segment {
    Segment { len, parent, silent: false }
}

#[test]
fn a_tree_of_questions_equals_the_kernel() {
    let mut segments = vec![segment(90, None)];
    for question in 0..12 {
        let parent = Some(segments.len());
        segments.extend([
            segment(5 + question % 4, Some(0)),
            segment(2, parent),
            segment(0, parent),
            segment(3, parent),
        ]);
    }
    let plan = Arc::new(AttentionPlan::new(&segments, true, 0));
    for bytes in [1 << 10, 1 << 14, 1 << 24] {
        same_on_devices(&plan, Heads::new(4, 2), 8, bytes);
    }
}

#[test]
fn one_row_may_exceed_the_limit() {
    same_on_devices(&Arc::new(AttentionPlan::sequences(&[40, 17], true)), Heads::new(3, 1), 8, 1);
    same_on_devices(&Arc::new(AttentionPlan::sequences(&[40, 17], false).with_window(9)), Heads::new(3, 1), 8, 1);
}

#[test]
fn the_plan_serves_layers_with_different_numbers_of_heads() {
    let plan = Arc::new(AttentionPlan::sequences(&[12, 30], true));
    for heads in [Heads::new(2, 1), Heads::new(6, 3)] {
        let [q, k, v] = [(42, heads.heads), (42, heads.kv_heads), (42, heads.kv_heads)]
            .map(|(rows, heads)| values([rows, heads * 8], 7 + heads as u32));
        let there = [&q, &k, &v].map(|x| moved(x, &Device::ndarray()));
        let [there_q, there_k, there_v] = there;
        let composed = attention(there_q, there_k, there_v, &plan, heads);
        close("output", &read(composed), &read(attention(q, k, v, &plan, heads)));
    }
}

#[test]
fn products_in_bf16_are_close() {
    let plan = AttentionPlan::new(&[segment(30, None), segment(9, Some(0)), segment(12, Some(0))], true, 0);
    let heads = Heads { bf16: true, ..Heads::new(4, 2) };
    let arguments = [values([51, 32], 1), values([51, 16], 2), values([51, 16], 3)];
    let indices = Arc::new(Indices::new(&plan, 4, 1 << 20, &Device::flex()));
    let of = |heads: Heads| {
        results(arguments.clone(), |arguments| composed::with_indices(arguments, Arc::clone(&indices), heads.shape(32)))
    };
    let (rounded, exact) = (of(heads), of(Heads { bf16: false, ..heads }));
    for (name, (rounded, exact)) in ["output", "d_q", "d_k", "d_v"].into_iter().zip(rounded.iter().zip(&exact)) {
        let most = exact.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
        let apart = rounded.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart > 0.0 && apart <= 0.05 * most, "{name}: {apart} of {most}");
    }
    let plan = Arc::new(plan);
    same_on_devices(&plan, heads, 8, 1 << 20); // This backend has no bf16.
    let [q, k, v] = arguments;
    let kernel = |heads| read(attention(q.clone(), k.clone(), v.clone(), &plan, heads));
    assert_eq!(kernel(heads), kernel(Heads { bf16: false, ..heads }), "the CPU ignores the switch");
}
