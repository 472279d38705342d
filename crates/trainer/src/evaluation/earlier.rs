//! Results of epochs that were evaluated before a run is resumed: they must be complete, because their models are gone.

use std::path::{Path, PathBuf};

use stepwise_benchmark::store;
use stepwise_benchmark::summary::Summary;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;

use crate::checkpoint;
use crate::evaluation::error::BenchmarkError;
use crate::evaluation::files::{FORGETTING, OUTCOMES, SUMMARY, base_outcomes, read_forgetting};

/// Results that an earlier start of a run has written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EarlierResults {
    /// Number and last step of each evaluated epoch, in order.
    pub epochs: Vec<(u32, u64)>,
    /// Last step of each phase that has ended, in order.
    pub phase_ends: Vec<u64>,
    /// Whether the base cannot be evaluated again, because the weights in memory were trained (full fine-tuning).
    pub needs_base: bool,
}

impl EarlierResults {
    /// Checks that the results are complete in the folder `run`.
    ///
    /// # Errors
    /// [`BenchmarkError::Earlier`] with the first file that is missing or damaged, and from which checkpoint the run can
    /// go on without it.
    pub fn check(&self, run: &Path) -> Result<(), BenchmarkError> {
        let folder = run.join("benchmark");
        if self.needs_base {
            let summary = folder.join("base").join(SUMMARY);
            complete(&base_outcomes(run), &summary).map_err(|problem| lost(run, problem, 0, "the base"))?;
        }
        for (epoch, step) in &self.epochs {
            let name = format!("epoch-{epoch}");
            let (outcomes, summary) = (folder.join(&name).join(OUTCOMES), folder.join(&name).join(SUMMARY));
            complete(&outcomes, &summary).map_err(|problem| lost(run, problem, *step, &format!("epoch {epoch}")))?;
        }
        let path = folder.join(FORGETTING).display().to_string();
        let problem = match read_forgetting(&folder) {
            _ if self.phase_ends.is_empty() => None,
            Ok(None) => Some(format!("{path}: is missing")),
            Ok(Some(forgetting)) if forgetting.phases.len() < self.phase_ends.len() => {
                Some(format!("{path}: lists {} of {} ended phases", forgetting.phases.len(), self.phase_ends.len()))
            }
            Ok(Some(_)) => None,
            Err(error) => Some(damaged(&path, &error.to_string())),
        };
        match (problem, self.phase_ends.first()) {
            (Some(problem), Some(step)) => Err(lost(run, problem, *step, "the first phase")),
            _ => Ok(()),
        }
    }
}

/// Checks that an outcome file holds all outcomes that its summary counts. Returns the problem otherwise.
fn complete(outcomes: &PathBuf, summary: &PathBuf) -> Result<(), String> {
    for path in [outcomes, summary] {
        if !path.is_file() {
            return Err(format!("{}: is missing", path.display()));
        }
    }
    let found = store::read(outcomes).map_err(|error| damaged(&outcomes.display().to_string(), &error.to_string()))?;
    let read =
        || -> Result<Summary, std::io::Error> { Ok(serde_json::from_slice(without_mark(&bounded::bytes(summary)?))?) };
    let counted = read().map_err(|error| damaged(&summary.display().to_string(), &error.to_string()))?;
    let counted: usize = counted.conditions.iter().map(|condition| condition.n).sum();
    if found.len() == counted {
        return Ok(());
    }
    Err(format!("{}: has {} of {counted} outcomes", outcomes.display(), found.len()))
}

/// Says that a file is damaged, with the first line of the error and without its advice.
fn damaged(path: &str, error: &str) -> String {
    let first = error.lines().next().unwrap_or_default();
    let what = first.split(" -> ").next().unwrap_or_default();
    let what = what.strip_prefix(path).unwrap_or(what).trim_start_matches(':').trim_start();
    format!("{path}: is damaged ({what})")
}

/// Makes the error about results whose evaluation ended at `step`, 0 for the base. `what` was evaluated.
fn lost(run: &Path, problem: String, step: u64, what: &str) -> BenchmarkError {
    let steps = checkpoint::steps(run).unwrap_or_default();
    let whole = |step: &u64| checkpoint::verify(&run.join(checkpoint::name(*step))).is_ok();
    let before = steps.iter().copied().filter(|earlier| *earlier < step).rfind(whole);
    let later: Vec<String> = steps
        .into_iter()
        .filter(|step| before.is_none_or(|before| *step > before))
        .map(|step| run.join(checkpoint::name(step)).display().to_string())
        .collect();
    let from = match before {
        Some(before) => format!("goes on from step {before}"),
        None => "starts at step 1".to_owned(),
    };
    BenchmarkError::Earlier { problem, what: what.to_owned(), later: later.join(", "), from }
}
