//! The report: one HTML file that needs nothing else, no script and no network. Light and dark, wide and narrow.
//!
//! Every chart stands beside the table of its numbers, with their denominators. All text from cases, models and recipes is
//! escaped; a content security policy in the page forbids whatever escaping might miss.

use crate::summary::Summary;

mod behaviour;
mod denominators;
mod epochs;
mod first_error;
mod forest;
mod headline;
mod hint_plane;
mod markup;
mod plot;
mod stage_curve;
pub mod worst;
mod worst_cases;

pub use worst::WorstCase;

use markup::{escape, plural};

/// What a report shows.
#[derive(Clone, Copy, Debug)]
pub struct ReportInput<'a> {
    /// Names the run.
    pub title: &'a str,
    /// What produced it, as name and value: model, recipe, seed, device.
    pub facts: &'a [(String, String)],
    /// The base without adapter, on the same suite.
    pub base: &'a Summary,
    /// In order; the last one is what the report is about. Each was summarised against the base.
    pub epochs: &'a [EpochResult<'a>],
    /// Items the last epoch got wrong, as pictures.
    pub worst: &'a [WorstCase],
}

/// One benchmark of the learner.
#[derive(Clone, Copy, Debug)]
pub struct EpochResult<'a> {
    /// For example `1` or `2.5`.
    pub label: &'a str,
    /// Its numbers, with gains over the base.
    pub summary: &'a Summary,
}

impl<'a> ReportInput<'a> {
    /// What the report is about: the last epoch, or the base where there is none yet.
    fn last(&self) -> &'a Summary {
        self.epochs.last().map_or(self.base, |epoch| epoch.summary)
    }

    /// Names the last epoch.
    fn last_label(&self) -> String {
        self.epochs.last().map_or_else(|| "base".to_owned(), |epoch| format!("epoch {}", epoch.label))
    }
}

const STYLE: &str = include_str!("style.css");

/// Renders the page.
#[must_use]
pub fn html(input: &ReportInput<'_>) -> String {
    let sections = [
        headline::section(input),
        forest::section(input),
        format!("<div class=\"pair\">{}{}</div>", stage_curve::section(input), first_error::section(input)),
        format!("<div class=\"pair\">{}{}</div>", hint_plane::section(input), epochs::section(input)),
        behaviour::section(input),
        worst_cases::section(input),
        denominators::section(input),
        method(input),
    ];
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{}</title><style>{STYLE}</style></head><body><main>{}{}</main></body></html>\n",
        escape(input.title),
        header(input),
        sections.concat(),
    )
}

fn header(input: &ReportInput<'_>) -> String {
    let summary = input.last();
    let mut facts: Vec<(String, String)> = input.facts.to_vec();
    facts.push((
        "Asked".to_owned(),
        format!(
            "{}, {}, {}",
            plural(summary.items, "item"),
            plural(summary.cases, "case"),
            plural(summary.groups, "group")
        ),
    ));
    let digest: String = summary.suite.digest.chars().take(12).collect();
    facts.push(("Suite".to_owned(), format!("{}, version {}, {digest}", summary.suite.name, summary.suite.version)));
    let facts: String = facts
        .iter()
        .map(|(name, value)| format!("<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value)))
        .collect();
    format!(
        "<header><p class=\"kind\">Adversarial robustness report</p><h1>{}</h1><dl class=\"facts\">{facts}</dl></header>",
        escape(input.title)
    )
}

fn method(input: &ReportInput<'_>) -> String {
    let summary = input.last();
    format!(
        "<section><h2>How the numbers are made</h2><ul class=\"method\">\
         <li><b>Scoring.</b> {}. A reply that is no answer is <em>unparsed</em>: wrong for accuracy, never counted as \
         following a hint.</li>\
         <li><b>Gain.</b> Always against the untouched base on the very same items under the same condition.</li>\
         <li><b>Intervals.</b> 95 %, percentile bootstrap of {} draws over {} (patients or slice runs), not over items.</li>\
         <li><b>Tests.</b> Two-sided sign flips over groups; adjusted by Holm among the primary conditions and by Benjamini \
         and Hochberg among the others.</li>\
         <li><b>Comparable</b> only with results of the same suite digest: <code>{}</code>.</li></ul></section>",
        escape(&capital(summary.scoring.describe())),
        summary.resamples,
        plural(summary.groups, "group"),
        escape(&summary.suite.digest)
    )
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}
