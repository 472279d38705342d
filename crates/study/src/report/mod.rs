//! The report of a study: one HTML file about all its arms, made of the same parts as that of a run.

mod budget;
mod curves;
mod effective;
mod endpoints;
mod forgetting;
mod primary;

use stepwise_benchmark::summary::Estimate;
use stepwise_report::markup::{escape, plural};
use stepwise_report::page::Page;
use stepwise_report::section::Section;
use stepwise_report::strip::Mark;
use stepwise_report::{CsvFile, Report};

pub use budget::ended_early;

use crate::summary::{Difference, Endpoint, StudyRuns, StudySummary};

/// What the report shows.
#[derive(Clone, Copy, Debug)]
pub struct StudyInput<'a> {
    /// Arms by endpoints.
    pub summary: &'a StudySummary,
    /// What they were made from.
    pub runs: &'a StudyRuns,
}

const SECTIONS: [fn(&StudyInput<'_>) -> Option<Section>; 6] =
    [primary::section, effective::section, budget::section, curves::section, forgetting::section, endpoints::section];

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

/// What stands for the untouched base among arms.
const BASE: &str = "base, untouched";

/// A row of an endpoint: name, mean over seeds, each seed, less the reference.
type Row<'a> = (&'a str, Estimate, &'a [Option<f64>], Option<&'a Difference>);

impl<'a> StudyInput<'a> {
    /// The base and all arms.
    fn rows(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = Row<'a>> {
        let base: Row<'a> = (BASE, endpoint.base, &[], endpoint.base_difference.as_ref());
        let arms = self.summary.arms.iter().zip(&endpoint.arms);
        let arm = |((name, _), arm): (&'a (String, Vec<u64>), &'a crate::summary::ArmEndpoint)| {
            (name.as_str(), arm.estimate, arm.by_seed.as_slice(), arm.difference.as_ref())
        };
        std::iter::once(base).chain(arms.map(arm))
    }

    /// The base and all arms but the reference, each less the reference.
    fn others(&self, endpoint: &'a Endpoint) -> impl Iterator<Item = (&'a str, Option<&'a Difference>)> {
        let reference = self.summary.reference.as_str();
        let rows = self.rows(endpoint).enumerate();
        rows.filter(move |(place, (name, ..))| *place == 0 || *name != reference)
            .map(|(_, (name, _, _, difference))| (name, difference))
    }
}

/// The difference from the reference on a scale, with both of its intervals.
fn mark(found: Option<&Difference>) -> Mark {
    let defined = found.filter(|difference| difference.estimate.value.is_some());
    Mark {
        found: difference(defined),
        other: defined.and_then(|difference| difference.over_questions),
        is_sure: defined.is_some_and(Difference::is_sure),
    }
}

/// The difference from the reference, as an estimate.
fn difference(found: Option<&Difference>) -> Option<Estimate> {
    found.map(|difference| difference.estimate)
}

/// What is not there yet: a report of half a study must not be taken for one of a whole.
fn missing(input: &StudyInput<'_>) -> String {
    input.summary.unfinished().map_or_else(String::new, |lacking| {
        format!(
            "<p class=\"tally bad\">This study is not finished: {}. Differences are on the seeds that both arms have; p-values \
             are adjusted over all that is planned.</p>",
            escape(&lacking)
        )
    })
}

fn method(input: &StudyInput<'_>) -> String {
    let StudySummary { groups, questions, seeds, resamples, suite, reference, .. } = input.summary;
    let questions = questions.map_or_else(
        || {
            "the runs, of an earlier version, do not say their questions, and so nothing here speaks of others"
                .to_owned()
        },
        |questions| format!("there are {}", plural(questions, "question")),
    );
    format!(
        "<li><b>Endpoints.</b> Of the last epoch. The primary ones were named in the study's manifest before its first run; all \
         others are there to be looked at.</li>\
         <li><b>Difference.</b> An arm less <code>{}</code> with the same seed on the very same items; the mean over seeds.</li>\
         <li><b>Intervals.</b> 95 %, percentile bootstrap of {resamples} draws over seeds ({seeds}) and then over {}, the same in \
         all seeds. With few seeds the part of the seeds is too narrow; every seed's own number is in the tables. That of a \
         difference is drawn over questions as well, in place of groups: the same words are put to many cases, and a model that \
         looks little at pictures answers them alike ({questions}). What is told of whole chains has groups alone.</li>\
         <li><b>Tests.</b> Two-sided: both arms are swapped within a group, or within a question, in all seeds at once; p is the \
         larger of the two. They speak of other cases and other questions, and of these seeds and what they learned from. \
         Adjusted by Holm over all arms and primary endpoints that were planned, and by Benjamini and Hochberg over all others, \
         and over the base less the reference. A dot is filled, and a claim may rest on it, where the adjusted p is below 0.05 \
         and both intervals exclude zero.</li>\
         <li><b>Effective robustness.</b> Log-odds under an attack above a line of least squares through the base and all tested \
         steps of the reference's runs. It is fitted anew in every draw of groups; seeds are not drawn for it, and draws of questions \
         and the tests hold it fixed. A line is used where the reference was tested at two steps or more beside its base, clean accuracies lie \
         further apart than chance puts models that are alike (97.5th percentile over draws), and the interval of its slope lies \
         above zero.</li>\
         <li><b>Suite.</b> {}, version {}: <code>{}</code></li>",
        escape(reference),
        plural(*groups, "group"),
        escape(&suite.name),
        suite.version,
        escape(&suite.digest)
    )
}
