//! `manifest.json`: what a study is, written before its first run. Every later start of the study, on whatever machine, finds
//! the same or is refused: endpoints, arms, recipes, lessons, cases and models cannot change once there may be results. Only
//! seeds may be added, behind those that are there. While no run has begun the manifest follows the study.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::digest::{hex, sha256_file};
use stepwise_recipe::CaseSource;

use super::budget::{Budget, check, count};
use super::same_cases::check_questions;
use super::task::TaskStatus;
use super::{Study, StudyError, Task, UnequalBudget};

/// Schema of the file.
pub const SCHEMA: &str = "study/2";

/// Its name in the folder of the study.
pub const FILE: &str = "manifest.json";

/// What a study is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// SHA-256 of all below but what the tasks are taught, which follows from it.
    pub digest: String,
    /// For people.
    pub name: String,
    /// The recipe that every arm starts from.
    pub base: PathBuf,
    /// Endpoints that a claim may rest on.
    pub primary: Vec<String>,
    /// The arm that all others are compared with.
    pub reference: String,
    /// Why arms of unequal budget are compared.
    #[serde(default, skip_serializing_if = "UnequalBudget::is_empty")]
    pub unequal_budget: UnequalBudget,
    /// Digest of the suite that all arms are asked.
    pub suite: String,
    /// SHA-256 of what is read: case files and weights.
    pub inputs: BTreeMap<String, String>,
    /// Seeds that were added after the first run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later_seeds: Vec<u64>,
    /// In the order in which they are run.
    pub tasks: Vec<TaskEntry>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskEntry {
    /// Its number.
    pub task: usize,
    /// Its arm.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub folder: PathBuf,
    /// What is laid over the base, as `--set` arguments: with them `stepwise train BASE` makes the same run.
    pub set: Vec<String>,
    /// Digest of the recipe that comes of it.
    pub recipe: String,
    /// How much it is taught.
    #[serde(default)]
    pub budget: Budget,
    /// Digest of its lessons.
    #[serde(default)]
    pub lessons: String,
}

impl Manifest {
    /// What the file of `study` says: a manifest without inputs and what tasks are taught.
    fn written(study: &Study) -> Self {
        let tasks = study.tasks.iter().map(|task| TaskEntry {
            task: task.number,
            arm: study.arms[task.arm].name.clone(),
            seed: task.seed,
            folder: task.folder().to_owned(),
            set: task.set.clone(),
            recipe: task.recipe.digest(),
            budget: Budget::default(),
            lessons: String::new(),
        });
        Self {
            schema: SCHEMA.to_owned(),
            digest: String::new(),
            name: study.file.name.clone(),
            base: study.file.base.clone(),
            primary: study.file.primary.clone(),
            reference: study.arms[study.reference].name.clone(),
            unequal_budget: study.file.unequal_budget.clone(),
            suite: study.suite.digest(),
            inputs: BTreeMap::new(),
            later_seeds: Vec::new(),
            tasks: tasks.collect(),
        }
    }

    /// The manifest that the runs of `study` were made under, which its file must agree with. Reads neither cases nor models:
    /// a report can be made where they are not.
    ///
    /// # Errors
    /// When the study has not begun, or was changed since.
    pub fn stored(study: &Study) -> Result<Self, StudyError> {
        let there = read(&path(study))?.ok_or_else(|| StudyError::Senseless {
            path: study.path.clone(),
            what: format!("the study has not begun: there is no {}", path(study).display()),
            advice: format!("run it first: `stepwise study {}`", study.path.display()),
        })?;
        match there.difference(&Self::written(study)) {
            Some(what) => Err(StudyError::Changed { path: path(study), what }),
            None => Ok(there),
        }
    }

    /// The manifest of `study` with what its runs are taught; what is there already must agree once a run has begun. Writes
    /// nothing. Lessons are compared of the task numbered `only`, or else of every one that is not finished.
    ///
    /// # Errors
    /// When the study or its lessons were changed since its first run, or its arms are not taught the same.
    pub fn plan(study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let now = Self { inputs: inputs(study)?, ..Self::written(study) };
        let Some(there) = read(&path(study))? else {
            if now.tasks.iter().any(|entry| entry.folder.exists()) {
                return Err(StudyError::Senseless {
                    path: path(study),
                    what: "the manifest is gone, while runs of the study are there".to_owned(),
                    advice: "put it back, or name another `output_dir`".to_owned(),
                });
            }
            return now.taught(study, 0);
        };
        let has_begun = there.has_begun();
        match there.goes_on(now.clone(), study, only) {
            Ok(same) if has_begun || same.later_seeds.is_empty() => Ok(same),
            Err(error) if has_begun => Err(error),
            // Before the first run whatever has changed is written anew.
            _ => now.taught(study, 0),
        }
    }

    /// As [`Manifest::plan`], and writes it where it is not there.
    ///
    /// # Errors
    /// As [`Manifest::plan`], and when the folder cannot be written.
    pub fn open(study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let manifest = Self::plan(study, only)?;
        let path = path(study);
        if read(&path)?.as_ref() != Some(&manifest) {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(StudyError::file(folder))?;
            // Two that begin at once write the same bytes.
            let mut json =
                serde_json::to_vec_pretty(&manifest).map_err(|error| StudyError::file(&path)(error.into()))?;
            json.push(b'\n');
            write_atomic(&path, &json).map_err(StudyError::file(&path))?;
        }
        Ok(manifest)
    }

    /// The same with what its tasks from number `first` on are taught; those before have it already.
    fn taught(mut self, study: &Study, first: usize) -> Result<Self, StudyError> {
        for (entry, counted) in self.tasks[first..].iter_mut().zip(count(study, &study.tasks[first..])?) {
            (entry.budget, entry.lessons) = (counted.budget, counted.lessons);
        }
        check(study, &self.tasks.iter().map(|entry| entry.budget).collect::<Vec<_>>())?;
        check_questions(study)?;
        self.digest = self.digested().map_err(|error| StudyError::file(&path(study))(error.into()))?;
        Ok(self)
    }

    /// What its digest is to be.
    fn digested(&self) -> serde_json::Result<String> {
        let mut bare = self.clone();
        bare.digest.clear();
        bare.tasks.iter_mut().for_each(|entry| (entry.budget, entry.lessons) = Default::default());
        Ok(hex(&Sha256::digest(serde_json::to_vec(&bare)?)))
    }

    /// Whether a run of it has left something, or is being begun.
    fn has_begun(&self) -> bool {
        self.tasks.iter().any(|entry| entry.folder.exists() || entry.folder.with_extension("claim").exists())
    }

    /// This manifest, with the seeds that the study has `now` behind its own.
    fn goes_on(self, now: Self, study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let changed = |what: String| StudyError::Changed { path: path(study), what };
        if self.schema != SCHEMA {
            return Err(changed(format!(
                "its manifest is of the schema `{}`, and this version of the program writes `{SCHEMA}`",
                self.schema
            )));
        }
        if let Some(what) = self.difference(&now) {
            return Err(changed(what));
        }
        let mut inputs = self.inputs.keys().chain(now.inputs.keys());
        if let Some(input) = inputs.find(|input| self.inputs.get(*input) != now.inputs.get(*input)) {
            return Err(changed(format!("{input} is another file")));
        }
        let known = self.tasks.len();
        let mut open: Vec<&Task> = Vec::new();
        for task in &study.tasks[..known] {
            let is_open = only.map_or_else(
                || task.stage().map(|stage| stage != TaskStatus::Finished),
                |only| Ok(task.number == only),
            );
            if is_open? {
                open.push(task);
            }
        }
        for (task, counted) in open.iter().zip(count(study, open.iter().copied())?) {
            if self.tasks[task.number].lessons != counted.lessons {
                let arm = &study.arms[task.arm].name;
                return Err(changed(format!(
                    "this version of the program lays out other lessons for the arm `{arm}` with seed {}",
                    task.seed
                )));
            }
        }
        if now.tasks.len() == known {
            return Ok(self);
        }
        let mut later_seeds = self.later_seeds;
        later_seeds.extend(now.tasks[known..].chunk_by(|a, b| a.seed == b.seed).map(|of_seed| of_seed[0].seed));
        let tasks = self.tasks.into_iter().chain(now.tasks[known..].iter().cloned()).collect();
        Self { later_seeds, tasks, ..now }.taught(study, known)
    }

    /// The first thing that differs in what the study's file says, in words. Seeds may have been added.
    fn difference(&self, now: &Self) -> Option<String> {
        if self.primary != now.primary {
            return Some(format!(
                "its primary endpoints were {} and are {}",
                self.primary.join(", "),
                now.primary.join(", ")
            ));
        }
        if self.reference != now.reference {
            return Some(format!("its reference was `{}` and is `{}`", self.reference, now.reference));
        }
        if self.suite != now.suite {
            return Some("its benchmark asks another suite".to_owned());
        }
        let differs = self.tasks.iter().zip(&now.tasks).find(|(then, now)| {
            (&then.arm, then.seed, &then.recipe, &then.folder, &then.set)
                != (&now.arm, now.seed, &now.recipe, &now.folder, &now.set)
        });
        let added = now.tasks.get(self.tasks.len()..);
        let is_new = |entry: &TaskEntry| self.tasks.iter().all(|then| then.seed != entry.seed);
        match (differs, added) {
            (Some((then, now)), _) if (&then.arm, then.seed) != (&now.arm, now.seed) => Some(format!(
                "task {} was the arm `{}` with seed {} and is `{}` with seed {}",
                then.task, then.arm, then.seed, now.arm, now.seed
            )),
            (Some((_, now)), _) => Some(format!("the recipe of the arm `{}` is another one", now.arm)),
            (None, Some(added)) if added.iter().all(is_new) => {
                let others = [
                    ("its name", self.name != now.name),
                    ("its base's path", self.base != now.base),
                    ("its reason for unequal budgets", self.unequal_budget != now.unequal_budget),
                ];
                others.iter().find(|(_, differs)| *differs).map(|(what, _)| format!("{what} is another one"))
            }
            (None, _) => Some(format!("it had {} runs and has {}", self.tasks.len(), now.tasks.len())),
        }
    }
}

/// Where the manifest of a study lies.
#[must_use]
pub fn path(study: &Study) -> PathBuf {
    study.file.output_dir.join(FILE)
}

/// Reads a manifest; none where there is none.
///
/// # Errors
/// When it cannot be read, or was edited.
pub fn read(path: &Path) -> Result<Option<Manifest>, StudyError> {
    let json = match fs::read(path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StudyError::unread(path)(error)),
    };
    let unread = |error: serde_json::Error| StudyError::unread(path)(error.into());
    let manifest: Manifest = serde_json::from_slice(&json).map_err(unread)?;
    if manifest.schema == SCHEMA && manifest.digest != manifest.digested().map_err(unread)? {
        return Err(StudyError::Senseless {
            path: path.into(),
            what: "the manifest was edited: it does not agree with its own digest".to_owned(),
            advice: "put it back as it was, or name another `output_dir`".to_owned(),
        });
    }
    Ok(Some(manifest))
}

/// Digests of the case files and weights that the runs of a study read.
fn inputs(study: &Study) -> Result<BTreeMap<String, String>, StudyError> {
    let mut inputs = BTreeMap::new();
    let mut add = |path: PathBuf| -> Result<(), StudyError> {
        if let std::collections::btree_map::Entry::Vacant(slot) = inputs.entry(path.display().to_string()) {
            slot.insert(sha256_file(&path).map_err(StudyError::unread(&path))?.0);
        }
        Ok(())
    };
    for task in &study.tasks {
        if let CaseSource::Dataset(folders) = &task.recipe.data.source {
            folders.iter().map(|folder| folder.join("cases.jsonl")).try_for_each(&mut add)?;
        }
        for folder in std::iter::once(&task.recipe.model_name_or_path).chain(&task.recipe.adapter_name_or_path) {
            let entries = fs::read_dir(folder).map_err(StudyError::unread(folder))?;
            let paths = entries.flatten().map(|entry| entry.path());
            let mut weights: Vec<PathBuf> =
                paths.filter(|path| path.extension().is_some_and(|end| end == "safetensors")).collect();
            weights.sort_unstable();
            weights.into_iter().try_for_each(&mut add)?;
        }
    }
    Ok(inputs)
}
