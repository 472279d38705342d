//! Phases that make no sense are refused.

use super::phase::Phase;
use super::sampler::Plan;

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A value makes no sense.
    #[error("curriculum.phase[{phase}].{field}: {what} -> {advice}")]
    Value {
        /// Place of the phase, from 0.
        phase: usize,
        /// Which of its fields.
        field: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// An order has more phases than there are steps to share among them.
    #[error(
        "curriculum.order: its {phases} phases share {steps} optimiser steps of the run -> raise `max_steps` or `num_train_epochs`, add \
         cases, or make smaller batches"
    )]
    Short {
        /// Of the run.
        steps: usize,
        /// Of the order.
        phases: usize,
    },
    /// One schedule over the run would end inside its warm-up.
    #[error(
        "train.warmup_steps: a warm-up of {warmup} steps, and the run has {steps} -> lower it, or lengthen the run"
    )]
    Warmup {
        /// Steps of it.
        warmup: u64,
        /// Of the run.
        steps: u64,
    },
    /// Nothing would be learned from.
    #[error("curriculum: {0}")]
    Empty(&'static str),
}

impl Plan {
    pub(super) fn check(&self, phase: usize) -> Result<(), PlanError> {
        let wrong = |field, what: String, advice| Err(PlanError::Value { phase, field, what, advice });
        let Phase { stages, num_train_epochs, max_steps, learning_rate, replay, dataset_weights, .. } =
            &self.phases[phase];
        if stages.is_empty() || stages.iter().any(|stage| !(1..=4).contains(stage)) {
            return wrong("stages", format!("{stages:?} are no stages"), "name one or more of 1, 2, 3 and 4");
        }
        if !(0.0..1.0).contains(replay) {
            return wrong("replay", format!("is {replay}"), "use a share from 0 to below 1");
        }
        if let Some((name, weight)) =
            dataset_weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0))
        {
            return wrong("dataset_weights", format!("{name} has {weight}"), "use numbers, at least 0");
        }
        if let Some(name) = dataset_weights.keys().find(|name| !self.datasets.contains(name)) {
            let mut known: Vec<&str> = self.datasets.iter().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            let what = format!("no case is of a data set `{name}`; there are: {}", known.join(", "));
            return wrong("dataset_weights", what, "use the names that `source.dataset` of cases has");
        }
        if self.visits_per_epoch(phase) == 0 && !self.all_visits(phase).is_empty() {
            return wrong("dataset_weights", "they leave no case".into(), "raise one of them");
        }
        if self.all_visits(phase).is_empty() {
            return wrong(
                "stages",
                format!("no case has a question of {stages:?}"),
                "choose stages that the cases have",
            );
        }
        match (num_train_epochs, max_steps) {
            (Some(_), Some(_)) => {
                return wrong("max_steps", "is given beside num_train_epochs".into(), "keep one of them");
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
            return wrong("replay", "there is nothing to replay".into(), "remove it, or learn other stages before");
        }
        Ok(())
    }
}
