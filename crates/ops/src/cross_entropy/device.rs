//! Output head and cross-entropy on devices other than the CPU, in chunks of rows, with one read of the results.

use burn::tensor::{Float, IndexingUpdateOp, Int, Tensor};

use crate::products::product;
use crate::recorded::{Kept, recorded};
use crate::values::{row_of, tensor_of, values_of};

/// Computes [`super::cross_entropy`] with its gradients, with at most `logits` logits at once.
pub(super) fn cross_entropy(
    hidden: Tensor<2>,
    head: Tensor<2>,
    targets: &[u32],
    weights: &[f32],
    logits: usize,
) -> (Tensor<1>, Vec<f32>) {
    let wanted = [hidden.is_tracked(), head.is_tracked()];
    let (loss, terms, gradients) =
        forward(&hidden.clone().inner(), &head.clone().inner(), targets, weights, wanted, logits);
    let loss = recorded([hidden, head], Gradients(gradients), loss.reshape([1, 1]));
    (loss.reshape([1]), values_of(terms))
}

/// Loss, `[1]`, its unweighted terms, `[rows, 1]`, and, if `wanted`, its gradients with respect to `hidden` and `head`.
fn forward(
    hidden: &Tensor<2>,
    head: &Tensor<2>,
    targets: &[u32],
    weights: &[f32],
    wanted: [bool; 2],
    logits: usize,
) -> (Tensor<1>, Tensor<2>, [Option<Tensor<2>>; 2]) {
    let ([rows, features], [vocabulary, _], device) = (hidden.dims(), head.dims(), hidden.device());
    let targets: Vec<i32> = targets.iter().map(|target| *target as i32).collect();
    let targets = tensor_of::<2, Int>(targets, [rows, 1], &device);
    let weights = tensor_of::<2, Float>(weights.to_vec(), [rows, 1], &device);
    let (mut terms, mut d_hidden, mut d_head) = (Vec::new(), Vec::new(), None);
    for (start, count) in chunks(rows, vocabulary, logits) {
        let (target, weight) = (targets.clone().narrow(0, start, count), weights.clone().narrow(0, start, count));
        let chunk = hidden.clone().narrow(0, start, count);
        let Rows { shifted, exponentials, sum } = Rows::new(chunk.clone(), head);
        terms.push(sum.clone().log() - shifted.gather(1, target.clone()));
        if wanted == [false, false] {
            continue;
        }
        let shares = exponentials * (weight.clone() / sum);
        // A row has one target, so nothing depends on an order of additions.
        let d_logits = shares.scatter(1, target, weight.neg(), IndexingUpdateOp::Add);
        if wanted[0] {
            d_hidden.push(product(d_logits.clone(), head.clone()));
        }
        if wanted[1] {
            let of_chunk = product(d_logits.transpose(), chunk);
            d_head = Some(match d_head {
                None => of_chunk,
                Some(sum) => sum + of_chunk,
            });
        }
    }
    let terms = joined(terms, [rows, 1], hidden);
    let loss = (terms.clone() * weights).sum();
    let gradients = [
        wanted[0].then(|| joined(d_hidden, [rows, features], hidden)),
        wanted[1].then(|| d_head.unwrap_or_else(|| Tensor::zeros([vocabulary, features], &device))),
    ];
    (loss, terms, gradients)
}

/// Gradients with respect to `hidden` and `head` for a loss gradient of 1.
#[derive(Clone, Debug)]
struct Gradients([Option<Tensor<2>>; 2]);

impl Kept<2> for Gradients {
    fn gradients(self, d_loss: Tensor<2>, _: [bool; 2]) -> [Option<Tensor<2>>; 2] {
        self.0.map(|gradient| Some(gradient? * d_loss.clone()))
    }
}

/// Logits of a chunk of rows, as the softmax needs them.
struct Rows {
    /// Logits minus the largest one of the row, `[rows, vocabulary]`.
    shifted: Tensor<2>,
    /// Exponentials of `shifted`.
    exponentials: Tensor<2>,
    /// Sum of each row's exponentials, `[rows, 1]`.
    sum: Tensor<2>,
}

impl Rows {
    fn new(hidden: Tensor<2>, head: &Tensor<2>) -> Self {
        let logits = product(hidden, head.clone().transpose());
        let most = logits.clone().max_dim(1);
        let shifted = logits - most;
        let exponentials = shifted.clone().exp();
        let sum = exponentials.clone().sum_dim(1);
        Self { shifted, exponentials, sum }
    }
}

/// Computes [`super::token_logprobs`] with at most `logits` logits at once.
pub(super) fn token_logprobs(hidden: Tensor<2>, head: Tensor<2>, asked: &[(usize, u32)], logits: usize) -> Vec<f32> {
    let (hidden, head, [vocabulary, _]) = (hidden.inner(), head.clone().inner(), head.dims());
    let device = hidden.device();
    let ints = |values: Vec<i32>| row_of::<Int>(values, &device);
    // Requests in order of rows: those of a chunk of rows are neighbours.
    let mut order: Vec<usize> = (0..asked.len()).collect();
    order.sort_by_key(|place| asked[*place].0);
    let mut rows: Vec<usize> = order.iter().map(|place| asked[*place].0).collect();
    rows.dedup();
    let chunks: Vec<(usize, usize)> = chunks(rows.len(), vocabulary, logits).collect();
    let Some((_, step)) = chunks.first().copied() else { return Vec::new() };
    let requests = order.iter().map(|place| {
        let (row, token) = asked[*place];
        let place = rows.partition_point(|other| *other < row);
        (place % step, token as usize)
    });
    let of_row = ints(requests.clone().map(|(row, _)| row as i32).collect());
    let of_logit = ints(requests.map(|(row, token)| (row * vocabulary + token) as i32).collect());
    let hidden = match rows.len() == hidden.dims()[0] {
        true => hidden,
        false => hidden.select(0, ints(rows.iter().map(|row| *row as i32).collect())),
    };
    let mut first = 0;
    let found = chunks.into_iter().map(|(start, count)| {
        let last = rows[start + count - 1];
        let here = order[first..].partition_point(|place| asked[*place].0 <= last);
        let (of_row, of_logit) = (of_row.clone().narrow(0, first, here), of_logit.clone().narrow(0, first, here));
        first += here;
        let Rows { shifted, sum, .. } = Rows::new(hidden.clone().narrow(0, start, count), &head);
        let wanted = shifted.reshape([count * vocabulary]).select(0, of_logit);
        wanted - sum.log().reshape([count]).select(0, of_row)
    });
    let found = values_of(Tensor::cat(found.collect(), 0));
    let mut logprobs = vec![0.0; asked.len()];
    for (place, logprob) in order.into_iter().zip(found) {
        logprobs[place] = logprob;
    }
    logprobs
}

/// Rows of a chunk with at most `logits` logits, or one row.
pub(super) fn chunk_rows(vocabulary: usize, logits: usize) -> usize {
    (logits / vocabulary.max(1)).max(1)
}

/// First row and number of rows of each chunk of `rows` rows with at most `logits` logits, or of single rows. All chunks
/// but the last have the same number of rows.
fn chunks(rows: usize, vocabulary: usize, logits: usize) -> impl Iterator<Item = (usize, usize)> {
    let step = chunk_rows(vocabulary, logits);
    (0..rows).step_by(step).map(move |start| (start, step.min(rows - start)))
}

/// Joins parts of rows; zeros of `shape` on the device of `like` without parts.
fn joined(mut parts: Vec<Tensor<2>>, shape: [usize; 2], like: &Tensor<2>) -> Tensor<2> {
    match parts.len() {
        0 => Tensor::zeros(shape, &like.device()),
        1 => parts.remove(0),
        _ => Tensor::cat(parts, 0),
    }
}
