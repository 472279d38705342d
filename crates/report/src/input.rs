//! Content of a report.

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases::WorstCase;

use crate::markup;
use crate::plot::Plot;

/// Content of a report about one run.
#[derive(Clone, Copy, Debug)]
pub struct ReportInput<'a> {
    /// Title: the name of the run.
    pub title: &'a str,
    /// Facts about the run as name and value: model, recipe, seed, device.
    pub facts: &'a [(String, String)],
    /// Summary of the base without adapter, on the same suite.
    pub base: &'a Summary,
    /// Evaluated epochs in order, each summarised against the base. The report is about the last one, or about the base
    /// where there are none.
    pub epochs: &'a [EpochResult<'a>],
    /// Items that the last epoch got wrong, shown with their images; empty leaves the section out.
    pub worst: &'a [WorstCase],
    /// Accuracy of every stage after every phase; `None` for a run without phases.
    pub forgetting: Option<&'a Forgetting>,
}

/// One evaluation of the trained model.
#[derive(Clone, Copy, Debug)]
pub struct EpochResult<'a> {
    /// Number of the epoch, such as `1` or `2.5`, or the name of another evaluated model.
    pub label: &'a str,
    /// Summary of the evaluation, with gains over the base.
    pub summary: &'a Summary,
}

impl EpochResult<'_> {
    /// Returns `epoch N` for a number, and any other label as it is.
    pub(crate) fn name(&self) -> String {
        let is_number = self.label.parse::<f64>().is_ok();
        if is_number { format!("epoch {}", self.label) } else { self.label.to_owned() }
    }
}

impl<'a> ReportInput<'a> {
    /// Returns the summary that the report is about: the last epoch, or the base without epochs.
    pub(crate) fn last(&self) -> &'a Summary {
        self.epochs.last().map_or(self.base, |epoch| epoch.summary)
    }

    /// Returns the name of the last epoch, or `base` without epochs.
    pub(crate) fn last_label(&self) -> String {
        self.epochs.last().map_or_else(|| "base".to_owned(), EpochResult::name)
    }

    /// Returns whether there are epochs to compare with the base.
    pub(crate) fn is_compared(&self) -> bool {
        !self.epochs.is_empty()
    }

    /// Returns the base and all epochs as position on an axis, name and summary.
    pub(crate) fn stops(&self) -> Vec<(f64, String, &'a Summary)> {
        let epochs = self.epochs.iter().map(|epoch| (epoch.name(), epoch.summary));
        let all = std::iter::once(("base".to_owned(), self.base)).chain(epochs);
        all.enumerate().map(|(place, (name, summary))| (place as f64, name, summary)).collect()
    }

    /// Returns a plot whose horizontal axis holds the base and all epochs.
    pub(crate) fn over_epochs(&self, y_range: [f64; 2]) -> Plot {
        Plot::new(300.0, [-0.35, self.epochs.len() as f64 + 0.35], y_range)
    }

    /// Returns the tick labels of that axis as markup. Labels that do not fit side by side are left out; the
    /// last one stays.
    pub(crate) fn epoch_ticks(&self) -> Vec<(f64, String)> {
        let labels = self.epochs.iter().map(|epoch| markup::escape(epoch.label));
        let all: Vec<String> = std::iter::once("base".to_owned()).chain(labels).collect();
        let (every, last) = (all.len().div_ceil(9), all.len() - 1);
        let kept = all.into_iter().enumerate().filter(|(place, _)| (last - place).is_multiple_of(every));
        kept.map(|(place, label)| (place as f64, label)).collect()
    }
}
