//! Readers of vectors: predictions for patients whose answers the reader has not seen.

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::gram::Gram;
use super::question::{Asked, Question};
use super::ridge::Ridge;

/// Number of folds of the cross-validation; fewer where there are fewer patients.
pub const FOLDS: usize = 5;

/// Penalties of the ridge classifier that each fold chooses from, as multiples of the mean squared length of a centred
/// vector.
pub const PENALTIES: [f64; 6] = [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0];

/// Assigns each patient a fold, from 0: the patients in a random order, in turn. `patients` is their number.
pub fn folds(patients: usize, rng: &mut ChaCha8Rng) -> Vec<usize> {
    let mut order: Vec<usize> = (0..patients).collect();
    order.shuffle(rng);
    let mut fold_of = vec![0; patients];
    order.into_iter().enumerate().for_each(|(place, patient)| fold_of[patient] = place % FOLDS);
    fold_of
}

/// Returns whether the commonest answer of the question is right, for every item: among the answers that the item offers,
/// the one that is right most often; among equals, the first one. The item itself counts too. Leaving the item's fold out
/// would make its answer rarer there, so that even balanced answers would be guessed below chance.
pub fn majority(question: &Question<'_>) -> Vec<bool> {
    let mut counts = vec![0.0; question.classes];
    question.items.iter().for_each(|item| counts[item.class] += 1.0);
    question.items.iter().map(|item| choose(&counts, item) == item.class).collect()
}

/// Returns whether a ridge classifier that was fitted on the other folds is right, for every item. `gram` holds the
/// products of the vectors of all cases; `fold_of[k]` is the fold of item `k`. The penalty of a fold is the one that is
/// right most often in a cross-validation of the other folds among themselves; among equals, the largest.
pub fn linear(question: &Question<'_>, fold_of: &[usize], gram: &Gram) -> Vec<bool> {
    let all: Vec<usize> = (0..question.items.len()).collect();
    let mut is_right = vec![false; all.len()];
    for fold in present(&all, fold_of) {
        let (train, test) = split(&all, fold_of, fold);
        let penalty = penalty(question, &train, fold_of, gram);
        for (item, right) in test.iter().zip(judge(question, gram, &train, &test, penalty)) {
            is_right[*item] = right;
        }
    }
    is_right
}

/// Penalty, as a multiple, that is right most often on items whose fold is left out of `train`.
fn penalty(question: &Question<'_>, train: &[usize], fold_of: &[usize], gram: &Gram) -> f64 {
    let rights = |penalty: f64| -> usize {
        let folds = present(train, fold_of).into_iter();
        let right = folds.map(|fold| {
            let (inner, left_out) = split(train, fold_of, fold);
            judge(question, gram, &inner, &left_out, penalty).into_iter().filter(|right| *right).count()
        });
        right.sum()
    };
    // `max_by_key` returns the last of several largest, which has the largest penalty.
    PENALTIES.into_iter().max_by_key(|penalty| rights(*penalty)).unwrap_or(1.0)
}

/// Returns whether the classifier fitted on the items `train` is right about each of the items `test`. Without `train`
/// all are wrong.
fn judge(question: &Question<'_>, gram: &Gram, train: &[usize], test: &[usize], penalty: f64) -> Vec<bool> {
    if train.is_empty() {
        return vec![false; test.len()];
    }
    let rows: Vec<usize> = train.iter().map(|&item| question.items[item].case).collect();
    let class_of: Vec<usize> = train.iter().map(|&item| question.items[item].class).collect();
    let scale = gram.spread(&rows);
    // Equal vectors have nothing to read; any penalty gives the commonest answer.
    let ridge = Ridge::fit(gram, &rows, &class_of, question.classes, penalty * if scale > 0.0 { scale } else { 1.0 });
    test.iter()
        .map(|&item| {
            let item = &question.items[item];
            choose(&ridge.decisions(gram, item.case), item) == item.class
        })
        .collect()
}

/// Answer with the largest value among those that the item offers; the first one among equals.
fn choose(values: &[f64], item: &Asked) -> usize {
    let offered = item.offered.iter().copied();
    offered.reduce(|best, next| if values[next] > values[best] { next } else { best }).unwrap_or_default()
}

/// Folds of the items, each once, in ascending order.
fn present(items: &[usize], fold_of: &[usize]) -> Vec<usize> {
    (0..FOLDS).filter(|fold| items.iter().any(|&item| fold_of[item] == *fold)).collect()
}

/// The items outside and inside `fold`.
fn split(items: &[usize], fold_of: &[usize], fold: usize) -> (Vec<usize>, Vec<usize>) {
    items.iter().partition(|&&item| fold_of[item] != fold)
}
