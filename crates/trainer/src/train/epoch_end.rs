//! End of an epoch: its benchmark, the choice of the best epoch, early stopping and early advance, and the checkpoint.

use stepwise_curriculum::run_plan::StepPosition;

use super::stopwatch::Stopwatch;
use super::{Run, TrainError};
use crate::evaluation::epochs::{EpochEnd, EvalContext, EvaluatedEpoch};
use crate::interrupt::Interrupt;
use crate::log::MetricsLine;
use crate::optim::part_rates::Rates;
use crate::preflight::schedule_notes;
use crate::progress::{EpochLine, Progress};

impl<'a> Run<'a> {
    /// Evaluates the untouched base. Returns false after an interrupt; the answers are kept.
    pub(super) fn evaluate_base(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<bool, TrainError> {
        let pipeline = &self.learner.pipeline;
        match self.evaluator.base(&mut EvalContext { pipeline, cases: &self.cases, progress, interrupt }) {
            Err(error) if error.is_interrupt() => Ok(false),
            evaluated => Ok(evaluated.map(|()| true)?),
        }
    }

    /// Completes the benchmark of the last epoch if it was interrupted, before the next epoch begins.
    pub(super) fn complete_interrupted_epoch(
        &mut self,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        if self.state.untested {
            let position = self.run_plan.at(self.state.global_step - 1);
            self.apply_freezing(position, progress);
            self.end_epoch(position, progress, interrupt)?;
        }
        Ok(())
    }

    /// Runs the benchmark of an epoch if it is due, and saves a checkpoint. After an interrupt the checkpoint is saved
    /// too, and the benchmark is completed when the run is resumed.
    pub(super) fn end_epoch(
        &mut self,
        position: StepPosition,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<(), TrainError> {
        let end = self.epoch_end(position);
        let Some(evaluated) = self.evaluate(end, progress, interrupt)? else { return self.save(progress) };
        let EvaluatedEpoch { metrics, advances_early, weighed } = evaluated;
        let stops = weighed.as_ref().is_some_and(|weighed| weighed.stop) && end.step < self.run_plan.total;
        if stops {
            self.run_plan.end_after(end.step);
            self.state.stopped_early = true;
        } else if advances_early {
            let steps = position.phase_step + 1;
            let before = schedule_notes::all(self.recipe, &self.run_plan);
            self.run_plan.cut(position.phase, steps);
            self.state.advanced_early.insert(position.phase, steps);
            progress.note(&format!("{}: `early_advance` ended the phase after {steps} steps", end.phase.name));
            let after = schedule_notes::all(self.recipe, &self.run_plan);
            after.iter().filter(|line| !before.contains(line)).for_each(|line| progress.note(line));
        }
        let ends_phase = end.ends_phase || advances_early || stops;
        let warnings = self.log.metrics(&MetricsLine {
            current_steps: end.step,
            epoch: f64::from(end.epoch),
            phase: &end.phase.name,
            metrics: &metrics,
            best: self.state.selection.best.as_ref(),
            forgetting: self.evaluator.forgetting().filter(|_| ends_phase),
        });
        warnings.iter().for_each(|warning| progress.warning(warning));
        let loss = std::mem::take(&mut self.state.since_epoch).loss();
        self.save(progress)?;
        progress.epoch(&EpochLine {
            phase: end.phase.name.clone(),
            epoch: end.epoch,
            epochs: self.run_plan.epochs,
            global_step: end.step,
            loss,
            metrics,
        });
        if let Some(weighed) = &weighed {
            progress.note(&weighed.verdict);
        }
        if stops {
            progress.note(&format!("stopped early after step {}: the last evaluated epochs were no better", end.step));
        }
        self.stopwatch = Stopwatch::start();
        Ok(())
    }

    /// Description of the epoch that ends with the last step.
    fn epoch_end(&self, position: StepPosition) -> EpochEnd<'a> {
        let step = self.state.global_step;
        let trained = |first| Rates::train_within(self.recipe, &self.run_plan, first..step);
        EpochEnd {
            epoch: position.epochs_before + 1,
            step,
            phase: &self.recipe.curriculum.phase[position.phase],
            first_epoch: position.epochs_before + 1 - position.epoch,
            ends_phase: position.phase_step + 1 == position.phase_total || step == self.run_plan.total,
            run_trained: trained(0),
            phase_trained: trained(step - position.phase_step - 1),
        }
    }

    /// Results of the epoch's benchmark, empty when none is due; `None` after an interrupt.
    fn evaluate(
        &mut self,
        end: EpochEnd<'a>,
        progress: &mut dyn Progress,
        interrupt: &Interrupt,
    ) -> Result<Option<EvaluatedEpoch>, TrainError> {
        let mut evaluated = EvaluatedEpoch::default();
        if self.evaluator.is_due(end) {
            // Works on a copy: an incomplete benchmark must not change the selection.
            let mut selection = self.state.selection.clone();
            let other = if self.evaluator.needs_surrogate() { self.learner.other_base()? } else { None };
            let pipeline = &self.learner.pipeline;
            let base = Some(other.as_ref().unwrap_or(pipeline));
            let mut context = EvalContext { pipeline, cases: &self.cases, progress, interrupt };
            // An error or an interrupt leaves the benchmark incomplete.
            self.state.untested = true;
            match self.evaluator.epoch(end, base, &mut selection, &mut context) {
                Err(error) if error.is_interrupt() => return Ok(None),
                found => evaluated = found?,
            }
            self.state.selection = selection;
        }
        self.state.untested = false;
        Ok(Some(evaluated))
    }
}
