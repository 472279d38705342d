//! Output head and cross-entropy against Burn's operations, on the CPU and on another backend.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use super::*;
use crate::testing::{close, moved, read, same_gradients, same_on_a_device, values};

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

#[test]
fn equals_the_composition() {
    for (rows, features, vocabulary) in [(1, 1, 2), (5, 8, 11), (130, 16, 300)] {
        let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % vocabulary) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|row| row as f32 % 3.0 - 0.5).collect();
        let weight = Tensor::<1>::from_data(TensorData::new(weights.clone(), [rows]), &burn::tensor::Device::flex());
        same_gradients(
            [values([rows, features], 1), values([vocabulary, features], 2)],
            |[hidden, head]| cross_entropy(hidden, head, &targets, &weights).0.reshape([1, 1]),
            |[hidden, head]| (composed_logprobs(hidden, head, &targets) * weight.clone()).sum().neg().reshape([1, 1]),
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

#[test]
fn another_backend_computes_as_the_cpu() {
    for (rows, features, vocabulary) in [(1, 1, 2), (5, 8, 11), (130, 16, 300), (0, 4, 9)] {
        let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % vocabulary) as u32).collect();
        let weights: Vec<f32> = (0..rows).map(|row| row as f32 % 3.0 - 0.5).collect();
        let arguments = [values([rows, features], 1), values([vocabulary, features], 2)];
        same_on_a_device(arguments, |[hidden, head]| cross_entropy(hidden, head, &targets, &weights).0.reshape([1, 1]));
    }
}

#[test]
#[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
fn chunks_on_another_backend_equal_the_cpu() {
    let (rows, features, vocabulary) = (23, 8, 31);
    let [hidden, head] = [values([rows, features], 1), values([vocabulary, features], 2)];
    let there = [hidden.clone(), head.clone()].map(|tensor| moved(tensor, &burn::tensor::Device::ndarray()));
    let targets: Vec<u32> = (0..rows).map(|row| (row * 7 % vocabulary) as u32).collect();
    let weights: Vec<f32> = (0..rows).map(|row| row as f32 % 3.0 - 0.5).collect();
    // Rows out of order, several times and not at all.
    let asked: Vec<(usize, u32)> =
        (0..40).map(|place| (place * 5 % 19 + 2, (place * 3 % vocabulary) as u32)).chain([(7, 1), (7, 1)]).collect();
    let logprobs = token_logprobs(hidden.clone(), head.clone(), &asked);
    let gradients = |(loss, terms): (Tensor<1>, Vec<f32>), leaves: [Tensor<2>; 2]| {
        let gradients = (loss.clone() * 1.5).backward();
        let of = leaves.map(|leaf| read(leaf.grad(&gradients).expect("a gradient")));
        (read(loss), terms, of)
    };
    let leaves = [hidden, head].map(|tensor| tensor.autodiff().require_grad());
    let reference = gradients(cross_entropy(leaves[0].clone(), leaves[1].clone(), &targets, &weights), leaves);
    for logits in [1, 3 * vocabulary, 7 * vocabulary, 23 * vocabulary, 100 * vocabulary] {
        let found = device::token_logprobs(there[0].clone(), there[1].clone(), &asked, logits);
        close("log-probabilities", &found, &logprobs);
        let leaves = there.clone().map(|tensor| tensor.autodiff().require_grad());
        let found = device::cross_entropy(leaves[0].clone(), leaves[1].clone(), &targets, &weights, logits);
        let (loss, terms, of) = gradients(found, leaves);
        close("loss", &loss, &reference.0);
        close("terms of the loss", &terms, &reference.1);
        close("gradient of hidden", &of[0], &reference.2[0]);
        close("gradient of head", &of[1], &reference.2[1]);
    }
    assert!(token_logprobs(there[0].clone(), there[1].clone(), &[]).is_empty());
}
