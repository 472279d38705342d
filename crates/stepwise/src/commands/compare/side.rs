//! Lookup of one side of a comparison: outcome file, recipe of the run, and history of its epochs.

use std::fs;
use std::path::{Path, PathBuf};

use stepwise_benchmark::compare::History;
use stepwise_benchmark::summary::Summary;
use stepwise_config::path::quoted;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;
use stepwise_recipe::Recipe;
use stepwise_trainer::checkpoint::{Delivered, STATE_FILE, TrainerState};
use stepwise_trainer::evaluation::files::read_forgetting;
use stepwise_trainer::evaluation::suite::recipe_suite;
use stepwise_trainer::log::tested_steps;
use stepwise_trainer::selection::Rule;
use stepwise_trainer::standings::Standings;

use super::evaluated_suite::EvaluatedSuite;
use crate::commands::eval::{ALONE, TUNED};
use crate::exit::Failure;
use crate::source;

const RECIPE: &str = "recipe.resolved.toml";
const OUTCOMES: &str = "outcomes.jsonl";

/// Name of an epoch that is taken in place of the delivered checkpoint, and the answers taken.
const NEW: &str = "newest evaluated";
const NEWEST: &str = "the answers are those of the newest evaluated epoch,";

/// Files of one side of a comparison.
pub struct SideSource {
    /// Path as given on the command line.
    pub name: String,
    /// Path of the outcome file.
    pub outcomes: PathBuf,
    /// Recipe of the run; None if the path belongs to no run.
    pub recipe: Option<Recipe>,
    /// Summaries of the run's epochs up to this one; None if the path belongs to no run.
    pub history: Option<History>,
    /// Epoch and checkpoint of a run that the outcomes belong to; None if the path is not the folder of a run.
    pub checkpoint: Option<String>,
    /// Which checkpoint of a run is taken, and why; None if the path is not the folder of a run.
    pub note: Option<String>,
    /// All evaluated epochs of a run; None if the path is not the folder of a run.
    pub standings: Option<Standings>,
    /// Whether the path is a file, which may come from another tool.
    pub is_file: bool,
    /// Suite and options of the evaluation; None without a summary next to the outcomes.
    pub evaluated_suite: Option<EvaluatedSuite>,
}

impl SideSource {
    /// Finds the outcomes that belong to `path`: an outcome file, a run, a checkpoint, or a folder with outcomes.
    ///
    /// # Errors
    ///
    /// [`Failure::Input`] when there are no outcomes, or a file of the run is missing or invalid.
    pub fn at(path: &Path) -> Result<Self, Failure> {
        if path.is_file() {
            return Self::of(path, path.to_owned(), path.with_file_name("summary.json"), None);
        }
        if path.join(RECIPE).is_file() {
            return Self::of_delivered(path);
        }
        if path.join(STATE_FILE).is_file() {
            return Self::of_checkpoint(path);
        }
        let candidates = [TUNED, ALONE].map(|name| path.join(name).join(OUTCOMES));
        if let Some(outcomes) = candidates.into_iter().find(|outcomes| outcomes.is_file()) {
            return Self::of(path, outcomes, path.join("summary.json"), None);
        }
        if path.join(OUTCOMES).is_file() {
            return Self::of(path, path.join(OUTCOMES), path.join("summary.json"), None);
        }
        let what = "neither an outcome file nor a run, a checkpoint or a folder with outcomes";
        let advice =
            "a JSONL file, or a folder with recipe.resolved.toml, trainer_state.json or outcomes.jsonl is expected";
        Err(Failure::input(format!("{}: {what} -> {advice}", path.display())))
    }

    /// Returns the recipe of the run whose benchmark folder holds the outcomes; None if they are elsewhere, or the recipe
    /// cannot be read.
    pub fn recipe_of_benchmark(&self) -> Option<Recipe> {
        let outcomes = self.outcomes.canonicalize().ok()?;
        let benchmark = outcomes.parent()?.parent().filter(|folder| folder.ends_with("benchmark"))?;
        Recipe::load(&benchmark.parent()?.join(RECIPE), &[]).ok()
    }

    /// Finds the epoch of the delivered checkpoint of a run, and says which one it is. Where that checkpoint was not
    /// evaluated, the newest evaluated epoch is taken.
    fn of_delivered(path: &Path) -> Result<Self, Failure> {
        let all = tested(path);
        let newest = all.last().copied().ok_or_else(|| no_outcomes(path, "the run has evaluated no epoch"))?;
        let delivered = Delivered::of_run(path);
        let of_delivered = delivered.as_ref().and_then(|delivered| delivered.epoch(path));
        let of_delivered = of_delivered.filter(|epoch| all.contains(epoch));
        let epoch = of_delivered.unwrap_or(newest);
        delivered.iter().for_each(source::warn);
        let name = path.display();
        let (note, label) = match (&delivered, of_delivered) {
            (Some(delivered), Some(_)) => (
                format!("{delivered}; its answers are those of epoch {epoch}"),
                format!("epoch {epoch} ({})", delivered.label()),
            ),
            (Some(delivered), None) => {
                let folder = delivered.folder.display();
                (format!("{folder} was not evaluated: {NEWEST} {epoch}"), format!("epoch {epoch} ({NEW})"))
            }
            (None, _) => {
                (format!("{name}: the run has no checkpoint: {NEWEST} {epoch}"), format!("epoch {epoch} ({NEW})"))
            }
        };
        let found = Self::of_run(path, path, epoch)?;
        let mut history = found.history.unwrap_or_default();
        let mut ranked: Vec<(u32, &Summary)> =
            all.iter().copied().filter(|tested| *tested <= epoch).zip(&history.epochs).collect();
        let later: Vec<u32> = all.into_iter().filter(|tested| *tested > epoch).collect();
        let summaries = summaries(path, &later)?;
        ranked.extend(later.iter().copied().zip(&summaries));
        let suite = found.recipe.as_ref().and_then(|recipe| Some((recipe, recipe_suite(recipe).ok()??)));
        let standings = suite.map(|(recipe, suite)| {
            let train = &recipe.train;
            let rule = Rule::new(&train.best_model, train.early_stopping, &suite);
            Standings::new(&rule, ranked, of_delivered)
        });
        history.later = summaries;
        Ok(Self { history: Some(history), checkpoint: Some(label), note: Some(note), standings, ..found })
    }

    /// Finds the epoch that ended at a checkpoint.
    fn of_checkpoint(path: &Path) -> Result<Self, Failure> {
        let state = TrainerState::read(path).map_err(Failure::input)?;
        let run = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
        let run = run.filter(|run| run.join(RECIPE).is_file());
        let run = run.ok_or_else(|| no_outcomes(path, "the checkpoint is not in the folder of its run"))?;
        let log = run.join("trainer_log.jsonl");
        let ends = tested_steps(&log).map_err(|error| {
            Failure::input(format!(
                "{}: {error} -> restore the log, which lists the step at which each epoch ended",
                log.display()
            ))
        })?;
        let tested = tested(&run);
        let ended = ends.iter().find(|(epoch, step)| *step == state.global_step && tested.contains(epoch));
        let (epoch, _) = ended.ok_or_else(|| no_outcomes(path, "no evaluated epoch ends at this checkpoint"))?;
        Self::of_run(path, &run, *epoch)
    }

    fn of_run(path: &Path, run: &Path, epoch: u32) -> Result<Self, Failure> {
        let recipe = Recipe::load(&run.join(RECIPE), &[]).map_err(Failure::input)?;
        let epochs: Vec<u32> = tested(run).into_iter().filter(|tested| *tested <= epoch).collect();
        let summaries = summaries(run, &epochs)?;
        let base = read_summary(&run.join("benchmark/base/summary.json"))?;
        let history = History { base, epochs: summaries, later: Vec::new(), learned: learned(run, &epochs)? };
        let folder = folder(run, epoch);
        let found = Self::of(path, folder.join(OUTCOMES), folder.join("summary.json"), Some(recipe))?;
        Ok(Self { history: Some(history), ..found })
    }

    fn of(path: &Path, outcomes: PathBuf, summary: PathBuf, recipe: Option<Recipe>) -> Result<Self, Failure> {
        let is_file = path.is_file();
        // A summary next to a file with another name may belong to other outcomes, so it is ignored.
        let own = !is_file || path.file_name().is_some_and(|name| name == OUTCOMES);
        let evaluated_suite = if own { read_summary(&summary)?.map(EvaluatedSuite::from) } else { None };
        Ok(Self {
            name: path.display().to_string(),
            outcomes,
            recipe,
            history: None,
            checkpoint: None,
            note: None,
            standings: None,
            is_file,
            evaluated_suite,
        })
    }
}

/// Reads the summaries of these epochs of a run.
fn summaries(run: &Path, epochs: &[u32]) -> Result<Vec<Summary>, Failure> {
    let read = |epoch: &u32| {
        let file = folder(run, *epoch).join("summary.json");
        read_summary(&file)?.ok_or_else(|| missing(&file))
    };
    epochs.iter().map(read).collect()
}

fn folder(run: &Path, epoch: u32) -> PathBuf {
    run.join("benchmark").join(format!("epoch-{epoch}"))
}

/// Returns the epochs of a run that have outcomes, in ascending order.
fn tested(run: &Path) -> Vec<u32> {
    let entries = fs::read_dir(run.join("benchmark")).into_iter().flatten().flatten();
    let number = |name: &str| name.strip_prefix("epoch-")?.parse().ok();
    let mut epochs: Vec<u32> = entries
        .filter(|entry| entry.path().join(OUTCOMES).is_file())
        .filter_map(|entry| number(entry.file_name().to_str()?))
        .collect();
    epochs.sort_unstable();
    epochs
}

/// For stages 1 to 4, the index in `tested` of the epoch that ended the first phase that trained on the stage.
fn learned(run: &Path, tested: &[u32]) -> Result<[Option<usize>; 4], Failure> {
    let Some(forgetting) = read_forgetting(&run.join("benchmark")).map_err(Failure::input)? else {
        return Ok([None; 4]);
    };
    let index = |phase: usize| tested.iter().position(|epoch| *epoch == forgetting.phases[phase].epoch);
    Ok(forgetting.learned().map(|phase| phase.and_then(index)))
}

fn read_summary(path: &Path) -> Result<Option<Summary>, Failure> {
    if !path.is_file() {
        return Ok(None);
    }
    let text = bounded::bytes(path)
        .map_err(|error| Failure::input(format!("{}: {error} -> check that the file is readable", path.display())))?;
    let advice = "the file is damaged or written by another version of stepwise: evaluate again";
    serde_json::from_slice(without_mark(&text))
        .map(Some)
        .map_err(|error| Failure::input(format!("{}: {error} -> {advice}", path.display())))
}

fn missing(path: &Path) -> Failure {
    Failure::input(format!("{} is missing -> evaluate again", path.display()))
}

fn no_outcomes(path: &Path, what: &str) -> Failure {
    let quoted = quoted(path);
    Failure::input(format!("{}: {what} -> `stepwise eval {quoted} --out DIR`, then compare DIR", path.display()))
}
