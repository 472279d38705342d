//! Answer counts of the training cases: a prior of a question's options that does not see the image.

use std::collections::HashMap;

use stepwise_benchmark::score::fold;
use stepwise_data::case::{Answer, Case, Item};

/// How often each answer is right, by modality and question, over the training cases.
#[derive(Clone, Debug, Default)]
pub struct AnswerCounts {
    counts: HashMap<(String, String), HashMap<String, usize>>,
}

impl AnswerCounts {
    /// Counts the right answers of the choices and yes/no questions of `cases`.
    #[must_use]
    pub fn new(cases: &[Case]) -> Self {
        let mut counts = Self::default();
        for case in cases {
            for item in &case.chain {
                let options = options(item);
                let answers = counts.counts.entry(key(case, item)).or_default();
                right(item).into_iter().filter_map(|right| options.get(right)).for_each(|answer| {
                    *answers.entry(fold(answer)).or_default() += 1;
                });
            }
        }
        counts
    }

    /// Returns the logarithm of the share of each stored option of `item` among the right answers to the same question, with
    /// one added to each count: `log((n_o + 1) / sum_o (n_o + 1))`.
    #[must_use]
    pub fn log_prior(&self, case: &Case, item: &Item) -> Vec<f64> {
        let answers = self.counts.get(&key(case, item));
        let count = |option: &String| answers.and_then(|answers| answers.get(&fold(option))).copied().unwrap_or(0) + 1;
        let counts: Vec<usize> = options(item).iter().map(count).collect();
        let all: usize = counts.iter().sum();
        counts.into_iter().map(|count| (count as f64 / all as f64).ln()).collect()
    }
}

fn key(case: &Case, item: &Item) -> (String, String) {
    (case.modality.clone(), fold(&item.question))
}

/// Stored options of a closed question; for yes/no, yes comes first. Empty for other questions.
fn options(item: &Item) -> Vec<String> {
    match &item.answer {
        Answer::Choice { options, .. } => options.clone(),
        Answer::Yesno { .. } => vec!["yes".to_owned(), "no".to_owned()],
        _ => Vec::new(),
    }
}

/// Indices of the right ones among the stored options of a closed question. Empty for other questions.
pub(crate) fn right(item: &Item) -> Vec<usize> {
    match &item.answer {
        Answer::Choice { gold, .. } => gold.clone(),
        Answer::Yesno { gold, .. } => vec![usize::from(!*gold)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use stepwise_testing::cases::synthetic;

    use super::*;

    #[test]
    fn the_prior_is_the_share_of_right_answers_with_one_added() {
        let cases = synthetic(30);
        let counts = AnswerCounts::new(&cases);
        for (case, item) in cases.iter().flat_map(|case| case.chain.iter().map(move |item| (case, item))) {
            let texts = options(item);
            let prior = counts.log_prior(case, item);
            assert_eq!(prior.len(), texts.len());
            if texts.is_empty() {
                continue;
            }
            assert!((prior.iter().map(|log| log.exp()).sum::<f64>() - 1.0).abs() < 1e-12);
            let same = |other: &&Item| fold(&other.question) == fold(&item.question);
            let of_question = cases.iter().filter(|other| other.modality == case.modality);
            let answers: Vec<String> = of_question
                .flat_map(|other| other.chain.iter().filter(same))
                .flat_map(|other| {
                    right(other).into_iter().map(|index| options(other)[index].clone()).collect::<Vec<_>>()
                })
                .collect();
            let count = |text: &String| answers.iter().filter(|answer| *answer == text).count() + 1;
            let all: usize = texts.iter().map(count).sum();
            for (text, log) in texts.iter().zip(prior) {
                assert!((log.exp() - count(text) as f64 / all as f64).abs() < 1e-12);
            }
        }
    }
}
