//! Report of a run plan before training: the training examples of every step, as charts on a page and as a CSV list.

mod bins;
mod cases;
mod input;
mod rate;
mod shows;
mod stages;

pub use input::PlanInput;

use super::markup::plural;
use super::page::Page;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};
use super::{CsvFile, Report};

const SECTIONS: [fn(&PlanInput<'_>) -> ReportSection; 4] =
    [stages::section, cases::section, rate::section, shows::section];

/// Renders the HTML page of a run plan and its only table, the list of all training examples as CSV. No file is
/// written. The plan must have at least one phase and one step; otherwise the charts have no valid axes.
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
        style: "",
    };
    let sections: Vec<ReportSection> = SECTIONS.iter().map(|section| section(input)).collect();
    Report { html: page.html(&sections), tables: vec![list(input)] }
}

/// Lists every training example with its step.
fn list(input: &PlanInput<'_>) -> CsvFile {
    let rows = input.steps.iter().enumerate().flat_map(|(place, step)| {
        step.examples.iter().map(move |example| {
            [
                Cell::Count(place + 1),
                Cell::text(input.phase(place)),
                Cell::Count(step.epoch),
                Cell::Number(Some(step.learning_rate)),
                Cell::text(example.case_id),
                Cell::text(example.question),
                Cell::Count(usize::from(example.stage)),
                Cell::Count(usize::from(example.replayed)),
                Cell::text(example.condition.unwrap_or_default()),
                Cell::text(example.context.name().unwrap_or_default()),
            ]
        })
    });
    let names =
        ["step", "phase", "epoch", "learning_rate", "case_id", "question", "stage", "replayed", "condition", "context"];
    ReportTable::new("plan", "every training example with its step", names.map(|name| (name, name)), rows).csv()
}
