//! What the runs of each arm were to be taught, and which of them ended before that.

use stepwise_report::section::Section;
use stepwise_report::table::{Cell, Table};

use super::{StudyInput, escape};
use crate::summary::EndedEarly;

/// The section.
pub fn section(input: &StudyInput<'_>) -> Option<Section> {
    let rows = input.summary.arms.iter().zip(&input.summary.taught).map(|((name, _), taught)| {
        let number = |value: f64| Cell::Count(value.round() as usize);
        [Cell::text(name.as_str()), number(taught.steps), number(taught.samples), number(taught.supervised_tokens)]
    });
    let early = match input.summary.ended_early.as_slice() {
        [] => String::new(),
        runs => format!("<p class=\"tally bad\">Ended before their time: {}.</p>", escape(&ended_early(runs))),
    };
    Some(Section {
        id: "budget",
        title: "What each arm is taught",
        intro: "Of one run, the mean over seeds, counted before the first run: optimiser steps, lessons (a question taught twice \
                counts twice), and tokens the loss is taken on."
            .into(),
        body: early,
        tables: vec![
            Table::new(
                "budget",
                "what a run of each arm is taught",
                [
                    ("arm", "arm"),
                    ("steps", "steps"),
                    ("samples", "samples"),
                    ("supervised_tokens", "supervised tokens"),
                ],
                rows,
            )
            .open(),
        ],
        half: false,
    })
}

/// Runs that did fewer steps than they were to, in words.
#[must_use]
pub fn ended_early(runs: &[EndedEarly]) -> String {
    let words =
        |run: &EndedEarly| format!("{} seed {} after {} of {} steps", run.arm, run.seed, run.steps, run.planned);
    runs.iter().map(words).collect::<Vec<_>>().join(", ")
}
