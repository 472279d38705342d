//! Collects the results of the finished runs of a study for the benchmark's report.

use std::path::Path;

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::store;
use stepwise_benchmark::summary::Summary;
use stepwise_config::path::quoted;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;
use stepwise_trainer::checkpoint::Delivered;
use stepwise_trainer::evaluation::files::read_forgetting;
use stepwise_trainer::log::tested_steps;
use stepwise_trainer::trained::recorded_leaks;

use super::budget::{Budget, EQUAL};
use super::manifest::Manifest;
use super::{Study, StudyError, Task};
use crate::summary::{ArmRuns, SeedRun, StudyRuns, TrainingBudget};

/// Reads the results of the finished runs of `study`, whose stored manifest is `manifest`. Runs that are not finished
/// are left out.
///
/// # Errors
/// When the reference has no finished run, a run lacks its final evaluation, or a file of a run cannot be read.
pub fn collect(study: &Study, manifest: &Manifest) -> Result<StudyRuns, StudyError> {
    let empty = |name: &String| ArmRuns { name: name.clone(), budget: budget(manifest, name), runs: Vec::new() };
    let mut arms: Vec<ArmRuns> = study.arms.iter().map(|arm| empty(&arm.name)).collect();
    let mut base = None;
    // Seeds that were added since have no entry in the manifest yet.
    for (task, entry) in study.tasks.iter().zip(&manifest.tasks) {
        let Some(steps) = task.finished()? else { continue };
        let run = run(task, (steps, entry.budget.steps), task.arm == study.reference)?;
        if task.arm == study.reference && base.is_none() {
            base = Some(outcomes(&task.folder().join("benchmark/base/outcomes.jsonl"))?);
        }
        arms[task.arm].runs.push(run);
    }
    let base = base.ok_or_else(|| StudyError::Senseless {
        path: study.path.clone(),
        what: format!("the reference `{}` has no finished run", study.arms[study.reference].name),
        advice: format!("run the study first: `stepwise study run {}`", quoted(&study.path)),
    })?;
    Ok(StudyRuns {
        name: study.file.name.clone(),
        facts: facts(study, manifest),
        primary: study.file.primary.clone(),
        reference: study.reference,
        seeds: study.file.seeds.clone(),
        later_seeds: manifest.later_seeds.clone(),
        base,
        arms,
    })
}

/// Planned training budget of a run of the arm, averaged over seeds.
fn budget(manifest: &Manifest, arm: &str) -> TrainingBudget {
    let budgets: Vec<Budget> =
        manifest.tasks.iter().filter(|entry| entry.arm == arm).map(|entry| entry.budget).collect();
    let mean = |of: fn(&Budget) -> u64| budgets.iter().map(of).sum::<u64>() as f64 / budgets.len().max(1) as f64;
    TrainingBudget {
        steps: mean(|budget| budget.steps),
        samples: mean(|budget| budget.samples),
        supervised_tokens: mean(|budget| budget.supervised_tokens),
    }
}

fn facts(study: &Study, manifest: &Manifest) -> Vec<(String, String)> {
    let recipe = &study.tasks[0].recipe;
    let budgets = manifest.tasks.iter().map(|task| task.budget);
    let range = |of: fn(&Budget) -> u64| {
        let (least, most) = (budgets.clone().map(|b| of(&b)).min(), budgets.clone().map(|b| of(&b)).max());
        match (least, most) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(all), _) => all.to_string(),
            _ => String::new(),
        }
    };
    let budget = format!(
        "{} steps, {} training examples, {} supervised tokens",
        range(|budget| budget.steps),
        range(|budget| budget.samples),
        range(|budget| budget.supervised_tokens)
    );
    let budget = match manifest.unequal_budget.words() {
        None => format!("{budget}; {EQUAL}"),
        Some(reasons) => format!("{budget}; may differ in {reasons}"),
    };
    let seed = |seed: &u64| {
        if manifest.later_seeds.contains(seed) { format!("{seed} (added later)") } else { seed.to_string() }
    };
    let seeds: Vec<String> = study.file.seeds.iter().map(seed).collect();
    let facts = [
        ("Base", recipe.model_name_or_path.display().to_string()),
        ("Cases", recipe.data.source.to_string()),
        ("Seeds", seeds.join(", ")),
        ("Training budget per run", budget),
        ("Manifest", manifest.digest.chars().take(12).collect()),
    ];
    let leaks = study.tasks.iter().find_map(|task| recorded_leaks(task.folder())).map(|leaks| ("Leaks", leaks));
    facts.into_iter().chain(leaks).map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Results of the run of `task`, with its steps done and planned. Outcomes of earlier evaluations are read only for
/// the reference.
fn run(task: &Task, (steps, planned): (u64, u64), is_reference: bool) -> Result<SeedRun, StudyError> {
    let benchmark = task.folder().join("benchmark");
    let log = task.folder().join("trainer_log.jsonl");
    let mut stops = vec![(0, summary(&benchmark.join("base/summary.json"))?)];
    let mut tested = Vec::new();
    for (epoch, step) in tested_steps(&log).map_err(StudyError::unread(&log))? {
        let folder = benchmark.join(format!("epoch-{epoch}"));
        if folder.join("summary.json").is_file() {
            stops.push((step, summary(&folder.join("summary.json"))?));
            tested.push(folder.join("outcomes.jsonl"));
        }
    }
    let senseless = |what: &str| StudyError::Senseless {
        path: benchmark.clone(),
        what: what.to_owned(),
        advice: "remove the run's folder and run the study again".to_owned(),
    };
    let last = tested.pop().ok_or_else(|| senseless("the run has evaluated no epoch"))?;
    if stops.last().is_none_or(|(step, _)| *step < steps) {
        return Err(senseless("the log of the run lacks the final evaluation"));
    }
    let earlier =
        if is_reference { tested.iter().map(|path| outcomes(path)).collect::<Result<_, _>>()? } else { Vec::new() };
    let forgetting =
        read_forgetting(&benchmark).map_err(|error| StudyError::unread(&benchmark)(std::io::Error::other(error)))?;
    let delivered = Delivered::of_run(task.folder()).map(|delivered| (delivered.step, delivered.label()));
    Ok(SeedRun { seed: task.seed, steps, planned, delivered, outcomes: outcomes(&last)?, earlier, stops, forgetting })
}

fn outcomes(path: &Path) -> Result<Vec<Outcome>, StudyError> {
    store::read(path).map_err(|error| StudyError::unread(path)(std::io::Error::other(error)))
}

fn summary(path: &Path) -> Result<Summary, StudyError> {
    let json = bounded::bytes(path).map_err(StudyError::unread(path))?;
    serde_json::from_slice(without_mark(&json)).map_err(|error| StudyError::unread(path)(error.into()))
}
