//! Report of a study: one HTML file about all arms, built from the same parts as the report of a run.

mod budget;
mod curves;
mod delivered;
mod effective;
mod endpoints;
mod forgetting;
mod input;
mod primary;

use stepwise_benchmark::stats::{FEWEST_CLUSTERS, FEWEST_SEEDS};
use stepwise_report::markup::{escape, plural};
use stepwise_report::page::Page;
use stepwise_report::section::ReportSection;
use stepwise_report::{CsvFile, Report};

pub use budget::ended_early;
pub use input::StudyInput;

use crate::summary::StudySummary;

const SECTIONS: [fn(&StudyInput<'_>) -> Option<ReportSection>; 7] = [
    primary::section,
    delivered::section,
    effective::section,
    budget::section,
    curves::section,
    forgetting::section,
    endpoints::section,
];

/// Renders the HTML page of the study, which needs no other file, and its tables as CSV. No file is written.
#[must_use]
pub fn render(input: &StudyInput<'_>) -> Report {
    let sections: Vec<ReportSection> = SECTIONS.iter().filter_map(|section| section(input)).collect();
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
        style: "",
    };
    Report { html: page.html(&sections), tables }
}

/// Renders a warning about unfinished arms; empty for a finished study.
fn missing(input: &StudyInput<'_>) -> String {
    input.summary.unfinished().map_or_else(String::new, |lacking| {
        format!(
            "<p class=\"tally bad\">This study is not finished: {}. Differences use the seeds that both arms have; p-values are \
             adjusted over all planned comparisons.</p>",
            escape(&lacking)
        )
    })
}

fn method(input: &StudyInput<'_>) -> String {
    let StudySummary { groups, questions, seeds, suite, reference, .. } = input.summary;
    format!(
        "<li><b>Endpoints.</b> Measured after the last epoch. Primary endpoints were named in the study's manifest before its first \
         run. All other endpoints are exploratory.</li>\
         <li><b>Difference.</b> An arm minus <code>{}</code> with the same seed on the same items, as the mean over seeds.</li>\
         <li><b>Intervals and tests.</b> A claim must hold for other patients, other questions and other seeds. Over patients \
         and questions (here {} and {}) the variance is V = max(V<sub>patients</sub> + V<sub>questions</sub> \u{2212} \
         V<sub>cells</sub>, V<sub>patients</sub>, V<sub>questions</sub>), each part a jackknife, with Student\u{2019}s t of \
         min(patients, questions) \u{2212} 1 degrees of freedom (Cameron, Gelbach and Miller, 2011). Over the seeds (here {}) it \
         is Student\u{2019}s paired t. The interval is the wider and p the larger of the two. Metrics of whole chains vary \
         patients and seeds only. p-values are adjusted by Holm over all planned arms and primary endpoints, and by Benjamini \
         and Hochberg over all other endpoints and the base minus the reference. A dot is filled, and a claim may rest on it, \
         where the adjusted p is below 0.05 with {FEWEST_CLUSTERS} patients, {FEWEST_CLUSTERS} questions and {FEWEST_SEEDS} seeds \
         or more. Results of fewer seeds are exploratory. Other training data are not covered: all seeds train on the same \
         cases.</li>\
         <li><b>Effective robustness.</b> Log-odds under an attack minus the log-odds predicted by a least-squares line through \
         the base and all evaluated steps of the reference's runs. The line is fitted again without each patient and each question; \
         its seeds are not varied. A line is used if the reference was evaluated at two \
         steps or more besides its base, if clean accuracies differ by more than expected by chance for equal models (97.5th \
         percentile over bootstrap draws of patients), and if the interval of its slope lies above zero.</li>\
         <li><b>Suite.</b> {}, version {}: <code>{}</code></li>",
        escape(reference),
        plural(*groups, "group"),
        plural(*questions, "question"),
        plural(*seeds, "seed"),
        escape(&suite.name),
        suite.version,
        escape(&suite.digest)
    )
}
