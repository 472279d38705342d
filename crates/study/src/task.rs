//! Task of a study: one arm with one seed, with its recipe, folder and progress.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;
use stepwise_recipe::Recipe;
use stepwise_recipe::study_file::StudyFile;
use stepwise_trainer::checkpoint;
use stepwise_trainer::claim::holder::Holder;
use stepwise_trainer::claim::{held, run};

use crate::error::StudyError;

/// One arm with one seed: a training run of the study.
#[derive(Clone, Debug)]
pub struct Task {
    /// Number of the task, counted from 0; array jobs use it as their index.
    pub number: usize,
    /// Index of its arm in [`Study::arms`](crate::Study::arms).
    pub arm: usize,
    /// Seed of the run.
    pub seed: u64,
    /// All changes to the base recipe, as `--set` arguments, with the seed and the output folder at the end.
    pub set: Vec<String>,
    /// Resolved recipe of the run.
    pub recipe: Recipe,
}

/// Progress of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TaskStatus {
    /// There is no checkpoint to resume from.
    Waiting,
    /// The run can be resumed after this optimiser step.
    Partial(u64),
    /// The run is finished.
    Finished,
}

/// Content of `finished.json`, which marks the folder of a finished run.
#[derive(Debug, Serialize, Deserialize)]
struct Done {
    recipe_digest: String,
    global_step: u64,
}

const DONE: &str = "finished.json";

impl Task {
    /// Makes task `number` of the study `file`: the base recipe `base_text`, changed by `set`, for an arm (its index
    /// and name) and a seed. The run's folder is `ARM/seed-N` in the output folder of the study.
    ///
    /// # Errors
    /// When the changed recipe is not valid.
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

    /// Returns the folder of the run, which may be missing.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.recipe.output_dir
    }

    /// Returns the path of the claim file, beside the run's folder. The file exists while a process runs the task.
    #[must_use]
    pub fn claim(&self) -> PathBuf {
        run::path_of(self.folder())
    }

    /// Returns the process that holds the claim of the task. None when there is no claim or it is stale.
    ///
    /// # Errors
    /// When the claim cannot be read.
    pub fn holder(&self) -> Result<Option<Holder>, StudyError> {
        let path = self.claim();
        held(&path).map_err(StudyError::file(&path))
    }

    /// Returns the path of the file with the output of its processes, beside the run's folder. It may be missing.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder().with_extension("log")
    }

    /// Returns the number of optimiser steps of the finished run. None when the run is not finished, or was finished
    /// with another recipe.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub fn finished(&self) -> Result<Option<u64>, StudyError> {
        let path = self.folder().join(DONE);
        match bounded::bytes(&path) {
            Ok(json) => {
                let done = serde_json::from_slice::<Done>(without_mark(&json)).ok();
                Ok(done.filter(|done| done.recipe_digest == self.recipe.digest()).map(|done| done.global_step))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StudyError::unread(&path)(error)),
        }
    }

    /// Returns the progress of the run: finished, resumable from a checkpoint, or waiting. Checkpoints are not
    /// verified.
    ///
    /// # Errors
    /// When the run's folder cannot be read.
    pub fn status(&self) -> Result<TaskStatus, StudyError> {
        if self.finished()?.is_some() {
            return Ok(TaskStatus::Finished);
        }
        let steps = checkpoint::steps(self.folder())
            .map_err(|error| StudyError::unread(self.folder())(std::io::Error::other(error)))?;
        Ok(steps.last().map_or(TaskStatus::Waiting, |step| TaskStatus::Partial(*step)))
    }

    /// Marks the run as finished after `global_step` optimiser steps, by `finished.json` in its folder, which must
    /// exist.
    ///
    /// # Errors
    /// When the run's folder cannot be written.
    pub fn finish(&self, global_step: u64) -> Result<(), StudyError> {
        let path = self.folder().join(DONE);
        let done = Done { recipe_digest: self.recipe.digest(), global_step };
        serde_json::to_vec_pretty(&done)
            .map_err(std::io::Error::from)
            .and_then(|json| write_atomic(&path, &json))
            .map_err(StudyError::file(&path))
    }
}
