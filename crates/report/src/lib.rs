//! The report: one HTML file that needs nothing else, no script and no network. Light and dark, wide and narrow.
//!
//! Every chart stands beside the table of its numbers, with their denominators, and every table is a CSV file as well: inside
//! the page behind a link, and beside it. A chart whose conditions the suite lacks is left out. All text from cases, models
//! and recipes is escaped; a content security policy in the page forbids whatever escaping might miss.

mod chain_flow;
mod denominators;
mod effective;
mod epochs;
mod epsilon;
mod forest;
mod forgetting;
pub mod heat;
mod hint_plane;
mod main_result;
pub mod markup;
mod metrics;
pub mod page;
pub mod plan;
pub mod plot;
mod retention;
pub mod section;
pub mod series;
pub mod stage_curve;
pub mod strip;
pub mod table;
mod worst_cases;

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Summary;

pub use stepwise_benchmark::worst_cases::WorstCase;

use plot::Plot;
use section::Section;

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
    /// What each phase left of what was learned before, where the run has phases.
    pub forgetting: Option<&'a Forgetting>,
}

/// One benchmark of the learner.
#[derive(Clone, Copy, Debug)]
pub struct EpochResult<'a> {
    /// A number, such as `1` or `2.5`, or what else was tested in its place.
    pub label: &'a str,
    /// Its numbers, with gains over the base.
    pub summary: &'a Summary,
}

impl EpochResult<'_> {
    fn name(&self) -> String {
        let is_number = self.label.parse::<f64>().is_ok();
        if is_number { format!("epoch {}", self.label) } else { self.label.to_owned() }
    }
}

/// A rendered report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The page.
    pub html: String,
    /// Every table of the page, in its order.
    pub tables: Vec<CsvFile>,
}

/// A table as a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CsvFile {
    /// Its name, such as `stages.csv`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

impl<'a> ReportInput<'a> {
    /// What the report is about: the last epoch, or the base where there is none yet.
    fn last(&self) -> &'a Summary {
        self.epochs.last().map_or(self.base, |epoch| epoch.summary)
    }

    /// Names the last epoch.
    fn last_label(&self) -> String {
        self.epochs.last().map_or_else(|| "base".to_owned(), EpochResult::name)
    }

    /// Whether there is anything but the base.
    fn is_compared(&self) -> bool {
        !self.epochs.is_empty()
    }

    /// The base and all epochs: place on an axis, name, numbers.
    fn stops(&self) -> Vec<(f64, String, &'a Summary)> {
        let epochs = self.epochs.iter().map(|epoch| (epoch.name(), epoch.summary));
        let all = std::iter::once(("base".to_owned(), self.base)).chain(epochs);
        all.enumerate().map(|(place, (name, summary))| (place as f64, name, summary)).collect()
    }

    /// A plot whose horizontal axis holds all stops.
    fn over_epochs(&self, y_range: [f64; 2]) -> Plot {
        Plot::new(300.0, [-0.35, self.epochs.len() as f64 + 0.35], y_range)
    }

    /// Names of the stops on that axis, as markup: no more than fit side by side, counted from the last one.
    fn epoch_ticks(&self) -> Vec<(f64, String)> {
        let labels = self.epochs.iter().map(|epoch| markup::escape(epoch.label));
        let all: Vec<String> = std::iter::once("base".to_owned()).chain(labels).collect();
        let (every, last) = (all.len().div_ceil(9), all.len() - 1);
        let kept = all.into_iter().enumerate().filter(|(place, _)| (last - place).is_multiple_of(every));
        kept.map(|(place, label)| (place as f64, label)).collect()
    }
}

/// Every section, in order.
const SECTIONS: [fn(&ReportInput<'_>) -> Option<Section>; 12] = [
    forest::section,
    stage_curve::section,
    chain_flow::section,
    hint_plane::section,
    epochs::section,
    retention::section,
    forgetting::section,
    effective::section,
    epsilon::section,
    worst_cases::section,
    metrics::section,
    denominators::section,
];

/// Renders the page and its tables.
#[must_use]
pub fn render(input: &ReportInput<'_>) -> Report {
    let sections: Vec<Section> = SECTIONS.iter().filter_map(|section| section(input)).collect();
    let tables = sections.iter().flat_map(|section| &section.tables).map(|table| table.csv()).collect();
    Report { html: page::html(input, &sections), tables }
}
