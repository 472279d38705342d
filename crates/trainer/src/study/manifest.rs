//! `manifest.json`: what a study is, written before its first run. Every later start of the study, on whatever machine, finds
//! the same or is refused: endpoints, arms, recipes, cases and models cannot change once there may be results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use stepwise_curriculum::files::write_atomic;

use super::budget::{Budget, budgets};
use super::{Study, StudyError};
use crate::files::{hex, sha256_file};
use crate::recipe::CaseSource;

/// Schema of the file.
pub const SCHEMA: &str = "study/1";

/// Its name in the folder of the study.
pub const FILE: &str = "manifest.json";

/// What a study is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// SHA-256 of all below but the budgets, which follow from it.
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unequal_budget: Option<String>,
    /// Digest of the suite that all arms are asked.
    pub suite: String,
    /// SHA-256 of what is read: case files and weights.
    pub inputs: BTreeMap<String, String>,
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
    /// What it is taught.
    #[serde(default)]
    pub budget: Budget,
}

impl Manifest {
    /// The manifest of `study` without budgets. Reads what the runs will read.
    ///
    /// # Errors
    /// When a case file or weight file cannot be read.
    fn new(study: &Study) -> Result<Self, StudyError> {
        let tasks = study.tasks.iter().map(|task| TaskEntry {
            task: task.number,
            arm: study.arms[task.arm].name.clone(),
            seed: task.seed,
            folder: task.folder().to_owned(),
            set: task.set.clone(),
            recipe: task.recipe.digest(),
            budget: Budget::default(),
        });
        let mut manifest = Self {
            schema: SCHEMA.to_owned(),
            digest: String::new(),
            name: study.file.name.clone(),
            base: study.file.base.clone(),
            primary: study.file.primary.clone(),
            reference: study.arms[study.reference].name.clone(),
            unequal_budget: study.file.unequal_budget.clone(),
            suite: study.suite.digest(),
            inputs: inputs(study)?,
            tasks: tasks.collect(),
        };
        let json = serde_json::to_vec(&manifest).map_err(|error| StudyError::file(&path(study))(error.into()))?;
        manifest.digest = hex(&Sha256::digest(json));
        Ok(manifest)
    }

    /// The manifest of `study` with what its runs would be taught; what is there already must agree. Writes nothing.
    ///
    /// # Errors
    /// When the study was changed since its manifest was written, or its arms are not taught the same.
    pub fn plan(study: &Study) -> Result<Self, StudyError> {
        let mut manifest = Self::new(study)?;
        if let Some(there) = read(&path(study))? {
            return there.same_as(manifest, study);
        }
        for (task, budget) in manifest.tasks.iter_mut().zip(budgets(study)?) {
            task.budget = budget;
        }
        Ok(manifest)
    }

    /// As [`Manifest::plan`], and writes it where there is none.
    ///
    /// # Errors
    /// As [`Manifest::plan`], and when the folder cannot be written.
    pub fn open(study: &Study) -> Result<Self, StudyError> {
        let manifest = Self::plan(study)?;
        let path = path(study);
        if !path.is_file() {
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

    fn same_as(self, now: Self, study: &Study) -> Result<Self, StudyError> {
        if self.digest == now.digest {
            return Ok(self);
        }
        Err(StudyError::Changed { path: path(study), what: self.difference(&now) })
    }

    /// The first thing that differs, in words.
    fn difference(&self, now: &Self) -> String {
        if self.primary != now.primary {
            return format!(
                "its primary endpoints were {} and are {}",
                self.primary.join(", "),
                now.primary.join(", ")
            );
        }
        if self.reference != now.reference {
            return format!("its reference was `{}` and is `{}`", self.reference, now.reference);
        }
        if self.suite != now.suite {
            return "its benchmark asks another suite".to_owned();
        }
        if let Some(input) =
            self.inputs.keys().chain(now.inputs.keys()).find(|input| self.inputs.get(*input) != now.inputs.get(*input))
        {
            return format!("{input} is another file");
        }
        if self.tasks.len() != now.tasks.len() {
            return format!("it had {} runs and has {}", self.tasks.len(), now.tasks.len());
        }
        let differs = self.tasks.iter().zip(&now.tasks).find(|(then, now)| {
            (&then.arm, then.seed, &then.recipe, &then.folder) != (&now.arm, now.seed, &now.recipe, &now.folder)
        });
        match differs {
            Some((then, now)) if (&then.arm, then.seed) != (&now.arm, now.seed) => format!(
                "task {} was the arm `{}` with seed {} and is `{}` with seed {}",
                then.task, then.arm, then.seed, now.arm, now.seed
            ),
            Some((_, now)) => format!("the recipe of the arm `{}` is another one", now.arm),
            None => "its name, its base's path or its reason for unequal budgets is another one".to_owned(),
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
/// When it cannot be read.
pub fn read(path: &Path) -> Result<Option<Manifest>, StudyError> {
    match fs::read(path) {
        Ok(json) => serde_json::from_slice(&json).map(Some).map_err(|error| StudyError::unread(path)(error.into())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StudyError::unread(path)(error)),
    }
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
