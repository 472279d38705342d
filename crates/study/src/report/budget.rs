//! Planned training of each arm, and runs that ended earlier than planned.

use stepwise_report::markup::escape;
use stepwise_report::section::ReportSection;
use stepwise_report::table::{Cell, ReportTable};

use super::input::StudyInput;
use crate::summary::StoppedEarly;

/// Renders the section `budget`: the planned training of one run of each arm, as the mean over seeds, and the runs that
/// ended earlier. Never `None`.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let rows = input.summary.arms.iter().zip(&input.summary.budget).map(|((name, _), budget)| {
        let number = |value: f64| Cell::Count(value.round() as usize);
        [Cell::text(name.as_str()), number(budget.steps), number(budget.samples), number(budget.supervised_tokens)]
    });
    let early = match input.summary.ended_early.as_slice() {
        [] => String::new(),
        runs => format!("<p class=\"tally bad\">Ended before their planned steps: {}.</p>", escape(&ended_early(runs))),
    };
    Some(ReportSection {
        id: "budget",
        title: "Planned training of each arm",
        intro: "Training of one run, as the mean over seeds, counted before the first run: optimiser steps, training examples (a \
                question trained on twice counts twice), and supervised tokens (tokens that the loss is computed on)."
            .into(),
        body: early,
        tables: vec![
            ReportTable::new(
                "budget",
                "planned training of one run of each arm",
                [
                    ("arm", "arm"),
                    ("steps", "steps"),
                    ("samples", "training examples"),
                    ("supervised_tokens", "supervised tokens"),
                ],
                rows,
            )
            .open(),
        ],
        half: false,
    })
}

/// Lists runs that did fewer optimiser steps than planned, as plain text in one line; empty for no runs.
#[must_use]
pub fn ended_early(runs: &[StoppedEarly]) -> String {
    let words =
        |run: &StoppedEarly| format!("{} seed {} after {} of {} steps", run.arm, run.seed, run.steps, run.planned);
    runs.iter().map(words).collect::<Vec<_>>().join(", ")
}
