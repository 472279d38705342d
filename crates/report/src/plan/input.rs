//! Planned steps and training examples: content of the report.

use stepwise_data::prompt::ContextKind;

use crate::phase_axis;
use crate::plot::Plot;

/// Content of the report of a run plan, for [`render`](crate::plan::render).
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Title: the name of the run.
    pub title: &'a str,
    /// Facts about the plan as name and value.
    pub facts: &'a [(String, String)],
    /// Number of cases in the training data.
    pub cases: usize,
    /// Name of each phase and the number of steps of the run that are done at its end; at least one phase.
    pub phases: &'a [(String, usize)],
    /// Optimiser steps in order; at least one.
    pub steps: &'a [PlannedStep<'a>],
}

/// One optimiser step of a plan, with its training examples.
#[derive(Clone, Debug)]
pub struct PlannedStep<'a> {
    /// Epoch of the run, from 1.
    pub epoch: usize,
    /// Learning rate of the decoder or, where it is frozen, of the last trainable part before it.
    pub learning_rate: f64,
    /// Training examples of the step, in the order of the batch.
    pub examples: Vec<PlannedExample<'a>>,
}

/// One planned training example: a supervised question and how it differs from the stored one.
#[derive(Clone, Debug)]
pub struct PlannedExample<'a> {
    /// Index of the case in the training data, from 0.
    pub case: usize,
    /// Id of the case.
    pub case_id: &'a str,
    /// Id of the question in the case.
    pub question: &'a str,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Whether the example is replayed from an earlier phase.
    pub replayed: bool,
    /// Kind of the condition that changes the example, such as `hint_minus`; `None` for the stored question.
    pub condition: Option<&'static str>,
    /// Kind of the answers to earlier questions that are given as context, such as right or wrong ones.
    pub context: ContextKind,
    /// Whether the images are blanked.
    pub is_blank: bool,
}

impl PlanInput<'_> {
    /// Returns a plot of this height, in SVG units, over all steps; `y_range` is the range `[low, high]` of the values.
    pub(super) fn plot(&self, height: f64, y_range: [f64; 2]) -> Plot {
        Plot::new(height, [0.0, self.steps.len() as f64], y_range)
    }

    /// Draws the axes of a `plot` over all steps, with a line at the end of each phase but the last, and returns SVG.
    /// `y_ticks` holds values and labels, and `y_name` is the name, of the vertical axis.
    pub(super) fn axes(&self, plot: &Plot, y_ticks: &[(f64, String)], y_name: &str) -> String {
        phase_axis::axes(plot, self.phases, y_ticks, y_name)
    }

    /// Returns the name of the phase of a step, counted from 0; empty for a step after the last phase.
    pub(super) fn phase(&self, step: usize) -> &str {
        let found = self.phases.iter().find(|(_, end)| step < *end);
        found.map_or("", |(name, _)| name)
    }
}
