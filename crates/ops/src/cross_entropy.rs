//! Output head and cross-entropy in chunks of rows, so that the logits of a whole batch never exist in memory.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops};
use burn::backend::{Flex, TensorMetadata};
use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};
use burn_flex::FlexTensor;
use rayon::prelude::*;

use crate::matmul::{Into, Target, View, product};
use crate::values::values_of;
use crate::{cpu, simd};

/// Number of rows whose logits [`cross_entropy`] and [`token_logprobs`] hold at once on the CPU. Logits of 64 rows take
/// 12.6 MB over a vocabulary of 49,280 tokens and 67 MB over 262,208.
pub const LOGIT_ROWS: usize = 64;

/// Returns the loss `sum_i weights[i] * -log softmax(hidden[i] head^T)[targets[i]]`, shape `[1]`, and the unweighted
/// negative log-likelihood of every row in nats.
///
/// `hidden` is `[rows, features]`, `head` is `[vocabulary, features]`, and `targets` are token ids. With weights of 1
/// the loss is the summed negative log-likelihood. Other weights, also negative ones, give any linear function of the
/// log-probabilities. The loss has gradients with respect to `hidden` and `head`; the list of terms has none. On the CPU
/// the logits of at most [`LOGIT_ROWS`] rows exist at once, because the gradients are computed with the loss. On other
/// backends the autodiff graph of a tracked argument keeps the logits of all rows.
///
/// # Panics
/// When `targets` or `weights` do not have one value per row of `hidden`, or a target is outside the vocabulary.
#[must_use]
pub fn cross_entropy(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32], weights: &[f32]) -> (Tensor<1>, Vec<f32>) {
    let ([rows, _], [vocabulary, _]) = (hidden.dims(), head.dims());
    assert_eq!((rows, rows), (targets.len(), weights.len()), "one target and one weight per row");
    assert!(targets.iter().all(|target| (*target as usize) < vocabulary), "targets within the vocabulary");
    if !cpu::takes(&hidden) || !cpu::takes(&head) {
        let logprobs = composed_logprobs(hidden, head, targets);
        let weights = TensorData::new(weights.to_vec(), [rows]);
        let weights = Tensor::<1>::from_data(weights, &logprobs.device().without_autodiff());
        let losses = values_of(logprobs.clone().inner().neg());
        return ((logprobs * weights).sum().neg(), losses);
    }
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

/// Returns `log softmax(hidden[row] head^T)[token]` for each `(row, token)` of `asked`, in the order of `asked`, in
/// nats and without a graph. Rows count from 0; a row may occur several times or not at all. `hidden` is
/// `[rows, features]`, `head` is `[vocabulary, features]`. The logits of at most [`LOGIT_ROWS`] rows exist at once. On
/// the CPU each row is multiplied with `head` once, however many of its tokens are requested.
///
/// # Panics
/// When a row is outside `hidden` or a token is outside the vocabulary.
#[must_use]
pub fn token_logprobs(hidden: Tensor<2>, head: Tensor<2>, asked: &[(usize, u32)]) -> Vec<f32> {
    let ([rows, features], [vocabulary, _]) = (hidden.dims(), head.dims());
    assert!(asked.iter().all(|(row, _)| *row < rows), "rows within `hidden`");
    assert!(asked.iter().all(|(_, token)| (*token as usize) < vocabulary), "tokens within the vocabulary");
    if !cpu::takes(&hidden) || !cpu::takes(&head) {
        let rows = asked.iter().map(|(row, _)| *row as i64).collect();
        let rows =
            Tensor::<1, Int>::from_data(TensorData::new(rows, [asked.len()]), &hidden.device().without_autodiff());
        let tokens: Vec<u32> = asked.iter().map(|(_, token)| *token).collect();
        return values_of(composed_logprobs(hidden.inner().select(0, rows), head.inner(), &tokens));
    }
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

/// Log-probabilities of `targets`, one for each row of `hidden`, by Burn's operations in chunks of rows.
fn composed_logprobs(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32]) -> Tensor<1> {
    let device = hidden.device().without_autodiff();
    let chunk = |at: usize| {
        let targets = &targets[at..targets.len().min(at + LOGIT_ROWS)];
        let ids = targets.iter().map(|target| i64::from(*target)).collect();
        let ids = Tensor::<2, Int>::from_data(TensorData::new(ids, [targets.len(), 1]), &device);
        let logits = hidden.clone().narrow(0, at, targets.len()).matmul(head.clone().transpose());
        log_softmax(logits, 1).gather(1, ids).reshape([targets.len()])
    };
    if targets.len() <= LOGIT_ROWS {
        return chunk(0);
    }
    Tensor::cat((0..targets.len()).step_by(LOGIT_ROWS).map(chunk).collect(), 0)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{close, read, same_gradients, values};

    #[test]
    fn equals_the_composition() {
        for (rows, features, vocabulary) in [(1, 1, 2), (5, 8, 11), (130, 16, 300)] {
            let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % vocabulary) as u32).collect();
            let weights: Vec<f32> = (0..rows).map(|row| row as f32 % 3.0 - 0.5).collect();
            let weight =
                Tensor::<1>::from_data(TensorData::new(weights.clone(), [rows]), &burn::tensor::Device::flex());
            same_gradients(
                [values([rows, features], 1), values([vocabulary, features], 2)],
                |[hidden, head]| cross_entropy(hidden, head, &targets, &weights).0.reshape([1, 1]),
                |[hidden, head]| {
                    (composed_logprobs(hidden, head, &targets) * weight.clone()).sum().neg().reshape([1, 1])
                },
            );
            let (hidden, head) = (values([rows, features], 1), values([vocabulary, features], 2));
            let asked: Vec<(usize, u32)> = targets.iter().copied().enumerate().collect();
            let mine = token_logprobs(hidden.clone(), head.clone(), &asked);
            close("log-probabilities", &mine, &read(composed_logprobs(hidden.clone(), head.clone(), &targets)));
            let terms: Vec<f32> = cross_entropy(hidden, head, &targets, &weights).1.iter().map(|loss| -loss).collect();
            close("terms of the loss", &terms, &mine);
        }
    }

    #[test]
    fn chunks_equal_all_rows_at_once() {
        for rows in [LOGIT_ROWS - 1, LOGIT_ROWS, LOGIT_ROWS + 1, 2 * LOGIT_ROWS, 3 * LOGIT_ROWS - 5] {
            let (features, vocabulary) = (12, 1003);
            let targets: Vec<u32> = (0..rows).map(|row| (row * 389 % vocabulary) as u32).collect();
            let (hidden, head) = (values([rows, features], 1), values([vocabulary, features], 2));
            let all = read(log_softmax(hidden.clone().matmul(head.clone().transpose()), 1));
            let wanted: Vec<f32> =
                targets.iter().enumerate().map(|(row, target)| all[row * vocabulary + *target as usize]).collect();
            let asked: Vec<(usize, u32)> = targets.iter().copied().enumerate().collect();
            let composed = read(composed_logprobs(hidden.clone(), head.clone(), &targets));
            close("composition", &composed, &wanted);
            close("kernel", &token_logprobs(hidden.clone(), head.clone(), &asked), &wanted);
            let terms = cross_entropy(hidden, head, &targets, &vec![1.0; rows]).1;
            close("terms of the loss", &terms, &wanted.iter().map(|logprob| -logprob).collect::<Vec<f32>>());
        }
    }

    #[test]
    fn a_row_may_have_several_tokens_or_none() {
        let (hidden, head) = (values([3, 4], 1), values([9, 4], 2));
        let asked = [(2, 5), (0, 1), (2, 0), (2, 5)];
        let rows = Tensor::<1, Int>::from_data([2, 0, 2, 2], &hidden.device());
        let wanted = read(composed_logprobs(hidden.clone().select(0, rows), head.clone(), &[5, 1, 0, 5]));
        close("log-probabilities", &token_logprobs(hidden, head, &asked), &wanted);
    }

    #[test]
    fn no_supervised_token_gives_zero_loss() {
        assert_eq!(read(cross_entropy(values([0, 4], 1), values([9, 4], 2), &[], &[]).0), [0.0]);
        assert!(token_logprobs(values([0, 4], 1), values([9, 4], 2), &[]).is_empty());
    }
}
