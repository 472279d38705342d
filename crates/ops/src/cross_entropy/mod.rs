//! Output head and cross-entropy in chunks of rows, so that the logits of a whole batch never exist in memory.

mod cpu;
mod device;

use burn::tensor::Tensor;

use crate::cpu::takes;

/// Number of rows whose logits [`cross_entropy`] and [`token_logprobs`] hold at once on the CPU. Logits of 64 rows take
/// 12.6 MB over a vocabulary of 49,280 tokens and 67 MB over 262,208.
pub const LOGIT_ROWS: usize = 64;

/// Most logits that [`cross_entropy`] and [`token_logprobs`] hold at once on devices other than the CPU, 128 MiB in f32,
/// or a row of logits where one has more. Up to [`LOGIT_TENSORS`] tensors of this size exist at a time.
pub const LOGITS_ON_DEVICE: usize = 1 << 25;

/// Most tensors of the size of a chunk's logits that exist at once on devices other than the CPU.
pub const LOGIT_TENSORS: usize = 4;

/// Returns the number of rows whose logits [`cross_entropy`] and [`token_logprobs`] hold at once on devices other than the
/// CPU, at least 1, with [`LOGITS_ON_DEVICE`] logits at most for a vocabulary of `vocabulary` tokens.
#[must_use]
pub fn logit_rows_on_device(vocabulary: usize) -> usize {
    device::chunk_rows(vocabulary, LOGITS_ON_DEVICE)
}

/// Returns the loss `sum_i weights[i] * -log softmax(hidden[i] head^T)[targets[i]]`, shape `[1]`, and the unweighted
/// negative log-likelihood of every row in nats.
///
/// `hidden` is `[rows, features]`, `head` is `[vocabulary, features]`, and `targets` are token ids. `head` may be a
/// frozen tensor in bf16, whose products round the other operand and the logits to bf16. With weights of 1 the loss is
/// the summed negative log-likelihood. Other weights, also negative ones, give any linear function of the
/// log-probabilities. The loss has gradients with respect to `hidden` and `head`; the list of terms has none. The logits
/// of at most [`LOGIT_ROWS`] rows, or [`LOGITS_ON_DEVICE`] logits, exist at once, because the gradients are computed
/// with the loss.
///
/// # Panics
/// When `targets` or `weights` do not have one value per row of `hidden`, or a target is outside the vocabulary.
#[must_use]
pub fn cross_entropy(hidden: Tensor<2>, head: Tensor<2>, targets: &[u32], weights: &[f32]) -> (Tensor<1>, Vec<f32>) {
    let ([rows, _], [vocabulary, _]) = (hidden.dims(), head.dims());
    assert_eq!((rows, rows), (targets.len(), weights.len()), "one target and one weight per row");
    assert!(targets.iter().all(|target| (*target as usize) < vocabulary), "targets within the vocabulary");
    match takes(&hidden) && takes(&head) {
        true => cpu::cross_entropy(hidden, head, targets, weights),
        false => device::cross_entropy(hidden, head, targets, weights, LOGITS_ON_DEVICE),
    }
}

/// Returns `log softmax(hidden[row] head^T)[token]` for each `(row, token)` of `asked`, in the order of `asked`, in
/// nats and without a graph. Rows count from 0; a row may occur several times or not at all. `hidden` is
/// `[rows, features]`, `head` is `[vocabulary, features]`, as in [`cross_entropy()`]. The logits of at most [`LOGIT_ROWS`]
/// rows, or [`LOGITS_ON_DEVICE`] logits, exist at once. Each row is multiplied with `head` once, however many of its
/// tokens are requested.
///
/// # Panics
/// When a row is outside `hidden` or a token is outside the vocabulary.
#[must_use]
pub fn token_logprobs(hidden: Tensor<2>, head: Tensor<2>, asked: &[(usize, u32)]) -> Vec<f32> {
    let ([rows, _], [vocabulary, _]) = (hidden.dims(), head.dims());
    assert!(asked.iter().all(|(row, _)| *row < rows), "rows within `hidden`");
    assert!(asked.iter().all(|(_, token)| (*token as usize) < vocabulary), "tokens within the vocabulary");
    match takes(&hidden) && takes(&head) {
        true => cpu::token_logprobs(hidden, head, asked),
        false => device::token_logprobs(hidden, head, asked, LOGITS_ON_DEVICE),
    }
}

#[cfg(test)]
mod tests;
