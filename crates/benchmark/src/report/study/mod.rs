//! The report of a study: one HTML file about all its arms, made of the same parts as that of a run.

mod curves;
mod effective;
mod endpoints;
mod forgetting;
mod primary;

use super::markup::{escape, plural};
use super::page::Page;
use super::section::Section;
use super::{CsvFile, Report};
use crate::study::{Endpoint, StudyRuns, StudySummary};
use crate::summary::Estimate;

/// What the report shows.
#[derive(Clone, Copy, Debug)]
pub struct StudyInput<'a> {
    /// Arms by endpoints.
    pub summary: &'a StudySummary,
    /// What they were made from.
    pub runs: &'a StudyRuns,
}

const SECTIONS: [fn(&StudyInput<'_>) -> Option<Section>; 5] =
    [primary::section, effective::section, curves::section, forgetting::section, endpoints::section];

/// Renders the page and its tables.
#[must_use]
pub fn render(input: &StudyInput<'_>) -> Report {
    let sections: Vec<Section> = SECTIONS.iter().filter_map(|section| section(input)).collect();
    let tables: Vec<CsvFile> = sections.iter().flat_map(|section| &section.tables).map(|table| table.csv()).collect();
    let mut facts = input.runs.facts.clone();
    facts.push(("Reference".to_owned(), input.summary.reference.clone()));
    facts.push(("Primary endpoints".to_owned(), input.runs.primary.join(", ")));
    let page = Page {
        kind: "Ablation study",
        title: &input.summary.name,
        facts: &facts,
        headline: &missing(input),
        method: &method(input),
    };
    Report { html: page.html(&sections), tables }
}

impl<'a> StudyInput<'a> {
    /// An endpoint's arms but the reference: name, numbers.
    fn others(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = (&'a str, &'a crate::study::ArmEndpoint)> {
        let names = self.summary.arms.iter().map(|(name, _)| name.as_str());
        let reference = self.summary.reference.as_str();
        names.zip(&endpoint.arms).filter(move |(name, _)| *name != reference)
    }
}

/// The difference of an arm from the reference, as an estimate.
fn difference(arm: &crate::study::ArmEndpoint) -> Option<Estimate> {
    arm.difference.as_ref().map(|difference| difference.estimate)
}

/// What is not there yet: a report of half a study must not be taken for one of a whole.
fn missing(input: &StudyInput<'_>) -> String {
    let seeds = &input.runs.seeds;
    let lacking = input.summary.arms.iter().filter(|(_, done)| done.len() < seeds.len());
    let lacking: Vec<String> =
        lacking.map(|(arm, done)| format!("{} ({} of {} seeds)", escape(arm), done.len(), seeds.len())).collect();
    if lacking.is_empty() {
        return String::new();
    }
    format!(
        "<p class=\"tally bad\">This study is not finished: {}. Differences are on the seeds that both arms have.</p>",
        lacking.join(", ")
    )
}

fn method(input: &StudyInput<'_>) -> String {
    let StudySummary { groups, seeds, resamples, suite, reference, .. } = input.summary;
    format!(
        "<li><b>Endpoints.</b> Of the last epoch. The primary ones were named in the study's manifest before its first run; all \
         others are there to be looked at.</li>\
         <li><b>Difference.</b> An arm less <code>{}</code> with the same seed on the very same items; the mean over seeds.</li>\
         <li><b>Intervals.</b> 95 %, percentile bootstrap of {resamples} draws over seeds ({seeds}) and then over {}, the same in \
         all seeds. With few seeds the part of the seeds is too narrow; every seed's own number is in the tables.</li>\
         <li><b>Tests.</b> Two-sided: both arms are swapped within a group, in all seeds at once. They speak of other cases and \
         these seeds. Adjusted by Holm over all arms and primary endpoints, and by Benjamini and Hochberg over all others. A dot is \
         filled, and a claim may rest on it, where the adjusted p is below 0.05 and the interval excludes zero.</li>\
         <li><b>Effective robustness.</b> Log-odds under an attack above the line of the reference's own base and epochs, which is \
         held fixed.</li>\
         <li><b>Suite.</b> {}, version {}: <code>{}</code></li>",
        escape(reference),
        plural(*groups, "group"),
        escape(&suite.name),
        suite.version,
        escape(&suite.digest)
    )
}
