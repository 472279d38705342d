//! The plan of a run before it begins: which lesson stands at which step, drawn on a page and listed as CSV.

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

/// What is planned.
#[derive(Clone, Copy, Debug)]
pub struct PlanInput<'a> {
    /// Names the run.
    pub title: &'a str,
    /// What it is made from, as name and value.
    pub facts: &'a [(String, String)],
    /// How many cases there are to learn from.
    pub cases: usize,
    /// Name of each phase and the optimiser step after which it ends; at least one.
    pub phases: &'a [(String, usize)],
    /// One after the other; at least one.
    pub steps: &'a [PlannedStep<'a>],
}

/// An optimiser step.
#[derive(Clone, Debug)]
pub struct PlannedStep<'a> {
    /// Epoch of the run, from 1.
    pub epoch: usize,
    /// Learning rate.
    pub rate: f64,
    /// The questions it learns from.
    pub lessons: Vec<PlannedLesson<'a>>,
}

/// A question that is learned from.
#[derive(Clone, Debug)]
pub struct PlannedLesson<'a> {
    /// Place of the case among those to learn from.
    pub case: usize,
    /// Its name.
    pub case_id: &'a str,
    /// The name of the question in it.
    pub question: &'a str,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Whether it comes back from an earlier phase.
    pub replayed: bool,
    /// The kind of condition it stands under.
    pub condition: Option<&'a str>,
    /// Which answers to earlier questions it is told.
    pub context: Option<&'a str>,
    /// Whether its pictures are blanked.
    pub is_blank: bool,
}

const SECTIONS: [fn(&PlanInput<'_>) -> Section; 4] = [stages::section, cases::section, rate::section, shows::section];

/// Renders the page and the list of all lessons, which is its one table.
#[must_use]
pub fn render(input: &PlanInput<'_>) -> Report {
    let lessons = input.steps.iter().map(|step| step.lessons.len()).sum::<usize>();
    let mut facts = input.facts.to_vec();
    let counts = [(input.steps.len(), "step"), (lessons, "lesson"), (input.cases, "case")];
    facts.push(("Plan".to_owned(), counts.map(|(count, noun)| plural(count, noun)).join(", ")));
    let page = Page {
        kind: "Training plan",
        title: input.title,
        facts: &facts,
        headline: "",
        method: "<li>Every batch is a function of the seed, the phase, the epoch and the step: the run will take exactly these \
                 lessons in this order, before and after a resume. Only a promotion or early stopping can end a phase before its \
                 time; what follows then moves up.</li>\
                 <li>A lesson is one supervised question; lessons of a case at one step share its picture.</li>",
    };
    let sections: Vec<Section> = SECTIONS.iter().map(|section| section(input)).collect();
    Report { html: page.html(&sections), tables: vec![list(input)] }
}

impl PlanInput<'_> {
    /// A plot over all steps.
    fn plot(&self, height: f64, y_range: [f64; 2]) -> Plot {
        Plot::new(height, [0.0, self.steps.len() as f64], y_range)
    }

    /// The axes of such a plot, with a line at the end of each phase but the last.
    fn axes(&self, plot: &Plot, y_ticks: &[(f64, String)], y_name: &str) -> String {
        let ends = std::iter::once(0).chain(self.phases.iter().map(|(_, end)| *end));
        let mut x_ticks: Vec<(f64, String)> = Vec::new();
        for end in ends {
            // Labels need room beside each other; the last one stays.
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

    /// The phase of a step, from 0.
    fn phase(&self, step: usize) -> &str {
        let found = self.phases.iter().find(|(_, end)| step < *end);
        found.map_or("", |(name, _)| name)
    }
}

/// Every lesson at its step.
fn list(input: &PlanInput<'_>) -> CsvFile {
    let rows = input.steps.iter().enumerate().flat_map(|(place, step)| {
        step.lessons.iter().map(move |lesson| {
            [
                Cell::Count(place + 1),
                Cell::text(input.phase(place)),
                Cell::Count(step.epoch),
                Cell::Number(Some(step.rate)),
                Cell::text(lesson.case_id),
                Cell::text(lesson.question),
                Cell::Count(usize::from(lesson.stage)),
                Cell::Count(usize::from(lesson.replayed)),
                Cell::text(lesson.condition.unwrap_or_default()),
                Cell::text(lesson.context.unwrap_or_default()),
            ]
        })
    });
    let names =
        ["step", "phase", "epoch", "learning_rate", "case_id", "question", "stage", "replayed", "condition", "context"];
    Table::new("plan", "every lesson at its step", names.map(|name| (name, name)), rows).csv()
}
