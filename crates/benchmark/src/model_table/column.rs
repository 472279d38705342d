//! Columns of a table of models: the metric of each, its values, and the tests between all pairs of models.

use std::collections::HashMap;

use serde::Serialize;

use super::rank::ranks;
use super::{Better, Metric, estimate};
use crate::stats::adjusted_p::holm;
use crate::stats::{Cells, infer};
use crate::suite::Suite;
use crate::summary::Estimate;

/// Part of the table that a column belongs to. A table with all columns is too wide for a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// Clean and robust accuracy, use of the image, and chains.
    Accuracy,
    /// Accuracy along the clinical stages.
    Stages,
    /// Right and wrong hints.
    Hints,
}

/// One metric of all models.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Id of the metric.
    pub id: String,
    /// Heading of the column.
    pub label: &'static str,
    /// Part of the table that the column belongs to.
    pub part: Part,
    /// Whether values are differences of shares, -1 to 1, and not shares.
    pub is_difference: bool,
    /// Direction of improvement.
    pub better: Better,
    /// Values, one for each model of the table.
    pub values: Vec<ColumnValue>,
    /// Differences between all pairs of models that both have a value.
    pub pairs: Vec<Pair>,
}

/// Value and rank of one model in one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ColumnValue {
    /// Value with its interval.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Best and worst rank: 1 plus the number of models that are surely better, and the number of models with a value
    /// less those that are surely worse. None without a value.
    pub rank: Option<[usize; 2]>,
}

/// Difference between two models in one column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// Index of the first model in the table.
    pub a: usize,
    /// Index of the second model, larger than `a`.
    pub b: usize,
    /// Value of the second model less value of the first one, with its p-value, adjusted by Holm over all pairs of the
    /// column.
    #[serde(flatten)]
    pub difference: Estimate,
}

/// Metric id, heading, part and whether values are differences, of each column; `accuracy:` stands for the accuracy under
/// the clean condition.
const COLUMNS: [(&str, &str, Part, bool); 11] = [
    ("accuracy:", "clean", Part::Accuracy, false),
    ("robust_accuracy", "robust", Part::Accuracy, false),
    ("image_score", "image score", Part::Accuracy, false),
    ("chain_accuracy", "chains", Part::Accuracy, false),
    ("chance_corrected:stage_1", "stage 1", Part::Stages, false),
    ("chance_corrected:stage_2", "stage 2", Part::Stages, false),
    ("chance_corrected:stage_3", "stage 3", Part::Stages, false),
    ("chance_corrected:stage_4", "stage 4", Part::Stages, false),
    ("stage_slope", "slope", Part::Stages, true),
    ("hint_reliance", "hint reliance", Part::Hints, true),
    ("hint_discrimination", "hint discrimination", Part::Hints, true),
];

/// Makes all columns. `metrics` holds the metrics of each model by id; a metric that the suite lacks has no column.
pub(super) fn all(suite: &Suite, metrics: &[HashMap<String, Metric>], cells: &Cells) -> Vec<Column> {
    let of = |(id, label, part, is_difference): (&str, &'static str, Part, bool)| {
        let id = if id.ends_with(':') { format!("{id}{}", suite.clean().id) } else { id.to_owned() };
        let metrics: Vec<&Metric> = metrics.iter().map(|metrics| metrics.get(&id)).collect::<Option<_>>()?;
        let better = metrics.first()?.better;
        let estimates: Vec<Estimate> = metrics.iter().map(|metric| estimate(metric, cells)).collect();
        let pairs = pairs(&metrics, &estimates, cells);
        let is_defined: Vec<bool> = estimates.iter().map(|estimate| estimate.value.is_some()).collect();
        let ranks = ranks(better, &is_defined, &pairs);
        let values = estimates.into_iter().zip(ranks).map(|(estimate, rank)| ColumnValue { estimate, rank }).collect();
        Some(Column { id, label, part, is_difference, better, values, pairs })
    };
    COLUMNS.into_iter().filter_map(of).collect()
}

/// Tests all pairs of models with a value. Pairs without a p-value count in the adjustment as certain equality, so that
/// the number of tests depends on the number of models alone.
fn pairs(metrics: &[&Metric], estimates: &[Estimate], cells: &Cells) -> Vec<Pair> {
    let defined: Vec<usize> = (0..metrics.len()).filter(|&place| estimates[place].value.is_some()).collect();
    let mut pairs = Vec::new();
    for (place, &a) in defined.iter().enumerate() {
        for &b in &defined[place + 1..] {
            let statistic = metrics[b].statistic.clone().less(metrics[a].statistic.clone());
            let n = metrics[a].n.min(metrics[b].n);
            pairs.push(Pair { a, b, difference: Estimate::of_difference(infer(&statistic, cells), n) });
        }
    }
    let p: Vec<f64> = pairs.iter().map(|pair| pair.difference.p.unwrap_or(1.0)).collect();
    for (pair, adjusted) in pairs.iter_mut().zip(holm(&p)) {
        pair.difference.p_adjusted = pair.difference.p.map(|_| adjusted);
    }
    pairs
}
