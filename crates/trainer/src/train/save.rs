//! Checkpoints of a run: saving, links, removal of old ones, and the save after an error.

use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::values_of;

use super::{Run, TrainError};
use crate::checkpoint::{self, BEST, CheckpointError, LAST};
use crate::device::caught;
use crate::progress::Progress;

impl Run<'_> {
    /// Writes a checkpoint of the current state, unless a frozen tensor changed, or a trained one or its moments are
    /// not finite.
    pub(super) fn save(&mut self, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let done = self.state.global_step;
        let position = self.run_plan.at(done - 1);
        self.state.max_steps = self.run_plan.total;
        self.state.phase = position.phase;
        self.state.epoch = position.epoch + u32::from(position.ends_epoch);
        self.state.step_in_epoch = if position.ends_epoch { 0 } else { position.step + 1 };
        self.state.optimizer_steps = self.learner.steps_other_than(done - self.state.skipped.steps);
        let state = &self.state;
        let root = self.folder.root().to_path_buf();
        let learner = &mut self.learner;
        self.frozen.unmoved(&mut learner.pipeline.model)?;
        if let Some(name) = not_finite(&mut learner.pipeline.model).or_else(|| learner.optimizer.not_finite()) {
            return Err(TrainError::Ruined(name));
        }
        let mut beside = None;
        let written = checkpoint::write(&root, done, |folder| -> Result<(), TrainError> {
            beside = Some(folder.display().to_string());
            learner.save(folder)?;
            state.write(folder)?;
            Ok(())
        });
        let checkpoint = root.join(checkpoint::name(done)).display().to_string();
        written.map_err(|error| TrainError::Unsaved {
            // The message names the checkpoint and not the temporary folder in which it is written.
            problem: beside.iter().fold(error.to_string(), |problem, beside| problem.replace(beside, &checkpoint)),
        })?;
        self.saved = done;
        self.update_links()?;
        progress.note(&format!("saved {}", root.join(checkpoint::name(done)).display()));
        Ok(())
    }

    /// Updates the links `last` and `best`, and removes checkpoints beyond `save_total_limit`.
    pub(super) fn update_links(&self) -> Result<(), CheckpointError> {
        let root = self.folder.root();
        checkpoint::link(root, LAST, self.state.global_step)?;
        match &self.state.selection.best {
            Some(best) => checkpoint::link(root, BEST, best.step)?,
            None => checkpoint::unlink(root, BEST)?,
        }
        if let Some(limit) = self.recipe.train.save_total_limit {
            checkpoint::prune(root, limit, self.state.global_step)?;
        }
        Ok(())
    }

    /// Saves the steps since the newest checkpoint after the run stopped with `error`, and returns the error with the
    /// numbers of steps done and saved. Saves nothing if the error is one of saving or of the weights. An error of this
    /// save is ignored.
    pub(super) fn stopped(&mut self, error: TrainError, progress: &mut dyn Progress) -> TrainError {
        // If a checkpoint could not be written, a second attempt would fail for the same reason.
        let unsaved = matches!(
            error,
            TrainError::Unsaved { .. }
                | TrainError::Checkpoint(_)
                | TrainError::FrozenChanged(_)
                | TrainError::Ruined(_)
                | TrainError::Device { is_whole: false, .. }
        );
        if self.state.global_step > self.saved && !unsaved {
            // The first error is reported, together with the newest checkpoint; an error of this save is ignored.
            let _ = caught(|| self.save(progress));
        }
        let (done, saved) = (self.state.global_step, self.saved);
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
            let finite = values_of(parameter.values()).iter().all(|value| value.is_finite());
            self.0 = (!finite).then(|| name.to_owned());
        }
    }
}
