//! Measures the operations at the sizes of SmolVLM-256M, in milliseconds and billions of floating-point
//! operations per second.
//!
//!     cargo run --release -p stepwise-ops --example speed [part of a name]
#![allow(clippy::print_stdout)] // A measuring program.

use std::sync::Arc;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use stepwise_ops::{AttentionPlan, Heads, PackedWeight, Precision, Segment, Weight, attention, linear};

/// Number of timed runs. The fastest counts, because other load on the machine only adds time.
const ROUNDS: usize = 15;

fn values(shape: [usize; 2]) -> Tensor<2> {
    let data: Vec<f32> = (0..shape[0] * shape[1]).map(|i| ((i * 7919) % 1000) as f32 / 1000.0 - 0.5).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex())
}

fn fastest(mut run: impl FnMut()) -> f64 {
    run();
    let mut best = f64::INFINITY;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        run();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

fn report(name: &str, operations: usize, seconds: f64) {
    println!("{name:<58}{:>9.2} ms{:>9.1}", seconds * 1e3, operations as f64 / seconds / 1e9);
}

/// Whether the name contains the part given on the command line; true without one.
fn wanted(name: &str) -> bool {
    std::env::args().nth(1).is_none_or(|part| name.contains(&part))
}

fn products(name: &str, tokens: usize, inputs: usize, outputs: usize) {
    if !wanted(name) {
        return;
    }
    let (x, weight) = (values([tokens, inputs]), values([outputs, inputs]));
    let read: Vec<f32> = weight.clone().into_data().try_to_vec().expect("f32");
    let packed = |precision| Arc::new(PackedWeight::new(&read, [outputs, inputs], precision)).into();
    let forms: [(&str, Weight); 3] =
        [("a tensor", weight.into()), ("f32", packed(Precision::F32)), ("bf16", packed(Precision::Bf16))];
    let operations = 2 * tokens * inputs * outputs;
    for (form, weight) in forms {
        let seconds = fastest(|| drop(linear(x.clone(), weight.clone(), None)));
        report(&format!("{name}: [{tokens}, {inputs}] to {outputs}, {form}"), operations, seconds);
        let seconds = fastest(|| {
            let x = x.clone().autodiff().require_grad();
            drop(linear(x, weight.clone(), None).sum().backward());
        });
        report("   with the input's gradient", 2 * operations, seconds);
    }
}

/// Measures attention. `pairs` is the number of pairs of a query and a key it attends to.
fn attend(name: &str, plan: AttentionPlan, pairs: usize, [heads, kv_heads]: [usize; 2]) {
    if !wanted(name) {
        return;
    }
    let plan = Arc::new(plan);
    let layer = Heads::new(heads, kv_heads);
    let (q, k) = (values([plan.queries(), heads * 64]), values([plan.keys(), kv_heads * 64]));
    let operations = 4 * pairs * heads * 64;
    let seconds = fastest(|| drop(attention(q.clone(), k.clone(), k.clone(), &plan, layer)));
    report(&format!("{name}, forward"), operations, seconds);
    let seconds = fastest(|| {
        let leaf = |x: &Tensor<2>| x.clone().autodiff().require_grad();
        drop(attention(leaf(&q), leaf(&k), leaf(&k), &plan, layer).sum().backward());
    });
    report(&format!("{name}, forward and backward"), operations / 2 * 7, seconds);
}

fn main() {
    stepwise_ops::keep_freed_memory();
    println!("{:<58}{:>12}{:>9}", "", "fastest", "GF/s");
    products("tower, square", 1024, 768, 768);
    products("tower, fc1", 1024, 768, 3072);
    products("tower, fc2", 1024, 3072, 768);
    products("decoder, q", 1000, 576, 576);
    products("decoder, k", 1000, 576, 192);
    products("decoder, gate", 1000, 576, 1536);
    products("decoder, down", 200, 1536, 576);
    attend("tower attention, 2 tiles", AttentionPlan::sequences(&[1024; 2], false), 2 * 1024 * 1024, [12, 12]);
    let windows = AttentionPlan::sequences(&[64; 256], false);
    attend("tower attention, 256 windows of 64", windows, 256 * 64 * 64, [16, 16]);
    let causal = |length: usize| length * (length + 1) / 2;
    attend("decoder attention, 8 of 160", AttentionPlan::sequences(&[160; 8], true), 8 * causal(160), [9, 3]);
    let sliding = AttentionPlan::sequences(&[2048], true).with_window(256);
    attend("decoder attention, 2048 with a window of 256", sliding, causal(256) + (2048 - 256) * 256, [9, 3]);
    let mut chain = vec![Segment { len: 100, parent: None, silent: false }];
    chain.extend((0..8).map(|_| Segment { len: 50, parent: Some(0), silent: false }));
    let pairs = causal(100) + 8 * (50 * 100 + causal(50));
    attend("decoder attention, 8 branches of 50 on 100", AttentionPlan::new(&chain, true, 0), pairs, [9, 3]);
}
