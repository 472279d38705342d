//! What the finished runs of a study left, as the benchmark's report takes it.

use std::path::{Path, PathBuf};

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::store;
use stepwise_benchmark::study::{ArmRuns, SeedRun, StudyRuns};
use stepwise_benchmark::summary::Summary;

use super::manifest::Manifest;
use super::task::Stage;
use super::{Study, StudyError, Task};
use crate::epoch_benchmark;
use crate::log::tested_steps;

/// Reads the runs of `study` that are finished.
///
/// # Errors
/// When none is, when the reference has none, and when a file of one cannot be read.
pub fn collect(study: &Study, manifest: &Manifest) -> Result<StudyRuns, StudyError> {
    let mut arms: Vec<ArmRuns> =
        study.arms.iter().map(|arm| ArmRuns { name: arm.name.clone(), runs: Vec::new() }).collect();
    let mut base = None;
    for task in &study.tasks {
        if task.stage()? != Stage::Finished {
            continue;
        }
        let run = run(task)?;
        if task.arm == study.reference && base.is_none() {
            base = Some(outcomes(&task.folder().join("benchmark/base/outcomes.jsonl"))?);
        }
        arms[task.arm].runs.push(run);
    }
    let base = base.ok_or_else(|| StudyError::Senseless {
        path: study.path.clone(),
        what: format!("the reference `{}` has no finished run", study.arms[study.reference].name),
        advice: format!("run the study first: `stepwise study {}`", study.path.display()),
    })?;
    Ok(StudyRuns {
        name: study.file.name.clone(),
        facts: facts(study, manifest),
        primary: study.file.primary.clone(),
        reference: study.reference,
        seeds: study.file.seeds.clone(),
        base,
        arms,
    })
}

fn facts(study: &Study, manifest: &Manifest) -> Vec<(String, String)> {
    let recipe = &study.tasks[0].recipe;
    let budgets = manifest.tasks.iter().map(|task| task.budget);
    let range = |of: fn(&super::budget::Budget) -> u64| {
        let (least, most) = (budgets.clone().map(|b| of(&b)).min(), budgets.clone().map(|b| of(&b)).max());
        match (least, most) {
            (Some(least), Some(most)) if least != most => format!("{least} to {most}"),
            (Some(all), _) => all.to_string(),
            _ => String::new(),
        }
    };
    let budget = format!(
        "{} steps, {} lessons, {} supervised tokens",
        range(|budget| budget.steps),
        range(|budget| budget.samples),
        range(|budget| budget.supervised_tokens)
    );
    let budget = match &manifest.unequal_budget {
        None => format!("{budget}; equal in all arms"),
        Some(reason) => format!("{budget}; unequal: {reason}"),
    };
    let seeds: Vec<String> = study.file.seeds.iter().map(u64::to_string).collect();
    let facts = [
        ("Base", recipe.model_name_or_path.display().to_string()),
        ("Cases", recipe.data.source.to_string()),
        ("Seeds", seeds.join(", ")),
        ("Each run is taught", budget),
        ("Manifest", manifest.digest.chars().take(12).collect()),
    ];
    facts.map(|(name, value)| (name.to_owned(), value)).to_vec()
}

fn run(task: &Task) -> Result<SeedRun, StudyError> {
    let benchmark = task.folder().join("benchmark");
    let log = task.folder().join("trainer_log.jsonl");
    let mut stops = vec![(0, summary(&benchmark.join("base/summary.json"))?)];
    let mut last = None;
    for (epoch, step) in tested_steps(&log).map_err(StudyError::unread(&log))? {
        let folder = benchmark.join(format!("epoch-{epoch}"));
        if folder.join("summary.json").is_file() {
            stops.push((step, summary(&folder.join("summary.json"))?));
            last = Some(folder);
        }
    }
    let last = last.ok_or_else(|| StudyError::Senseless {
        path: benchmark.clone(),
        what: "the run has tested no epoch".to_owned(),
        advice: "remove its folder and run the study again".to_owned(),
    })?;
    let forgetting = epoch_benchmark::read_forgetting(&benchmark)
        .map_err(|error| StudyError::unread(&benchmark)(std::io::Error::other(error)))?;
    Ok(SeedRun { seed: task.seed, outcomes: outcomes(&last.join("outcomes.jsonl"))?, stops, forgetting })
}

fn outcomes(path: &Path) -> Result<Vec<Outcome>, StudyError> {
    store::read(path).map_err(|error| StudyError::unread(path)(std::io::Error::other(error)))
}

fn summary(path: &PathBuf) -> Result<Summary, StudyError> {
    let json = std::fs::read(path).map_err(StudyError::unread(path))?;
    serde_json::from_slice(&json).map_err(|error| StudyError::unread(path)(error.into()))
}
