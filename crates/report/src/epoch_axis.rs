//! Horizontal axis of charts over the base and all epochs.

use stepwise_benchmark::summary::Summary;

use crate::ReportInput;
use crate::markup;
use crate::plot::Plot;

/// Returns the points of charts over the epochs, first the base, then all epochs: position on the axis (from 0), name as
/// plain text, and summary.
pub(crate) fn stops<'a>(input: &ReportInput<'a>) -> Vec<(f64, String, &'a Summary)> {
    let epochs = input.epochs.iter().map(|epoch| (epoch.name(), epoch.summary));
    let all = std::iter::once(("base".to_owned(), input.base)).chain(epochs);
    all.enumerate().map(|(place, (name, summary))| (place as f64, name, summary)).collect()
}

/// Returns a plot whose horizontal axis holds the base and all epochs; `y_range` is the range `[low, high]` of the values.
pub(crate) fn plot(input: &ReportInput<'_>, y_range: [f64; 2]) -> Plot {
    Plot::new(300.0, [-0.35, input.epochs.len() as f64 + 0.35], y_range)
}

/// Returns the ticks of the axis of [`plot`]: position, and label as markup. Labels that do not fit side by side are left
/// out; the last one stays.
pub(crate) fn ticks(input: &ReportInput<'_>) -> Vec<(f64, String)> {
    let labels = input.epochs.iter().map(|epoch| markup::escape(epoch.label));
    let all: Vec<String> = std::iter::once("base".to_owned()).chain(labels).collect();
    let (every, last) = (all.len().div_ceil(9), all.len() - 1);
    let kept = all.into_iter().enumerate().filter(|(place, _)| (last - place).is_multiple_of(every));
    kept.map(|(place, label)| (place as f64, label)).collect()
}
