//! The benchmark of a run: of the base first, and of the learner after every epoch, always the same questions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::metrics::endpoints;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::power::{describe, power};
use stepwise_benchmark::runner::RunError;
use stepwise_benchmark::stats::bootstrap::Bootstrap;
use stepwise_benchmark::store::{self, StoreError};
use stepwise_benchmark::suite::{Suite, SuiteError};
use stepwise_benchmark::summary::Summary;
use stepwise_config::nearest::nearest;
use stepwise_recipe::{Phase, Recipe, Suite as SuiteChoice};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::Reader;

use crate::cases::Cases;
use crate::evaluation::evaluate::{Answers, Asking, Memory, Model};
use crate::evaluation::report::{AtHand, Reported, file, write_json, write_summary};
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::selection::{Best, Rule, Selection, Weighed};

/// Why a benchmark ended early.
#[derive(Debug, thiserror::Error)]
pub enum BenchmarkError {
    /// The suite cannot be read.
    #[error(transparent)]
    Suite(#[from] SuiteError),
    /// A question cannot be asked.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Outcomes cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule goes by what is not measured.
    #[error("{key}: the benchmark does not measure `{metric}` -> {help}")]
    Unmeasured {
        /// Of the recipe.
        key: String,
        /// The metric.
        metric: String,
        /// What to do.
        help: String,
    },
    /// What the model answered when a phase began is gone.
    #[error(
        "{path}: is missing, or of another run, and the phase `{phase}` is under way -> bring it back, or resume from a checkpoint at \
         the end of the phase before: its lessons are told what the model answered then"
    )]
    Predicted {
        /// Where it was kept.
        path: String,
        /// The phase.
        phase: String,
    },
    /// A file of the benchmark cannot be written.
    #[error("{path}: {error} -> check that the folder is writable and the disk has room")]
    File {
        /// Which.
        path: String,
        /// Why.
        error: std::io::Error,
    },
}

/// The benchmark of a run.
pub struct EpochBenchmark {
    suite: Option<Suite>,
    /// What the best epoch is chosen by.
    rule: Option<Rule>,
    folder: PathBuf,
    every: u32,
    /// Part of the key of every answer of the learner: recipe, prompts and pixels.
    digest: String,
    /// The key of the base: what decides its answers, prompts, pixels and device.
    base_key: String,
    /// What another run's base has answered.
    base_answers: Option<PathBuf>,
    /// What stands in the report's head: name and value.
    facts: Vec<(String, String)>,
    base: Option<(Vec<Outcome>, Summary)>,
    /// What every epoch tested so far came to.
    epochs: Vec<(u32, Summary)>,
    /// What every phase that has ended left.
    forgetting: Option<Forgetting>,
}

/// An epoch that is to be tested.
#[derive(Clone, Copy, Debug)]
pub struct EpochEnd<'a> {
    /// Epochs of the run that are done.
    pub epoch: u32,
    /// Optimiser steps that are done.
    pub step: u64,
    /// The phase it belongs to.
    pub phase: &'a Phase,
    /// That phase's first epoch.
    pub first_epoch: u32,
    /// Whether the phase has no more steps.
    pub ends_phase: bool,
}

/// What testing an epoch came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tested {
    /// What was measured, by name.
    pub metrics: BTreeMap<String, f64>,
    /// Whether the phase's promotion rule ends it here, though it has steps left.
    pub promoted: bool,
    /// How the epoch compares with those before it.
    pub weighed: Option<Weighed>,
}

/// Refuses a rule whose metric the suite does not measure: a phase would never end by it, and no epoch be chosen.
///
/// # Errors
/// With the first such rule.
pub fn check_rules(recipe: &Recipe, suite: Option<&Suite>) -> Result<(), BenchmarkError> {
    let promotions = recipe.curriculum.phase.iter().filter_map(|phase| {
        let promotion = phase.lesson.promotion.as_ref()?;
        Some((format!("the promotion of the phase `{}`", phase.name), Some(&promotion.metric)))
    });
    let select = &recipe.train.select;
    // Without a suite no epoch is chosen, and whatever chooses it may be left as it stands.
    let selecting = [("train.select.metric", select.metric.as_ref()), ("train.select.guard", Some(&select.guard))];
    let selecting = selecting.into_iter().filter(|_| suite.is_some()).map(|(key, metric)| (key.to_owned(), metric));
    let rules = promotions.chain(selecting);
    let known = suite.map(endpoints).unwrap_or_default();
    for (key, metric) in rules.filter_map(|(key, metric)| Some((key, metric?))) {
        if !known.contains(metric) {
            let near = nearest(metric, known.iter().map(String::as_str));
            let help = match (suite, near) {
                (None, _) => "set `benchmark.suite`: a phase is promoted by what the benchmark measures".to_owned(),
                (_, Some(near)) => format!("did you mean `{near}`?"),
                _ => "name a metric as a run's `summary.json` does, such as `accuracy:clean:stage_1`".to_owned(),
            };
            return Err(BenchmarkError::Unmeasured { key, metric: metric.clone(), help });
        }
    }
    Ok(())
}

/// Who is tested, how it is shown, and what ends it early.
pub struct Exam<'a> {
    /// The learner.
    pub reader: &'a Reader,
    /// What it is asked.
    pub cases: &'a Cases,
    /// Hears how far it is.
    pub progress: &'a mut dyn Progress,
    /// Ends it between two answers; those given stay and are not asked again.
    pub interrupt: &'a Interrupt,
}

impl BenchmarkError {
    /// Whether it was interrupted. What was answered until then is kept.
    #[must_use]
    pub fn is_interrupt(&self) -> bool {
        matches!(self, Self::Run(RunError::Stopped))
    }
}

impl EpochBenchmark {
    /// Prepares what `[benchmark]` asks for, in the run's folder. `prompt_digest` tells how cases are shown. What a run that is
    /// resumed has found after epochs later than `through` is found again. `base_answers` is an outcome file: where it holds
    /// what the same base was asked on the same device, that is not asked again.
    ///
    /// # Errors
    /// When the suite cannot be read.
    pub fn open(
        recipe: &Recipe,
        run: &Path,
        prompt_digest: &str,
        device: &str,
        through: u32,
        base_answers: Option<&Path>,
    ) -> Result<Self, BenchmarkError> {
        let suite = suite(recipe)?;
        check_rules(recipe, suite.as_ref())?;
        let train = &recipe.train;
        let rule = suite.as_ref().map(|suite| Rule::new(&train.select, train.early_stopping, suite));
        let (folder, every) = (run.join("benchmark"), recipe.benchmark.every);
        let facts = [
            ("Base", recipe.model_name_or_path.display().to_string()),
            ("Cases", recipe.data.source.to_string()),
            ("Seed", recipe.seed.to_string()),
            ("Device", device.to_owned()),
        ];
        let facts = facts.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let (mut epochs, mut forgetting) = (Vec::new(), None);
        if suite.is_some() {
            epochs = earlier_epochs(&folder)?;
            epochs.retain(|(epoch, _)| *epoch <= through);
            forgetting = read_forgetting(&folder)?;
        }
        if let Some(forgetting) = &mut forgetting {
            forgetting.keep_through(through);
        }
        Ok(Self {
            suite,
            rule,
            folder,
            every,
            digest: format!("{}:{prompt_digest}", recipe.digest()),
            base_key: format!("base:{}:{prompt_digest}:{device}", recipe.base_digest()),
            base_answers: base_answers.map(Path::to_owned),
            facts,
            base: None,
            epochs,
            forgetting,
        })
    }

    /// Whether the benchmark runs after this epoch: always where a phase ends.
    #[must_use]
    pub fn is_due(&self, end: EpochEnd<'_>) -> bool {
        self.suite.is_some() && (end.ends_phase || end.epoch.is_multiple_of(self.every))
    }

    /// Whether attacks are to be made on another model than the one asked: then an epoch is given its base.
    #[must_use]
    pub fn needs_surrogate(&self) -> bool {
        self.suite.as_ref().is_some_and(Suite::needs_surrogate)
    }

    /// Asks the untouched base; what an earlier start of the run has asked is not asked again.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept, and when it is interrupted.
    pub fn base(&mut self, exam: &mut Exam<'_>) -> Result<(), BenchmarkError> {
        let Some(suite) = &self.suite else { return Ok(()) };
        let folder = self.folder.join("base");
        let model = Model { key: &self.base_key, reader: exam.reader, pass: Pass::BASE };
        let Answers { outcomes, skips, .. } = self.ask(suite, "base", model, None, exam)?;
        exam.progress.note(&describe(&power(&Plan::new(suite, &exam.cases.eval), Some(&outcomes))));
        let summary = Summary::new(suite, &skips, &outcomes, None, Bootstrap::default());
        write_summary(&folder, &summary)?;
        self.forgetting.get_or_insert_with(|| Forgetting::new(&summary));
        self.base = Some((outcomes, summary));
        Ok(())
    }

    /// Asks the learner after an epoch; returns what was measured, by name, and weighs it in `selection`. Where a phase ends,
    /// what it left of earlier ones is among it. Transferred attacks are made on `base`: a reader of the untouched base, or
    /// the learner's own with its adapter off.
    ///
    /// # Errors
    /// When a question cannot be asked or its outcome kept, and when it is interrupted.
    pub fn epoch(
        &mut self,
        end: EpochEnd<'_>,
        base: Option<&Reader>,
        selection: &mut Selection,
        exam: &mut Exam<'_>,
    ) -> Result<Tested, BenchmarkError> {
        let (Some(suite), Some((base_outcomes, base_summary))) = (&self.suite, &self.base) else {
            return Ok(Tested::default());
        };
        let epoch = end.epoch;
        let name = format!("epoch-{epoch}");
        let key = format!("{name}:{}", self.digest);
        let model = Model { key: &key, reader: exam.reader, pass: Pass::ANSWER };
        let base = base.map(|reader| Model { key: &self.base_key, reader, pass: Pass::BASE });
        let Answers { outcomes, skips, .. } = self.ask(suite, &name, model, base, exam)?;
        let summary = Summary::new(suite, &skips, &outcomes, Some(base_outcomes), Bootstrap::default());
        write_summary(&self.folder.join(&name), &summary)?;
        let mut scalars = scalars(&summary);
        let weigh = |rule| selection.weigh(rule, base_summary, (epoch, end.step), &summary);
        let weighed = self.rule.as_ref().map(weigh);
        let stops = weighed.as_ref().is_some_and(|weighed| weighed.stop);
        self.epochs.push((epoch, summary));
        let promoted = !end.ends_phase && self.is_promoted(end);
        if let (true, Some(forgetting), Some((_, summary))) =
            (end.ends_phase || promoted || stops, &mut self.forgetting, self.epochs.last())
        {
            forgetting.push(&end.phase.name, &end.phase.stages, epoch, end.step, summary);
            write_json(&self.folder.join(FORGETTING), forgetting)?;
            scalars.extend(forgotten(forgetting));
        }
        let at_hand = AtHand { model, surrogate: base };
        self.write_report(&outcomes, at_hand, exam.cases, selection.best.as_ref())?;
        Ok(Tested { metrics: scalars, promoted, weighed })
    }

    /// Whether the promotion rule of the phase ends it after its last tested epoch.
    fn is_promoted(&self, end: EpochEnd<'_>) -> bool {
        let Some(promotion) = &end.phase.lesson.promotion else { return false };
        let of_phase = self.epochs.iter().filter(|(epoch, _)| *epoch >= end.first_epoch);
        let found: Vec<_> = of_phase.filter_map(|(_, summary)| summary.metrics.get(&promotion.metric)).collect();
        let higher = found.last().is_none_or(|metric| metric.better != Better::Lower);
        let values: Vec<Option<f64>> = found.iter().map(|metric| metric.estimate.value).collect();
        promotion.is_due(&values, higher)
    }

    /// Writes `report.html` about all epochs tested so far, and its tables as CSV under `benchmark/tables`; `outcomes` are
    /// the last one's.
    fn write_report(
        &self,
        outcomes: &[Outcome],
        at_hand: AtHand<'_>,
        cases: &Cases,
        best: Option<&Best>,
    ) -> Result<(), BenchmarkError> {
        let (Some(suite), Some((base_outcomes, base))) = (&self.suite, &self.base) else { return Ok(()) };
        let tested: Vec<_> = self.epochs.iter().map(|(epoch, summary)| (epoch.to_string(), summary)).collect();
        let run = self.folder.parent().unwrap_or(&self.folder);
        let title = run.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let outcomes = Some((outcomes, base_outcomes.as_slice()));
        let forgetting = self.forgetting.as_ref();
        let chosen = best.map_or_else(|| "no epoch: each lost more than it may".to_owned(), ToString::to_string);
        let facts: Vec<_> = self.facts.iter().cloned().chain([("Best".to_owned(), chosen)]).collect();
        let (title, facts, tested, at_hand) = (&title, &facts, &tested, Some(at_hand));
        Reported { title, facts, suite, cases, base, tested, outcomes, at_hand, forgetting }
            .write(&run.join("report.html"), &self.folder.join("tables"))
    }

    /// Asks what neither `NAME/outcomes.jsonl` holds nor, of the base, another run's. Until all is answered, answers
    /// are in a journal beside it.
    fn ask(
        &self,
        suite: &Suite,
        name: &str,
        model: Model<'_>,
        surrogate: Option<Model<'_>>,
        exam: &mut Exam<'_>,
    ) -> Result<Answers, BenchmarkError> {
        let folder = self.folder.join(name);
        let (path, journal) = (folder.join(OUTCOMES), folder.join("outcomes.part.jsonl"));
        let asking = Asking { name, model, surrogate, suite, cases: exam.cases };
        let mut memory = Memory::journal(&journal)?.and_file(&path)?;
        if let Some(answers) = self.base_answers.as_ref().filter(|_| model.pass == Pass::BASE) {
            memory = memory.and_file(answers)?;
        }
        let answers = asking.ask(&mut memory, exam.progress, exam.interrupt)?;
        store::write(&path, &answers.outcomes)?;
        // Everything it held is in its place now.
        std::fs::remove_file(&journal).map_err(|error| file(&journal, error))?;
        Ok(answers)
    }

    /// What every phase that has ended left of what was learned before.
    #[must_use]
    pub fn forgetting(&self) -> Option<&Forgetting> {
        self.forgetting.as_ref()
    }

    /// What every epoch tested came to, in order.
    #[must_use]
    pub fn into_epochs(self) -> Vec<(u32, Summary)> {
        self.epochs
    }
}

/// The suite that a recipe asks for after its epochs; none where nothing is tested.
///
/// # Errors
/// When it cannot be read.
pub fn suite(recipe: &Recipe) -> Result<Option<Suite>, SuiteError> {
    let mut suite = match &recipe.benchmark.suite {
        SuiteChoice::None => return Ok(None),
        SuiteChoice::Fast => Suite::fast(),
        SuiteChoice::Full => Suite::full(),
        SuiteChoice::File(path) => Suite::load(path)?,
    };
    let most = recipe.benchmark.max_cases.map(|most| most as usize);
    suite.max_cases = suite.max_cases.into_iter().chain(most).min();
    suite.answer_form = recipe.train.answer_form;
    Ok(Some(suite))
}

/// Summaries that an earlier start of the run has left, in order; epochs without a benchmark have none.
fn earlier_epochs(folder: &Path) -> Result<Vec<(u32, Summary)>, BenchmarkError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(file(folder, error)),
    };
    let mut epochs = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| file(folder, error))?;
        let name = entry.file_name();
        let epoch = name.to_str().and_then(|name| name.strip_prefix("epoch-")).and_then(|number| number.parse().ok());
        let path = entry.path().join("summary.json");
        let Some(epoch) = epoch.filter(|_| path.is_file()) else { continue };
        let json = std::fs::read(&path).map_err(|error| file(&path, error))?;
        epochs.push((epoch, serde_json::from_slice(&json).map_err(|error| file(&path, error.into()))?));
    }
    epochs.sort_unstable_by_key(|(epoch, _)| *epoch);
    Ok(epochs)
}

/// What was answered, below the folder of an epoch's benchmark.
const OUTCOMES: &str = "outcomes.jsonl";

/// Where the run in `folder` keeps what its untouched base has answered.
#[must_use]
pub fn base_outcomes(folder: &Path) -> PathBuf {
    folder.join("benchmark").join("base").join(OUTCOMES)
}

/// The forgetting ledger below the folder of a run's benchmark.
pub const FORGETTING: &str = "forgetting.json";

/// The ledger that a run's benchmark has left; none where no phase has ended.
///
/// # Errors
/// When the file cannot be read.
pub fn read_forgetting(folder: &Path) -> Result<Option<Forgetting>, BenchmarkError> {
    let path = folder.join(FORGETTING);
    match std::fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| file(&path, error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(file(&path, error)),
    }
}

/// The ledger's last row as named numbers.
fn forgotten(forgetting: &Forgetting) -> BTreeMap<String, f64> {
    let by_stage = (1..).zip(forgetting.forgotten());
    let by_stage = by_stage.filter_map(|(stage, lost)| Some((format!("forgetting/stage_{stage}"), lost?)));
    let transfer = forgetting.backward_transfer.map(|transfer| ("forgetting/backward_transfer".to_owned(), transfer));
    by_stage.chain(transfer).collect()
}

/// A summary as named numbers: metrics, and the gain of each over the base. The parts of a name are its levels.
fn scalars(summary: &Summary) -> BTreeMap<String, f64> {
    let mut scalars = BTreeMap::new();
    let mut put = |group: &str, id: &str, value: Option<f64>| {
        if let Some(value) = value {
            scalars.insert(format!("{group}/{}", id.replace(':', "/")), value);
        }
    };
    for (id, metric) in &summary.metrics {
        put("benchmark", id, metric.estimate.value);
        put("gain", id, metric.gain_vs_base.and_then(|gain| gain.value));
    }
    scalars
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_between_which_nothing_was_tested_are_all_found() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(earlier_epochs(&folder.path().join("none")).expect("nothing yet").is_empty());
        let suite = Suite::fast();
        let summary = Summary::new(&suite, &[], &[], None, Bootstrap { resamples: 1, ..Bootstrap::default() });
        for name in ["epoch-10", "epoch-2", "epoch-4", "base", "tables"] {
            let folder = folder.path().join(name);
            std::fs::create_dir_all(&folder).expect("made");
            write_summary(&folder, &summary).expect("written");
        }
        // One that was interrupted has no summary yet.
        std::fs::create_dir_all(folder.path().join("epoch-12")).expect("made");
        let found = earlier_epochs(folder.path()).expect("read");
        assert_eq!(found.iter().map(|(epoch, _)| *epoch).collect::<Vec<_>>(), [2, 4, 10]);
        assert_eq!(found[0].1, summary);
    }
}
