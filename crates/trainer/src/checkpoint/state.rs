//! `trainer_state.json`: where a run stands. There is no iterator or generator state in it, because the batch of a step
//! and every random draw are functions of the seed and the step.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;
use stepwise_vlm::idefics3::ModelPart;

use super::CheckpointError;
use crate::log::Tally;
use crate::selection::Selection;

/// Name of the file.
pub const STATE_FILE: &str = "trainer_state.json";

/// How random numbers follow from seeds: [`stepwise_data::random::stream`]. Another scheme cannot continue a run.
pub const RANDOM_SCHEME: &str = "chacha8-sha256/1";

/// Where a run stands after an optimiser step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainerState {
    /// Optimiser steps done.
    pub global_step: u64,
    /// Optimiser steps of the whole run.
    pub max_steps: u64,
    /// Index of the phase under way.
    pub phase: usize,
    /// Epochs of that phase that are done.
    pub epoch: u32,
    /// Optimiser steps done in the epoch under way.
    pub step_in_epoch: u64,
    /// Steps of which nothing was learned, since their loss or gradient was not finite.
    #[serde(default, skip_serializing_if = "Skipped::is_none")]
    pub skipped: Skipped,
    /// Optimiser steps of the parts that have taken fewer than the run, since a phase froze them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub optimizer_steps: BTreeMap<ModelPart, u64>,
    /// Steps of the phases, by their place, that ended before their time by their promotion rule.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub promoted: BTreeMap<usize, u64>,
    /// Losses since the last line of the log.
    pub since_line: Tally,
    /// Losses since the epoch began.
    pub since_epoch: Tally,
    /// The last losses that were logged, oldest first.
    pub loss_history: Vec<StepLoss>,
    /// Which tested epoch is the best so far.
    pub selection: Selection,
    /// Whether the run ended here before its time, since no better epoch was to be expected.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stopped_early: bool,
    /// Whether the step ended an epoch whose benchmark did not come to its end: what follows from it is still to be done.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untested: bool,
    /// The recipe's seed.
    pub seed: u64,
    /// [`stepwise_recipe::Recipe::digest`].
    pub recipe_digest: String,
    /// Of prompt wording, template, tokenizer and pixel pipeline.
    pub prompt_digest: String,
    /// [`RANDOM_SCHEME`].
    pub random_scheme: String,
}

/// Steps of which nothing was learned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// All of them. The optimiser has taken so many steps fewer than the run.
    pub steps: u64,
    /// Those since the last step that was taken.
    pub in_a_row: u64,
}

impl Skipped {
    fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// A loss that was logged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLoss {
    /// Optimiser steps done.
    pub step: u64,
    /// Mean over supervised tokens, in nats.
    pub loss: f64,
}

/// Why a checkpoint cannot be continued by this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompatible {
    /// Other settings decide the weights.
    #[error(
        "the checkpoint was made with another recipe -> resume with the run's own `recipe.toml` and `--set` arguments"
    )]
    Recipe,
    /// Prompts or pixels would differ from those trained on.
    #[error(
        "the checkpoint was trained with other prompts, another tokenizer or another pixel pipeline -> use the version of stepwise and the base model it was made with"
    )]
    Prompt,
    /// Random numbers would differ.
    #[error("the checkpoint draws random numbers in another way -> use the version of stepwise it was made with")]
    RandomScheme,
}

impl TrainerState {
    /// Optimiser steps that each part has taken.
    #[must_use]
    pub fn steps(&self) -> BTreeMap<ModelPart, u64> {
        let all = self.global_step.saturating_sub(self.skipped.steps);
        ModelPart::ALL.into_iter().map(|part| (part, self.optimizer_steps.get(&part).copied().unwrap_or(all))).collect()
    }

    /// Writes the state into a checkpoint's folder.
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

    /// Reads the state of a checkpoint, which [`super::verify`] has found whole.
    ///
    /// # Errors
    /// When the file is absent or is not a state of this version.
    pub fn read(checkpoint: &Path) -> Result<Self, CheckpointError> {
        let path = checkpoint.join(STATE_FILE);
        let json = fs::read(&path).map_err(CheckpointError::io(&path))?;
        serde_json::from_slice(&json).map_err(|error| CheckpointError::Io { path, source: error.into() })
    }

    /// Checks that a run with these digests continues this state exactly.
    ///
    /// # Errors
    /// The first thing that differs.
    pub fn continues(&self, recipe_digest: &str, prompt_digest: &str) -> Result<(), Incompatible> {
        if self.recipe_digest != recipe_digest {
            Err(Incompatible::Recipe)
        } else if self.prompt_digest != prompt_digest {
            Err(Incompatible::Prompt)
        } else if self.random_scheme != RANDOM_SCHEME {
            Err(Incompatible::RandomScheme)
        } else {
            Ok(())
        }
    }
}
