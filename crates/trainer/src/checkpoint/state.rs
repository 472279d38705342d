//! `trainer_state.json`: the state of a run. It contains no iterator or random generator, because the batch of a step
//! and every random draw depend only on the seed and the step.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;
use stepwise_vlm::model::ModelPart;

use super::CheckpointError;
use crate::log::Tally;
use crate::selection::Selection;

/// Name of the state file in a checkpoint.
pub const STATE_FILE: &str = "trainer_state.json";

/// Version of the derivation of random numbers from seeds ([`stepwise_data::random::stream`]). A run can only be
/// continued with the same version.
pub const RANDOM_SCHEME: &str = "chacha8-sha256/1";

/// State of a run after an optimiser step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Completed optimiser steps.
    pub global_step: u64,
    /// Optimiser steps of the whole run.
    pub max_steps: u64,
    /// Index of the phase of the last step, from 0.
    pub phase: usize,
    /// Completed epochs of this phase.
    pub epoch: u32,
    /// Completed optimiser steps of the current epoch.
    pub step_in_epoch: u64,
    /// Numbers of steps that were skipped because their loss or gradient was not finite.
    #[serde(default, skip_serializing_if = "Skipped::is_none")]
    pub skipped: Skipped,
    /// Optimiser steps of the parts that took fewer steps than the run because a phase froze them; other parts are
    /// missing.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optimizer_steps: BTreeMap<ModelPart, u64>,
    /// Number of steps of the phases that ended early by `early_advance`, by phase index.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub advanced_early: BTreeMap<usize, u64>,
    /// Losses since the last line of the log.
    pub since_line: Tally,
    /// Losses since the epoch began.
    pub since_epoch: Tally,
    /// Last 100 logged losses, oldest first.
    pub loss_history: Vec<StepLoss>,
    /// State of the choice of the best epoch.
    pub selection: Selection,
    /// Whether early stopping ended the run here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped_early: bool,
    /// Whether the step ended an epoch whose benchmark is not complete. A resumed run completes it first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untested: bool,
    /// Seed of the recipe.
    pub seed: u64,
    /// Digest of the recipe's settings that affect the weights: [`stepwise_recipe::Recipe::digest`].
    pub recipe_digest: String,
    /// Digest of prompt wording, template, tokenizer and pixel pipeline.
    pub prompt_digest: String,
    /// Scheme of the random numbers: [`RANDOM_SCHEME`].
    pub random_scheme: String,
}

/// Counts of skipped steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// All skipped steps of the run. The optimiser took this many steps fewer than the run.
    pub steps: u64,
    /// Skipped steps since the last successful step.
    pub in_a_row: u64,
}

impl Skipped {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A logged loss: the mean over the steps since the log line before.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLoss {
    /// Completed optimiser steps at the log line.
    pub step: u64,
    /// Mean loss per supervised token, in nats.
    pub loss: f64,
}

/// Why a checkpoint cannot be continued.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// The recipe differs in settings that affect the weights.
    #[error(
        "the checkpoint was made with another recipe: {changes} -> undo the change, or resume with the recipe of the run, \
         {}; for a new run, name another `output_dir`",
        resolved.display()
    )]
    Recipe {
        /// The keys that differ, each with its old and its new value.
        changes: String,
        /// Complete recipe of the run.
        resolved: PathBuf,
    },
    /// The training so far has another number of steps than the recipe and the cases give.
    #[error(
        "the checkpoint is from a run of {then} steps, and recipe and cases now give {now} -> restore the cases of that \
         run, or name another `output_dir` for a new run"
    )]
    Steps {
        /// Optimiser steps of the checkpoint's run.
        then: u64,
        /// Optimiser steps of this run.
        now: u64,
    },
    /// Prompts, tokenizer or pixel pipeline differ from the training so far.
    #[error(
        "the checkpoint was trained with other prompts, another tokenizer or another pixel pipeline -> use the version of stepwise and the base model of that training"
    )]
    Prompt,
    /// The random numbers would differ.
    #[error("the checkpoint uses another scheme of random numbers -> use the version of stepwise that wrote it")]
    RandomScheme,
}

impl TrainerState {
    /// Creates the state of a run before its first step, with the seed of the recipe and both digests.
    #[must_use]
    pub fn new(seed: u64, recipe_digest: String, prompt_digest: String) -> Self {
        Self {
            global_step: 0,
            max_steps: 0,
            phase: 0,
            epoch: 0,
            step_in_epoch: 0,
            skipped: Skipped::default(),
            optimizer_steps: BTreeMap::new(),
            advanced_early: BTreeMap::new(),
            since_line: Tally::default(),
            since_epoch: Tally::default(),
            loss_history: Vec::new(),
            selection: Selection::default(),
            stopped_early: false,
            untested: false,
            seed,
            recipe_digest,
            prompt_digest,
            random_scheme: RANDOM_SCHEME.to_owned(),
        }
    }

    /// Returns the number of optimiser steps of each model part, without skipped steps.
    #[must_use]
    pub fn steps(&self) -> BTreeMap<ModelPart, u64> {
        let all = self.global_step.saturating_sub(self.skipped.steps);
        ModelPart::ALL.into_iter().map(|part| (part, self.optimizer_steps.get(&part).copied().unwrap_or(all))).collect()
    }

    /// Writes the state as [`STATE_FILE`] into the folder of a checkpoint, which must exist.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, checkpoint: &Path) -> Result<(), CheckpointError> {
        let path = checkpoint.join(STATE_FILE);
        serde_json::to_vec_pretty(self)
            .map_err(std::io::Error::from)
            .and_then(|json| write_atomic(&path, &json))
            .map_err(CheckpointError::io(&path))
    }

    /// Reads the state of a checkpoint, which should have passed [`super::verify`].
    ///
    /// # Errors
    /// When the file is missing or is not a state of this version.
    pub fn read(checkpoint: &Path) -> Result<Self, CheckpointError> {
        let path = checkpoint.join(STATE_FILE);
        let json = bounded::bytes(&path).map_err(CheckpointError::io(&path))?;
        serde_json::from_slice(without_mark(&json)).map_err(|error| CheckpointError::Io { path, source: error.into() })
    }

    /// Checks that a run with this digest of prompts, and with the random scheme of this program, can continue this state.
    ///
    /// # Errors
    /// The first difference: prompts, or scheme of random numbers.
    pub fn continues(&self, prompt_digest: &str) -> Result<(), Incompatible> {
        if self.prompt_digest != prompt_digest {
            Err(Incompatible::Prompt)
        } else if self.random_scheme != RANDOM_SCHEME {
            Err(Incompatible::RandomScheme)
        } else {
            Ok(())
        }
    }
}
