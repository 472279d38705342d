//! One arm with one seed: its recipe, its folder, and how far it is.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;
use stepwise_recipe::Recipe;
use stepwise_trainer::checkpoint;

use super::{StudyError, StudyFile};

/// One arm with one seed.
#[derive(Clone, Debug)]
pub struct Task {
    /// Its number, counted from 0; what an array job calls it by.
    pub number: usize,
    /// Place of its arm.
    pub arm: usize,
    /// Its seed.
    pub seed: u64,
    /// Everything laid over the base, as `--set` arguments.
    pub set: Vec<String>,
    /// The recipe that comes of it.
    pub recipe: Recipe,
}

/// How far a task is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// Nothing is there to go on from.
    Waiting,
    /// It can be resumed after this optimiser step.
    Partial(u64),
    /// All of it is done.
    Finished,
}

/// `finished.json` in the folder of a run that a study has finished.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    recipe_digest: String,
    global_step: u64,
}

const DONE: &str = "finished.json";

impl Task {
    pub(super) fn new(
        number: usize,
        file: &StudyFile,
        base_text: &str,
        (arm, name): (usize, &str),
        set: &[String],
        seed: u64,
    ) -> Result<Self, StudyError> {
        let folder = file.output_dir.join(name).join(format!("seed-{seed}"));
        let folder = toml::Value::from(folder.to_string_lossy().into_owned());
        let own = [format!("seed={seed}"), format!("output_dir={folder}")];
        let set: Vec<String> = set.iter().cloned().chain(own).collect();
        let recipe = Recipe::parse(&file.base, base_text.to_owned(), &set)
            .map_err(|error| StudyError::Recipe { arm: name.to_owned(), error: Box::new(error) })?;
        Ok(Self { number, arm, seed, set, recipe })
    }

    /// The run's folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.recipe.output_dir
    }

    /// The file that whoever runs it holds.
    #[must_use]
    pub fn claim(&self) -> PathBuf {
        self.folder().with_extension("claim")
    }

    /// What its process says, run after run.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder().with_extension("log")
    }

    /// Optimiser steps it has done, where all of it is done.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn finished(&self) -> Result<Option<u64>, StudyError> {
        let path = self.folder().join(DONE);
        match fs::read(&path) {
            Ok(json) => {
                let done = serde_json::from_slice::<Done>(&json).ok();
                Ok(done.filter(|done| done.recipe_digest == self.recipe.digest()).map(|done| done.global_step))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StudyError::unread(&path)(error)),
        }
    }

    /// How far it is.
    ///
    /// # Errors
    /// When its folder cannot be read.
    pub fn stage(&self) -> Result<TaskStatus, StudyError> {
        if self.finished()?.is_some() {
            return Ok(TaskStatus::Finished);
        }
        let steps = checkpoint::steps(self.folder())
            .map_err(|error| StudyError::unread(self.folder())(std::io::Error::other(error)))?;
        Ok(steps.last().map_or(TaskStatus::Waiting, |step| TaskStatus::Partial(*step)))
    }

    /// Notes that all of it is done.
    ///
    /// # Errors
    /// When its folder cannot be written.
    pub fn finish(&self, global_step: u64) -> Result<(), StudyError> {
        let path = self.folder().join(DONE);
        let done = Done { recipe_digest: self.recipe.digest(), global_step };
        serde_json::to_vec_pretty(&done)
            .map_err(std::io::Error::from)
            .and_then(|json| write_atomic(&path, &json))
            .map_err(StudyError::file(&path))
    }
}
