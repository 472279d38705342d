//! Report of a run plan before training: the training examples of every step, as charts on a page and as a CSV list.

mod bins;
mod cases;
mod rate;
mod shows;
mod stages;

use super::markup::plural;
use super::page::Page;
use super::plot::Plot;
use super::section::Section;
use super::table::{Cell, Table};
use super::{CsvFile, Report};

/// Content of the report.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Title: the name of the run.
    pub title: &'a str,
    /// Facts about the plan as name and value.
    pub facts: &'a [(String, String)],
    /// Number of cases in the training data.
    pub cases: usize,
    /// Name of each phase and the number of steps done at its end; at least one phase.
    pub phases: &'a [(String, usize)],
    /// Optimiser steps in order; at least one.
    pub steps: &'a [PlannedStep<'a>],
}

/// One optimiser step of a plan.
#[derive(Clone, Debug)]
pub struct PlannedStep<'a> {
    /// Epoch of the run, from 1.
    pub epoch: usize,
    /// Learning rate.
    pub rate: f64,
    /// Training examples of the step.
    pub examples: Vec<PlannedExample<'a>>,
}

/// One training example: a supervised question.
#[derive(Clone, Debug)]
pub struct PlannedExample<'a> {
    /// Index of the case in the training data.
    pub case: usize,
    /// Id of the case.
    pub case_id: &'a str,
    /// Id of the question in the case.
    pub question: &'a str,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Whether the example is replayed from an earlier phase.
    pub replayed: bool,
    /// Kind of the condition that changes the example; `None` for the stored question.
    pub condition: Option<&'a str>,
    /// Source of the answers to earlier questions that are given as context, such as `gold`; `None` without context.
    pub context: Option<&'a str>,
    /// Whether the images are blanked.
    pub is_blank: bool,
}

const SECTIONS: [fn(&PlanInput<'_>) -> Section; 4] = [stages::section, cases::section, rate::section, shows::section];

/// Renders the page and its only table, the list of all training examples.
#[must_use]
pub fn render(input: &PlanInput<'_>) -> Report {
    let examples = input.steps.iter().map(|step| step.examples.len()).sum::<usize>();
    let mut facts = input.facts.to_vec();
    let counts = [(input.steps.len(), "step"), (examples, "training example"), (input.cases, "case")];
    facts.push(("Plan".to_owned(), counts.map(|(count, noun)| plural(count, noun)).join(", ")));
    let page = Page {
        kind: "Training plan",
        title: input.title,
        facts: &facts,
        headline: "",
        method: "<li>Every batch is a function of the seed, the phase, the epoch and the step. The run uses exactly these training \
                 examples in this order, also after a resume. Only an early advance or early stopping can end a phase before its \
                 planned end; later steps then start earlier.</li>\
                 <li>A training example is one supervised question. Training examples of one case at one step share its \
                 images.</li>",
    };
    let sections: Vec<Section> = SECTIONS.iter().map(|section| section(input)).collect();
    Report { html: page.html(&sections), tables: vec![list(input)] }
}

impl PlanInput<'_> {
    /// Returns a plot over all steps.
    fn plot(&self, height: f64, y_range: [f64; 2]) -> Plot {
        Plot::new(height, [0.0, self.steps.len() as f64], y_range)
    }

    /// Draws the axes of such a plot, with a line at the end of each phase but the last.
    fn axes(&self, plot: &Plot, y_ticks: &[(f64, String)], y_name: &str) -> String {
        let ends = std::iter::once(0).chain(self.phases.iter().map(|(_, end)| *end));
        let mut x_ticks: Vec<(f64, String)> = Vec::new();
        for end in ends {
            // Labels that would overlap are left out; the last one stays.
            let room = self.steps.len() as f64 / 11.0;
            if end == self.steps.len() {
                x_ticks.retain(|(other, _)| end as f64 - other >= room);
            } else if x_ticks.last().is_some_and(|(other, _)| end as f64 - other < room) {
                continue;
            }
            x_ticks.push((end as f64, end.to_string()));
        }
        let mut svg = plot.axes(y_ticks, &x_ticks, "optimiser steps; a line ends each phase", y_name);
        if let [(low, _), .., (high, _)] = y_ticks {
            for (_, end) in &self.phases[..self.phases.len() - 1] {
                svg.push_str(&plot.line("trend", &[(*end as f64, *low), (*end as f64, *high)], 0.0));
            }
        }
        svg
    }

    /// Returns the name of the phase of a step, counted from 0.
    fn phase(&self, step: usize) -> &str {
        let found = self.phases.iter().find(|(_, end)| step < *end);
        found.map_or("", |(name, _)| name)
    }
}

/// Lists every training example with its step.
fn list(input: &PlanInput<'_>) -> CsvFile {
    let rows = input.steps.iter().enumerate().flat_map(|(place, step)| {
        step.examples.iter().map(move |example| {
            [
                Cell::Count(place + 1),
                Cell::text(input.phase(place)),
                Cell::Count(step.epoch),
                Cell::Number(Some(step.rate)),
                Cell::text(example.case_id),
                Cell::text(example.question),
                Cell::Count(usize::from(example.stage)),
                Cell::Count(usize::from(example.replayed)),
                Cell::text(example.condition.unwrap_or_default()),
                Cell::text(example.context.unwrap_or_default()),
            ]
        })
    });
    let names =
        ["step", "phase", "epoch", "learning_rate", "case_id", "question", "stage", "replayed", "condition", "context"];
    Table::new("plan", "every training example with its step", names.map(|name| (name, name)), rows).csv()
}
