//! Suite with which stored outcomes were evaluated.

use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::{Suite, SuiteName};
use stepwise_benchmark::summary::Summary;
use stepwise_data::prompt::AnswerForm;

use super::side::SideSource;
use crate::exit::{CommandResult, Failure};

/// Suite of an evaluation, and the options that the command line may have changed.
#[derive(PartialEq)]
pub struct EvaluatedSuite {
    /// Name, version and digest.
    pub suite: SuiteName,
    scoring: Scoring,
    max_cases: Option<usize>,
}

impl From<Summary> for EvaluatedSuite {
    fn from(summary: Summary) -> Self {
        Self { suite: summary.suite, scoring: summary.scoring, max_cases: summary.max_cases }
    }
}

impl EvaluatedSuite {
    /// Returns `suite` with the options of the evaluation if its digest then agrees; None if it is another suite. The
    /// cap and the scoring may come from the command line, and the answer form from the recipe.
    pub fn recognised(&self, suite: &Suite) -> Option<Suite> {
        [suite.answer_form, AnswerForm::Text, AnswerForm::Letter].into_iter().find_map(|answer_form| {
            let mut suite = Suite { scoring: self.scoring, max_cases: self.max_cases, answer_form, ..suite.clone() };
            suite.letter_permutations = suite.letter_permutations.filter(|_| suite.scoring == Scoring::Letter);
            (suite.digest() == self.suite.digest).then_some(suite)
        })
    }
}

/// Checks that both sides used the same suite, if both have a summary.
///
/// # Errors
///
/// [`Failure::Input`] when the digests of the suites differ.
pub fn same_suite(a: &SideSource, b: &SideSource) -> CommandResult {
    match (&a.evaluated_suite, &b.evaluated_suite) {
        (Some(of_a), Some(of_b)) if of_a.suite.digest != of_b.suite.digest => Err(Failure::input(format!(
            "{} and {} were evaluated with different suites -> evaluate both with one suite: \
             `stepwise eval PATH --suite FILE --out DIR`, then compare the folders",
            a.name, b.name
        ))),
        _ => Ok(()),
    }
}
