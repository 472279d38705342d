//! The manifest of a study, `manifest.json`, which is written before the first run. Once a run has begun, every
//! later start on any machine must agree with it: endpoints, arms, recipes, training examples, cases and models
//! must not change. Only seeds may be added, after the existing ones. Until a run has begun, the manifest follows
//! the study file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_config::path::quoted;
use stepwise_data::dataset::case_file;
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::digest::{hex, sha256_file};
use stepwise_data::io::encoding::without_mark;
use stepwise_recipe::CaseSource;
use stepwise_recipe::study_file::UnequalBudget;
use stepwise_trainer::claim::run::path_of;

use super::budget::Budget;
use super::counted::{check, count};
use super::same_cases::check_questions;
use super::task::TaskStatus;
use super::{Study, StudyError, Task};

/// Schema name and version of the manifest; another version is not continued.
pub const SCHEMA: &str = "study/2";

/// File name of the manifest in the folder of the study.
pub const FILE: &str = "manifest.json";

/// Record of a study: its plan, and digests of everything that its runs read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// SHA-256 of all other fields except the training budgets and examples of the tasks, which follow from them.
    pub digest: String,
    /// Name of the study.
    pub name: String,
    /// Path of the base recipe.
    pub base: PathBuf,
    /// Ids of the primary endpoints, which a claim may rest on.
    pub primary: Vec<String>,
    /// Name of the arm that all others are compared with.
    pub reference: String,
    /// Reasons why arms with different training budgets may be compared.
    #[serde(default, skip_serializing_if = "UnequalBudget::is_empty")]
    pub unequal_budget: UnequalBudget,
    /// Digest of the suite of all arms.
    pub suite: String,
    /// SHA-256 of every case file and weight file that the runs read, by path.
    pub inputs: BTreeMap<String, String>,
    /// Seeds that were added after the first run; empty when none was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub later_seeds: Vec<u64>,
    /// Runs, in the order in which they are started.
    pub tasks: Vec<TaskEntry>,
}

/// One run of the study.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskEntry {
    /// Number of the task, counted from 0.
    pub task: usize,
    /// Name of its arm.
    pub arm: String,
    /// Seed of the run.
    pub seed: u64,
    /// Folder of the run.
    pub folder: PathBuf,
    /// Changes to the base recipe, as `--set` arguments. `stepwise train BASE` with them makes the same run.
    pub set: Vec<String>,
    /// Digest of the resolved recipe.
    pub recipe: String,
    /// Training budget of the run.
    #[serde(default)]
    pub budget: Budget,
    /// SHA-256 of its training examples, see [`Counted::lessons`](crate::counted::Counted::lessons).
    #[serde(default)]
    pub lessons: String,
}

impl Manifest {
    /// Manifest from the file of `study` alone, without inputs, training budgets and digest.
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

    /// Reads the stored manifest of `study` and checks that the study file agrees with it. Reads neither cases nor
    /// models, so that a report can be made where they are missing.
    ///
    /// # Errors
    /// When there is no manifest, it cannot be read, or the study file differs from it in more than added seeds.
    pub fn stored(study: &Study) -> Result<Self, StudyError> {
        let there = read(&path(study))?.ok_or_else(|| StudyError::Senseless {
            path: study.path.clone(),
            what: format!("the study has not begun: {} does not exist", path(study).display()),
            advice: format!("run it first: `stepwise study run {}`", quoted(&study.path)),
        })?;
        match there.difference(&Self::written(study)) {
            Some(what) => Err(StudyError::Changed { path: path(study), what }),
            None => Ok(there),
        }
    }

    /// Makes the manifest of `study` with inputs and training budgets, without writing it. If a run has begun, the
    /// stored manifest must agree with the study, except for seeds added after the existing ones. Training examples are
    /// compared for task number `only`; None compares those of every task that is not finished.
    ///
    /// # Errors
    /// When a run has begun and the study, its inputs, its training examples or the schema of the manifest have
    /// changed; when runs exist without a manifest; when the arms have different evaluation cases, or different
    /// training budgets without a reason; or when the manifest, an input, the state of a run, the cases or the
    /// processor of an arm cannot be read, or a run plan cannot be made.
    pub fn plan(study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let now = Self { inputs: inputs(study)?, ..Self::written(study) };
        let Some(there) = read(&path(study))? else {
            if now.tasks.iter().any(|entry| entry.folder.exists()) {
                return Err(StudyError::Senseless {
                    path: path(study),
                    what: "the manifest is missing, although runs of the study exist".to_owned(),
                    advice: "restore the manifest, or set another `output_dir`".to_owned(),
                });
            }
            return now.taught(study, 0);
        };
        let has_begun = there.has_begun();
        match there.goes_on(now.clone(), study, only) {
            Ok(same) if has_begun || same.later_seeds.is_empty() => Ok(same),
            Err(error) if has_begun => Err(error),
            // Before the first run, changes to the study make a new manifest.
            _ => now.taught(study, 0),
        }
    }

    /// Makes the manifest as [`Manifest::plan`] does, and writes it if it is new or has changed. A stored manifest is
    /// replaced.
    ///
    /// # Errors
    /// The errors of [`Manifest::plan`], and when the folder cannot be created or the file cannot be written. A stored
    /// manifest then stays as it was.
    pub fn open(study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let manifest = Self::plan(study, only)?;
        let path = path(study);
        if read(&path)?.as_ref() != Some(&manifest) {
            let folder = path.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder).map_err(StudyError::file(folder))?;
            // Processes that start at the same time write the same bytes.
            let mut json =
                serde_json::to_vec_pretty(&manifest).map_err(|error| StudyError::file(&path)(error.into()))?;
            json.push(b'\n');
            write_atomic(&path, &json).map_err(StudyError::file(&path))?;
        }
        Ok(manifest)
    }

    /// Fills in budgets and training examples of the tasks from number `first` on, checks that arms are comparable, and
    /// sets the digest. Earlier tasks are complete already.
    fn taught(mut self, study: &Study, first: usize) -> Result<Self, StudyError> {
        for (entry, counted) in self.tasks[first..].iter_mut().zip(count(study, &study.tasks[first..])?) {
            (entry.budget, entry.lessons) = (counted.budget, counted.lessons);
        }
        check(study, &self.tasks.iter().map(|entry| entry.budget).collect::<Vec<_>>())?;
        check_questions(study)?;
        self.digest = self.digested().map_err(|error| StudyError::file(&path(study))(error.into()))?;
        Ok(self)
    }

    /// Computes the digest of the manifest.
    fn digested(&self) -> serde_json::Result<String> {
        let mut bare = self.clone();
        bare.digest.clear();
        bare.tasks.iter_mut().for_each(|entry| (entry.budget, entry.lessons) = Default::default());
        Ok(hex(&Sha256::digest(serde_json::to_vec(&bare)?)))
    }

    /// Whether the folder or the claim of any run exists.
    fn has_begun(&self) -> bool {
        self.tasks.iter().any(|entry| entry.folder.exists() || path_of(&entry.folder).exists())
    }

    /// Continues this stored manifest: checks that `now`, made from the study, agrees with it, and adds new seeds at
    /// the end. See [`Manifest::plan`] for `only`.
    fn goes_on(self, now: Self, study: &Study, only: Option<usize>) -> Result<Self, StudyError> {
        let changed = |what: String| StudyError::Changed { path: path(study), what };
        if self.schema != SCHEMA {
            return Err(changed(format!(
                "its manifest has the schema `{}`, but this version of the program writes `{SCHEMA}`",
                self.schema
            )));
        }
        if let Some(what) = self.difference(&now) {
            return Err(changed(what));
        }
        let mut inputs = self.inputs.keys().chain(now.inputs.keys());
        if let Some(input) = inputs.find(|input| self.inputs.get(*input) != now.inputs.get(*input)) {
            return Err(changed(format!("the contents of {input} have changed")));
        }
        let known = self.tasks.len();
        let mut open: Vec<&Task> = Vec::new();
        for task in &study.tasks[..known] {
            let is_open = only.map_or_else(
                || task.status().map(|status| status != TaskStatus::Finished),
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
                    "this version of the program makes other training examples for the arm `{arm}` with seed {}",
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

    /// Describes the first difference to `now`, a manifest of the present study file. None when they agree; added seeds
    /// are allowed.
    fn difference(&self, now: &Self) -> Option<String> {
        if self.primary != now.primary {
            return Some(format!(
                "its primary endpoints were {} and are now {}",
                self.primary.join(", "),
                now.primary.join(", ")
            ));
        }
        if self.reference != now.reference {
            return Some(format!("its reference was `{}` and is now `{}`", self.reference, now.reference));
        }
        if self.suite != now.suite {
            return Some("its benchmark has another suite".to_owned());
        }
        let differs = self.tasks.iter().zip(&now.tasks).find(|(then, now)| {
            (&then.arm, then.seed, &then.recipe, &then.folder, &then.set)
                != (&now.arm, now.seed, &now.recipe, &now.folder, &now.set)
        });
        let added = now.tasks.get(self.tasks.len()..);
        let is_new = |entry: &TaskEntry| self.tasks.iter().all(|then| then.seed != entry.seed);
        match (differs, added) {
            (Some((then, now)), _) if (&then.arm, then.seed) != (&now.arm, now.seed) => Some(format!(
                "task {} was the arm `{}` with seed {} and is now `{}` with seed {}",
                then.task, then.arm, then.seed, now.arm, now.seed
            )),
            (Some((_, now)), _) => Some(format!("the recipe of the arm `{}` has changed", now.arm)),
            (None, Some(added)) if added.iter().all(is_new) => {
                let others = [
                    ("its name", self.name != now.name),
                    ("its base's path", self.base != now.base),
                    ("its reason for unequal budgets", self.unequal_budget != now.unequal_budget),
                ];
                others.iter().find(|(_, differs)| *differs).map(|(what, _)| format!("{what} has changed"))
            }
            (None, _) => Some(format!("it had {} runs and now has {}", self.tasks.len(), now.tasks.len())),
        }
    }
}

/// Returns the path of the manifest of a study, which may be missing.
#[must_use]
pub fn path(study: &Study) -> PathBuf {
    study.file.output_dir.join(FILE)
}

/// Reads the manifest at `path`. None when the file does not exist.
///
/// # Errors
/// When the file cannot be read or parsed, or does not match its own digest.
pub fn read(path: &Path) -> Result<Option<Manifest>, StudyError> {
    let json = match bounded::bytes(path) {
        Ok(json) => json,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StudyError::unread(path)(error)),
    };
    let unread = |error: serde_json::Error| StudyError::unread(path)(error.into());
    let manifest: Manifest = serde_json::from_slice(without_mark(&json)).map_err(unread)?;
    if manifest.schema == SCHEMA && manifest.digest != manifest.digested().map_err(unread)? {
        return Err(StudyError::Senseless {
            path: path.into(),
            what: "the manifest was edited: it does not match its own digest".to_owned(),
            advice: "restore the original manifest, or set another `output_dir`".to_owned(),
        });
    }
    Ok(Some(manifest))
}

/// SHA-256 of the case files and of the files in model and adapter folders that the runs of a study read, by path.
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
            folders.iter().map(|folder| case_file(folder)).try_for_each(&mut add)?;
        }
        for folder in std::iter::once(&task.recipe.model_name_or_path).chain(&task.recipe.adapter_name_or_path) {
            let entries = fs::read_dir(folder).map_err(StudyError::unread(folder))?;
            let paths = entries.flatten().map(|entry| entry.path());
            // Weights, configuration, tokenizer, image processor and chat template.
            let is_read = |path: &PathBuf| {
                path.extension().is_some_and(|end| ["safetensors", "json", "jinja"].iter().any(|known| end == *known))
            };
            let mut files: Vec<PathBuf> = paths.filter(is_read).collect();
            files.sort_unstable();
            files.into_iter().try_for_each(&mut add)?;
        }
    }
    Ok(inputs)
}
