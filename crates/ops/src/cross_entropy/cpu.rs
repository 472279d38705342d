//! Output head and cross-entropy on the CPU, in chunks of rows.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;
use rayon::prelude::*;

use super::LOGIT_ROWS;
use crate::matmul::{Into, Target, View, product};
use crate::{cpu, simd};

/// Computes [`super::cross_entropy`] with its gradients.
pub(super) fn cross_entropy(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
) -> (Tensor<1>, Vec<f32>) {
    let wanted = [hidden.is_tracked(), head.is_tracked()];
    if wanted == [false, false] {
        let (loss, losses, _) = forward(&cpu::plain(hidden), &cpu::plain(head), targets, weights, wanted);
        return (cpu::tensor(cpu::from_vec(vec![loss], &[1])), losses);
    }
    let ((hidden, hidden_node), (head, head_node)) = (cpu::node(hidden), cpu::node(head));
    let (loss, losses, gradients) = forward(&hidden, &head, targets, weights, wanted);
    let loss = cpu::from_vec(vec![loss], &[1]);
    (cpu::recorded(CrossEntropyBackward, [hidden_node, head_node], gradients, loss), losses)
}

/// Computes [`super::token_logprobs`].
pub(super) fn token_logprobs(hidden: Tensor<2>, head: Tensor<2>, asked: &[(usize, u32)]) -> Vec<f32> {
    let ([rows, features], [vocabulary, _]) = (hidden.dims(), head.dims());
    let mut of_row: Vec<Vec<usize>> = vec![Vec::new(); rows];
    for (place, (row, _)) in asked.iter().enumerate() {
        of_row[*row].push(place);
    }
    let (hidden, head) = (cpu::plain(hidden), cpu::plain(head));
    let head = View::new(cpu::slice(&head), vocabulary, features);
    let mut logits = Vec::new();
    let mut logprobs = vec![0.0; asked.len()];
    for (hidden, of_row) in cpu::slice(&hidden).chunks(LOGIT_ROWS * features).zip(of_row.chunks(LOGIT_ROWS)) {
        chunk_logits(&mut logits, hidden, head, of_row.len(), features, vocabulary);
        let found: Vec<(usize, f32)> = logits
            .par_chunks_mut(vocabulary)
            .zip(of_row)
            .flat_map_iter(|(row, places)| {
                let of_tokens: Vec<f32> = places.iter().map(|place| row[asked[*place].1 as usize]).collect();
                let most = simd::max(row);
                let log_sum = simd::exp_and_sum(row, most).ln();
                places.iter().copied().zip(of_tokens).map(move |(place, logit)| (place, logit - most - log_sum))
            })
            .collect();
        for (place, logprob) in found {
            logprobs[place] = logprob;
        }
    }
    logprobs
}

fn chunk_logits(
    logits: &mut Vec<f32>,
    hidden: &[f32],
    head: View<'_>,
    rows: usize,
    features: usize,
    vocabulary: usize,
) {
    logits.resize(rows * vocabulary, 0.0);
    let hidden = View::new(hidden, rows, features);
    product(Target::new(logits, vocabulary), Into::Set, 1.0, hidden, head.transposed());
}

/// Loss, its unweighted terms and, if `wanted`, its gradients with respect to `hidden` and `head`.
fn forward(
    hidden: &FlexTensor,
    head: &FlexTensor,
    targets: &[u32],
    weights: &[f32],
    wanted: [bool; 2],
) -> (f32, Vec<f32>, [Option<FlexTensor>; 2]) {
    let (hidden_shape, head_shape) = (hidden.shape(), head.shape());
    let (features, vocabulary) = (hidden_shape[1], head_shape[0]);
    let head_view = View::new(cpu::slice(head), vocabulary, features);
    let mut d_hidden = wanted[0].then(|| vec![0.0; targets.len() * features]);
    let mut d_head = wanted[1].then(|| vec![0.0; vocabulary * features]);
    let mut logits = Vec::new();
    let mut losses: Vec<f32> = Vec::with_capacity(targets.len());
    for (chunk, (targets, weights)) in targets.chunks(LOGIT_ROWS).zip(weights.chunks(LOGIT_ROWS)).enumerate() {
        let rows = targets.len();
        let at = chunk * LOGIT_ROWS * features;
        let hidden = &cpu::slice(hidden)[at..at + rows * features];
        chunk_logits(&mut logits, hidden, head_view, rows, features, vocabulary);
        let chunk_losses: Vec<f32> = logits
            .par_chunks_mut(vocabulary)
            .zip(targets.par_iter().zip(weights))
            .map(|(row, (target, weight))| {
                let target = *target as usize;
                let target_logit = row[target];
                let most = simd::max(row);
                let sum = simd::exp_and_sum(row, most);
                simd::scale(row, weight / sum); // The row becomes the gradient of its logits.
                row[target] -= weight;
                most + sum.ln() - target_logit
            })
            .collect();
        losses.extend(chunk_losses);
        let d_logits = View::new(&logits, rows, vocabulary);
        if let Some(d_hidden) = &mut d_hidden {
            product(Target::part(d_hidden, at, features), Into::Set, 1.0, d_logits, head_view);
        }
        if let Some(d_head) = &mut d_head {
            let hidden = View::new(hidden, rows, features);
            product(Target::new(d_head, features), Into::Add, 1.0, d_logits.transposed(), hidden);
        }
    }
    let gradients = [
        d_hidden.map(|values| cpu::from_vec(values, &[targets.len(), features])),
        d_head.map(|values| cpu::from_vec(values, &[vocabulary, features])),
    ];
    let loss: f64 = losses.iter().zip(weights).map(|(loss, weight)| f64::from(*loss) * f64::from(*weight)).sum();
    (loss as f32, losses, gradients)
}

#[derive(Debug)]
struct CrossEntropyBackward;

impl Backward<Flex, 2> for CrossEntropyBackward {
    /// Gradients with respect to `hidden` and `head` for a loss gradient of 1.
    type State = [Option<FlexTensor>; 2];

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let d_loss = cpu::slice(&cpu::arriving(&ops, grads))[0];
        for (parent, gradient) in ops.parents.into_iter().zip(ops.state) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                let mut values = cpu::slice(&gradient).to_vec();
                simd::scale(&mut values, d_loss);
                grads.register::<Flex>(parent.id, cpu::from_vec(values, &gradient.shape()));
            }
        }
    }
}
