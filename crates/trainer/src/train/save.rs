//! Checkpoints of a run: saving, links, removal of old ones, and the save after an error.

use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};

use super::{Run, TrainError};
use crate::checkpoint::{self, BEST, CheckpointError, LAST, RANDOM_SCHEME, TrainerState};
use crate::progress::Progress;

impl Run<'_> {
    /// Writes a checkpoint of the current state, unless a frozen tensor changed or a trained one is not finite.
    pub(super) fn save(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let place = self.run_plan.at(self.done - 1);
        let state = TrainerState {
            global_step: self.done,
            max_steps: self.run_plan.total,
            phase: place.phase,
            epoch: place.epoch + u32::from(place.ends_epoch),
            step_in_epoch: if place.ends_epoch { 0 } else { place.step + 1 },
            skipped: self.skipped,
            optimizer_steps: self.learner.steps_other_than(self.done - self.skipped.steps),
            promoted: self.promoted.clone(),
            since_line: self.since_line.clone(),
            since_epoch: self.since_epoch.clone(),
            loss_history: self.history.clone(),
            selection: self.selection.clone(),
            stopped_early: self.stopped_early,
            untested: self.untested,
            seed: self.recipe.seed,
            recipe_digest: self.recipe.digest(),
            prompt_digest: self.prompt_digest.clone(),
            random_scheme: RANDOM_SCHEME.to_owned(),
        };
        let root = self.folder.root().to_path_buf();
        let learner = &mut self.learner;
        self.frozen.unmoved(&mut learner.pipeline.model)?;
        if let Some(name) = not_finite(&mut learner.pipeline.model) {
            return Err(TrainError::Ruined(name));
        }
        let mut beside = None;
        let written = checkpoint::write(&root, self.done, |folder| -> Result<(), TrainError> {
            beside = Some(folder.display().to_string());
            learner.save(folder)?;
            state.write(folder)?;
            Ok(())
        });
        let checkpoint = root.join(checkpoint::name(self.done)).display().to_string();
        written.map_err(|error| TrainError::Unsaved {
            // The message names the checkpoint and not the temporary folder in which it is written.
            problem: beside.iter().fold(error.to_string(), |problem, beside| problem.replace(beside, &checkpoint)),
        })?;
        self.saved = self.done;
        self.settle()?;
        progress.note(&format!("saved {}", root.join(checkpoint::name(self.done)).display()));
        Ok(())
    }

    /// Updates the links `last` and `best`, and removes checkpoints beyond `save_total_limit`.
    pub(super) fn settle(&self) -> Result<(), CheckpointError> {
        let root = self.folder.root();
        checkpoint::link(root, LAST, self.done)?;
        match &self.selection.best {
            Some(best) => checkpoint::link(root, BEST, best.step)?,
            None => checkpoint::unlink(root, BEST)?,
        }
        if let Some(limit) = self.recipe.train.save_total_limit {
            checkpoint::prune(root, limit, self.done)?;
        }
        Ok(())
    }

    /// Called when the run stops with an error. Saves the steps since the newest checkpoint if possible, and returns
    /// the error with the state of the run.
    pub(super) fn stopped(&mut self, error: TrainError, progress: &mut dyn Progress) -> TrainError {
        // If a checkpoint could not be written, a second attempt would fail for the same reason.
        let unsaved = matches!(
            error,
            TrainError::Unsaved { .. }
                | TrainError::Checkpoint(_)
                | TrainError::FrozenChanged(_)
                | TrainError::Ruined(_)
        );
        if self.done > self.saved && !unsaved {
            // The first error is reported, together with the newest checkpoint; an error of this save is ignored.
            let _ = self.save(progress);
        }
        let Self { done, saved, .. } = *self;
        TrainError::Stopped { done, total: self.run_plan.total, saved, error: Box::new(error) }
    }
}

/// Name of the first trainable tensor with a value that is not finite.
fn not_finite(model: &mut Vlm) -> Option<String> {
    let mut look = Look(None);
    model.visit(&mut look);
    look.0
}

struct Look(Option<String>);

impl ParameterVisitor for Look {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if self.0.is_none() && parameter.learns() {
            let values = parameter.values().into_data().convert::<f32>().try_to_vec::<f32>();
            let finite = values.is_ok_and(|values| values.iter().all(|value| value.is_finite()));
            self.0 = (!finite).then(|| name.to_owned());
        }
    }
}
