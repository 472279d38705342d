//! Content of a report.

use super::training_curve::TrainingCurve;
use crate::forgetting::Forgetting;
use crate::summary::Summary;
use crate::worst_cases::WorstCase;

/// Content of a report about one run, for a [`Renderer`](super::Renderer).
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
    #[must_use]
    pub fn name(&self) -> String {
        let is_number = self.label.parse::<f64>().is_ok();
        if is_number { format!("epoch {}", self.label) } else { self.label.to_owned() }
    }
}

impl<'a> ReportInput<'a> {
    /// Returns the index in `epochs` of the epoch that the report is about: the delivered one, else the last. `None`
    /// without epochs, or where `delivered` is no index of an epoch.
    #[must_use]
    pub fn model_index(&self) -> Option<usize> {
        self.delivered.or(self.epochs.len().checked_sub(1)).filter(|index| *index < self.epochs.len())
    }

    fn model_epoch(&self) -> Option<&'a EpochResult<'a>> {
        self.epochs.get(self.model_index()?)
    }

    /// Returns the summary that the report is about: the summary of the delivered or, where none is, the last epoch; the
    /// summary of the base without epochs.
    #[must_use]
    pub fn model(&self) -> &'a Summary {
        self.model_epoch().map_or(self.base, |epoch| epoch.summary)
    }

    /// Returns the name of the epoch that the report is about, as plain text, or `base` without epochs.
    #[must_use]
    pub fn model_label(&self) -> String {
        self.model_epoch().map_or_else(|| "base".to_owned(), EpochResult::name)
    }

    /// Iterates over all epochs that the report is not about, in order.
    pub fn others(&self) -> impl Iterator<Item = &'a EpochResult<'a>> {
        let index = self.model_index();
        self.epochs.iter().enumerate().filter(move |(place, _)| Some(*place) != index).map(|(_, epoch)| epoch)
    }

    /// Returns whether there are epochs to compare with the base; otherwise the report is about the base alone.
    #[must_use]
    pub fn is_compared(&self) -> bool {
        !self.epochs.is_empty()
    }
}
