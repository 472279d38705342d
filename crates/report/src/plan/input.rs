//! Content of the report of a run plan.

use stepwise_curriculum::planned::PlannedStep;

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
