//! Content of a report.

use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::summary::Summary;
use stepwise_benchmark::worst_cases::WorstCase;

use crate::markup;
use crate::plot::Plot;
use crate::training_curve::TrainingCurve;

/// Content of a report about one run, for [`render`](crate::render).
#[derive(Clone, Copy, Debug)]
pub struct ReportInput<'a> {
    /// Title: the name of the run.
    pub title: &'a str,
    /// Facts about the run as name and value: model, recipe, seed, device.
    pub facts: &'a [(String, String)],
    /// Summary of the base without adapter, on the same suite.
    pub base: &'a Summary,
    /// Evaluated epochs in order, each summarised against the base; without epochs the report is about the base.
    pub epochs: &'a [EpochResult<'a>],
    /// Index in `epochs` of the delivered checkpoint, which the report is about; `None` for the last epoch.
    pub delivered: Option<usize>,
    /// Plain sentence below the main result, such as that no epoch is better than the base; `None` for no sentence.
    pub warning: Option<&'a str>,
    /// Loss and learning rate of the training; `None` for a model without a log.
    pub training: Option<&'a TrainingCurve>,
    /// Items that the delivered checkpoint got wrong, shown with their images; empty leaves the section out.
    pub worst: &'a [WorstCase],
    /// Accuracy of every stage after every phase; `None` for a run without phases.
    pub forgetting: Option<&'a Forgetting>,
}

/// One evaluation of the trained model, usually at the end of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct EpochResult<'a> {
    /// Number of the epoch, such as `1` or `2.5`, or the name of another evaluated model.
    pub label: &'a str,
    /// Summary of the evaluation, with gains over the base.
    pub summary: &'a Summary,
    /// Words beside the epoch, such as `delivered` or `outside the guard`; empty for none.
    pub remark: &'a str,
}

impl EpochResult<'_> {
    /// Returns the name of the epoch in sentences and legends: `epoch N` where the label is a number, else the label.
    pub(crate) fn name(&self) -> String {
        let is_number = self.label.parse::<f64>().is_ok();
        if is_number { format!("epoch {}", self.label) } else { self.label.to_owned() }
    }
}

impl<'a> ReportInput<'a> {
    /// Returns the index in `epochs` of the epoch that the report is about: the delivered one, else the last. `None`
    /// without epochs, or where `delivered` is no index of an epoch.
    pub(crate) fn model_index(&self) -> Option<usize> {
        self.delivered.or(self.epochs.len().checked_sub(1)).filter(|index| *index < self.epochs.len())
    }

    fn model_epoch(&self) -> Option<&'a EpochResult<'a>> {
        self.epochs.get(self.model_index()?)
    }

    /// Returns the summary that the report is about: that of the delivered or, where none is, the last epoch; that of
    /// the base without epochs.
    pub(crate) fn model(&self) -> &'a Summary {
        self.model_epoch().map_or(self.base, |epoch| epoch.summary)
    }

    /// Returns the name of the epoch that the report is about, as plain text, or `base` without epochs.
    pub(crate) fn model_label(&self) -> String {
        self.model_epoch().map_or_else(|| "base".to_owned(), EpochResult::name)
    }

    /// Iterates over all epochs that the report is not about, in order.
    pub(crate) fn others(&self) -> impl Iterator<Item = &'a EpochResult<'a>> {
        let index = self.model_index();
        self.epochs.iter().enumerate().filter(move |(place, _)| Some(*place) != index).map(|(_, epoch)| epoch)
    }

    /// Returns whether there are epochs to compare with the base; otherwise the report is about the base alone.
    pub(crate) fn is_compared(&self) -> bool {
        !self.epochs.is_empty()
    }

    /// Returns the points of charts over the epochs, first the base, then all epochs: position on the axis (from 0),
    /// name as plain text, and summary.
    pub(crate) fn stops(&self) -> Vec<(f64, String, &'a Summary)> {
        let epochs = self.epochs.iter().map(|epoch| (epoch.name(), epoch.summary));
        let all = std::iter::once(("base".to_owned(), self.base)).chain(epochs);
        all.enumerate().map(|(place, (name, summary))| (place as f64, name, summary)).collect()
    }

    /// Returns a plot whose horizontal axis holds the base and all epochs; `y_range` is the range `[low, high]` of the
    /// values.
    pub(crate) fn over_epochs(&self, y_range: [f64; 2]) -> Plot {
        Plot::new(300.0, [-0.35, self.epochs.len() as f64 + 0.35], y_range)
    }

    /// Returns the ticks of the axis of [`over_epochs`](Self::over_epochs): position, and label as markup. Labels that
    /// do not fit side by side are left out; the last one stays.
    pub(crate) fn epoch_ticks(&self) -> Vec<(f64, String)> {
        let labels = self.epochs.iter().map(|epoch| markup::escape(epoch.label));
        let all: Vec<String> = std::iter::once("base".to_owned()).chain(labels).collect();
        let (every, last) = (all.len().div_ceil(9), all.len() - 1);
        let kept = all.into_iter().enumerate().filter(|(place, _)| (last - place).is_multiple_of(every));
        kept.map(|(place, label)| (place as f64, label)).collect()
    }
}
