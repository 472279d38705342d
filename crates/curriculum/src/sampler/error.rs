//! Validation of the phases of a plan.

use super::Sampler;
use crate::phase::Phase;

/// Errors of phases that give no valid plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A value of a phase is invalid.
    #[error("curriculum.phase[{phase}].{field}: {what} -> {advice}")]
    Value {
        /// Index of the phase, from 0.
        phase: usize,
        /// Name of the field of [`Phase`], which is also the key in the recipe.
        field: &'static str,
        /// Description of the problem.
        what: String,
        /// Advice on how to solve the problem.
        advice: &'static str,
    },
    /// The run has fewer optimiser steps than the order has phases.
    #[error(
        "curriculum.order: the run has {steps} optimiser steps, fewer than the {phases} phases of the order -> raise \
         `max_steps` or `num_train_epochs`, add cases, or use smaller batches"
    )]
    Short {
        /// Number of optimiser steps of the run.
        steps: usize,
        /// Number of phases of the order.
        phases: usize,
    },
    /// The warm-up of the run's learning-rate schedule is not shorter than the run.
    #[error(
        "train.warmup_steps: a warm-up of {warmup} steps, and the run has {steps} -> lower it, or lengthen the run"
    )]
    Warmup {
        /// Number of warm-up steps.
        warmup: u64,
        /// Number of steps of the run.
        steps: u64,
    },
    /// The plan would contain no training data: there is no phase, or the batch size is 0. The text is problem
    /// and advice.
    #[error("curriculum: {0}")]
    Empty(&'static str),
}

impl Sampler {
    /// Checks the values of a phase, by its index.
    ///
    /// # Errors
    /// With the first problem: stages, replay, weights, length or learning rate out of range; both epochs and steps
    /// given; a weight for an unknown data set; no visits with these stages or weights; or nothing to replay.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn check(&self, phase: usize) -> Result<(), PlanError> {
        let wrong = |field, what: String, advice| Err(PlanError::Value { phase, field, what, advice });
        let Phase { stages, num_train_epochs, max_steps, learning_rate, replay, dataset_weights, .. } =
            &self.phases[phase];
        if stages.is_empty() || stages.iter().any(|stage| !(1..=4).contains(stage)) {
            return wrong("stages", format!("{stages:?} are not valid stages"), "name one or more of 1, 2, 3 and 4");
        }
        if !(0.0..1.0).contains(replay) {
            return wrong("replay", format!("is {replay}"), "use a share of at least 0 and below 1");
        }
        if let Some((name, weight)) =
            dataset_weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0))
        {
            return wrong("dataset_weights", format!("{name} has {weight}"), "use numbers of at least 0");
        }
        if let Some(name) = dataset_weights.keys().find(|name| !self.datasets.contains(name)) {
            let mut known: Vec<&str> = self.datasets.iter().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            let what = format!("no case is from a data set `{name}`; the data sets are: {}", known.join(", "));
            return wrong("dataset_weights", what, "use the names in `source.dataset` of the cases");
        }
        if self.visits_per_epoch(phase) == 0 && !self.all_visits(phase).is_empty() {
            return wrong("dataset_weights", "the weights leave no case".into(), "raise one of them");
        }
        if self.all_visits(phase).is_empty() {
            return wrong(
                "stages",
                format!("no case has a question of {stages:?}"),
                "choose stages that the cases contain",
            );
        }
        match (num_train_epochs, max_steps) {
            (Some(_), Some(_)) => {
                return wrong("max_steps", "is given together with num_train_epochs".into(), "keep one of them");
            }
            (Some(epochs), None) if !(epochs.is_finite() && *epochs > 0.0) => {
                return wrong("num_train_epochs", format!("is {epochs}"), "use a number above 0");
            }
            (None, Some(0)) => return wrong("max_steps", "is 0".into(), "use 1 or more"),
            _ => {}
        }
        if learning_rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return wrong("learning_rate", format!("is {learning_rate:?}"), "use a number above 0");
        }
        if *replay > 0.0 && self.replay_pool(phase).is_empty() {
            return wrong("replay", "there is nothing to replay".into(), "remove it, or train on other stages before");
        }
        Ok(())
    }
}
