//! Suite with which stored outcomes were evaluated.

use stepwise_benchmark::runner::NO_RESPONSE;
use stepwise_benchmark::score::flexible::FLEXIBLE_VERSION;
use stepwise_benchmark::score::parse::PARSER_VERSION;
use stepwise_benchmark::score::{SCORING_VERSION, Scoring};
use stepwise_benchmark::suite::{Suite, SuiteName};
use stepwise_benchmark::summary::{ConditionSummary, Summary};
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
    /// Number of questions with an answer, and of questions without one because their request failed.
    answered_and_missing: [usize; 2],
}

/// Largest share of questions without an answer that a comparison accepts unasked.
pub const MOST_MISSING: f64 = 0.02;

/// Names the versions that decided the answers.
fn named([scoring, parser]: &[String; 2]) -> String {
    // Summaries of the first version of the scoring do not name it.
    format!("{} and {parser}", if scoring.is_empty() { "options/1" } else { scoring })
}

impl From<Summary> for EvaluatedSuite {
    fn from(summary: Summary) -> Self {
        let versions = [summary.scoring_version, summary.parser];
        let missing = |condition: &ConditionSummary| condition.skipped_by_reason.get(NO_RESPONSE).copied();
        let answered_and_missing = [
            summary.conditions.iter().map(|condition| condition.n).sum(),
            summary.conditions.iter().filter_map(missing).sum(),
        ];
        let (suite, scoring, max_cases) = (summary.suite, summary.scoring, summary.max_cases);
        Self { suite, scoring, max_cases, versions, answered_and_missing }
    }
}

impl EvaluatedSuite {
    /// Returns whether replies were judged by the flexible reading.
    fn is_flexible(&self) -> bool {
        self.versions[1] == FLEXIBLE_VERSION
    }

    /// Returns what to say about questions without an answer; None where there are none.
    pub fn missing(&self, name: &str) -> Option<String> {
        let [answered, missing] = self.answered_and_missing;
        let share = 100.0 * missing as f64 / (answered + missing).max(1) as f64;
        (missing > 0)
            .then(|| format!("{name}: {missing} questions ({share:.1} %) have no answer, because requests failed"))
    }

    /// Returns whether more questions have no answer than a comparison accepts: those that a server failed on may differ
    /// from the others.
    pub fn misses_too_many(&self) -> bool {
        let [answered, missing] = self.answered_and_missing;
        missing as f64 > MOST_MISSING * (answered + missing) as f64
    }

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
/// [`Failure::Input`] when the scorings, their versions or the digests of the suites differ.
pub fn same_suite(a: &SideSource, b: &SideSource) -> CommandResult {
    match (&a.evaluated_suite, &b.evaluated_suite) {
        (Some(of_a), Some(of_b)) if of_a.is_flexible() != of_b.is_flexible() => Err(Failure::input(format!(
            "{} and {}: one was read by the strict parser, the other by the flexible reading -> compare both by one reading: \
             the folders, or the subfolders `flexible` of both",
            a.name, b.name
        ))),
        (Some(of_a), Some(of_b)) if of_a.scoring != of_b.scoring => Err(Failure::input(format!(
            "{} was scored by `{}`, {} by `{}` -> evaluate both with one scoring: `stepwise eval ... --scoring {}`",
            a.name,
            of_a.scoring.word(),
            b.name,
            of_b.scoring.word(),
            if [of_a.scoring, of_b.scoring].contains(&Scoring::Generate) { "generate" } else { "letter" }
        ))),
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
