//! One metric of two models.

use serde::{Deserialize, Serialize};

use crate::metrics::Better;
use crate::summary::{Estimate, MetricSummary};

/// Comparison of one metric between two models, the reference A and the model B that is compared with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricPair {
    /// Label shown to people.
    pub label: String,
    /// Direction of improvement.
    pub better: Better,
    /// Value of A; None for metrics that are defined on both models together.
    pub a: Option<Estimate>,
    /// Value of B; None for metrics that are defined on both models together.
    pub b: Option<Estimate>,
    /// Value of B less value of A, with interval and p-value; in JSON the keys `value`, `ci`, `n` and `p` of the metric
    /// itself.
    #[serde(flatten)]
    pub difference: Estimate,
    /// Whether the metric was named a primary endpoint before the run.
    #[serde(default)]
    pub primary: bool,
}

impl MetricPair {
    /// Reads the pair from the summary of one metric of B with A as its base; None where the summary has no difference.
    pub(super) fn of(metric: &MetricSummary) -> Option<Self> {
        let difference = metric.gain_vs_base?;
        let b = Some(metric.estimate).filter(|_| metric.base.is_some());
        Some(Self {
            label: metric.label.clone(),
            better: metric.better,
            a: metric.base,
            b,
            difference,
            primary: metric.primary,
        })
    }
}
