//! Chart of the training examples that differ from the stored question, over the steps.

use std::fmt::Write;

use super::bins::{Bin, bins};
use stepwise_curriculum::planned::PlannedExample;

use super::input::PlanInput;
use crate::markup::{escape, percent};
use crate::plot::WIDTH;
use crate::section::ReportSection;

/// Height of a row with its label, and of its strip.
const ROW: f64 = 36.0;
const STRIP: f64 = 14.0;

/// Renders the section `shows`: for each kind of change to the stored question (condition, context, replay, blank
/// images), a strip of the share of training examples with this change over the steps. Without changes a sentence takes
/// the place of the chart.
pub fn section(input: &PlanInput<'_>) -> ReportSection {
    let mut names: Vec<String> = Vec::new();
    for example in input.steps.iter().flat_map(|step| &step.examples) {
        for name in shown(example) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.sort();
    let bins = bins(input);
    let body = match names.as_slice() {
        [] => "<p class=\"tally\">Every training example is the question as stored.</p>".to_owned(),
        names => drawing(input, &bins, names),
    };
    ReportSection {
        id: "shows",
        title: "Changes to training examples",
        intro: "Share of the training examples of a step that differ from the stored question; darker means more. The number is \
                the percentage of all training examples of the run."
            .into(),
        body,
        tables: Vec::new(),
        half: true,
    }
}

/// Describes how a training example differs from the stored question.
fn shown(example: &PlannedExample<'_>) -> Vec<String> {
    let condition = example.condition.map(|kind| format!("under {kind}"));
    let context = example.context.name().map(|told| format!("with {told} answers to earlier questions as context"));
    let replayed = example.replayed.then(|| "replayed".to_owned());
    let blank = example.is_blank.then(|| "with blank images".to_owned());
    condition.into_iter().chain(context).chain(replayed).chain(blank).collect()
}

fn drawing(input: &PlanInput<'_>, bins: &[Bin<'_>], names: &[String]) -> String {
    let has = |example: &PlannedExample<'_>, name: &String| shown(example).contains(name);
    let all = input.steps.iter().map(|step| step.examples.len()).sum::<usize>().max(1);
    let mut svg = String::new();
    for (row, name) in names.iter().enumerate() {
        let top = row as f64 * ROW;
        let mut count = 0;
        for bin in bins {
            let found = bin.examples.iter().filter(|example| has(example, name)).count();
            count += found;
            if found == 0 {
                continue;
            }
            let x = |step: usize| WIDTH * step as f64 / input.steps.len() as f64;
            let _ = write!(
                svg,
                "<rect class=\"bar c0\" fill-opacity=\"{:.2}\" x=\"{:.2}\" y=\"{:.1}\" width=\"{:.2}\" height=\"{STRIP}\"/>",
                (found as f64 / bin.examples.len() as f64).max(0.04),
                x(bin.start),
                top + 18.0,
                x(bin.end) - x(bin.start)
            );
        }
        let _ = write!(
            svg,
            "<text x=\"0\" y=\"{0:.1}\">{1}</text><text x=\"{WIDTH}\" y=\"{0:.1}\" text-anchor=\"end\">{2}</text>\
             <rect class=\"frame\" x=\"0.5\" y=\"{3:.1}\" width=\"{4}\" height=\"{STRIP}\"/>",
            top + 13.0,
            escape(name),
            percent(count as f64 / all as f64),
            top + 18.0,
            WIDTH - 1.0
        );
    }
    let height = names.len() as f64 * ROW + 4.0;
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"Shares of training examples that differ \
         from the stored question, over the steps\">{svg}</svg>"
    )
}
