//! Training curve: loss and learning rate of a run, as logged.

/// Loss and learning rate over the optimiser steps of a training, as logged.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainingCurve {
    /// Lines of the log, in order of their steps.
    pub steps: Vec<CurveStep>,
    /// Number of steps done and evaluation loss (nats per token), for the base (step 0) and every evaluated epoch.
    pub evaluations: Vec<(u64, f64)>,
}

/// One line of the training log.
#[derive(Clone, Debug, PartialEq)]
pub struct CurveStep {
    /// Optimiser steps done.
    pub step: u64,
    /// Name of the phase.
    pub phase: String,
    /// Mean loss since the previous line, in nats per supervised token.
    pub loss: f64,
    /// Learning rate of the last step.
    pub learning_rate: f64,
}
