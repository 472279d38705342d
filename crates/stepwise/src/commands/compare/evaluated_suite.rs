//! Suite with which stored outcomes were evaluated.

use stepwise_benchmark::score::parse::PARSER_VERSION;
use stepwise_benchmark::score::{SCORING_VERSION, Scoring};
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
    /// Versions of the rules that decide among options and read generated text.
    versions: [String; 2],
}

/// Names the versions that decided the answers.
fn named([scoring, parser]: &[String; 2]) -> String {
    // Summaries of the first version of the scoring do not name it.
    format!("{} and {parser}", if scoring.is_empty() { "options/1" } else { scoring })
}

impl From<Summary> for EvaluatedSuite {
    fn from(summary: Summary) -> Self {
        let versions = [summary.scoring_version, summary.parser];
        Self { suite: summary.suite, scoring: summary.scoring, max_cases: summary.max_cases, versions }
    }
}

impl EvaluatedSuite {
    /// Returns what to say where another version of Stepwise decided the answers; None where it was this one.
    pub fn other_version(&self) -> Option<String> {
        let own = [SCORING_VERSION, PARSER_VERSION].map(str::to_owned);
        let (theirs, own) = (named(&self.versions), named(&own));
        (theirs != own).then(|| format!("was scored by {theirs}, this version scores by {own} -> evaluate it again"))
    }

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
/// [`Failure::Input`] when the versions of the scoring or the digests of the suites differ.
pub fn same_suite(a: &SideSource, b: &SideSource) -> CommandResult {
    match (&a.evaluated_suite, &b.evaluated_suite) {
        (Some(of_a), Some(of_b)) if of_a.versions != of_b.versions => Err(Failure::input(format!(
            "{} was scored by {}, {} by {} -> evaluate both again with one version of stepwise",
            a.name,
            named(&of_a.versions),
            b.name,
            named(&of_b.versions)
        ))),
        (Some(of_a), Some(of_b)) if of_a.suite.digest != of_b.suite.digest => Err(Failure::input(format!(
            "{} and {} were evaluated with different suites -> evaluate both with one suite: \
             `stepwise eval PATH --suite FILE --out DIR`, then compare the folders",
            a.name, b.name
        ))),
        _ => Ok(()),
    }
}
