//! Selection of the best evaluated epoch (`metric_for_best_model` and its guard), and early stopping of the run.

use serde::Serialize;
use stepwise_config::section::Section;

/// Rule that selects the best evaluated epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BestModelRule {
    /// Id of the metric in the benchmark's summary that decides. None means robust accuracy, or clean accuracy for a
    /// suite without attacks.
    #[serde(rename = "metric_for_best_model", skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// Guard: id of the metric that must not get worse by more than `max_drop`.
    #[serde(rename = "best_model_guard")]
    pub guard: String,
    /// Largest allowed distance, at least 0, of the guard from its best value so far. The base model and the evaluated
    /// epochs count.
    #[serde(rename = "best_model_max_drop")]
    pub max_drop: f64,
}

/// Early stopping of a run, by the metric of [`BestModelRule`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EarlyStopping {
    /// Ends the run after this many evaluated epochs in a row without improvement. None never stops early.
    #[serde(rename = "early_stopping_patience", skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// Smallest improvement, at least 0: an epoch counts as better only if the metric is better by more than this.
    #[serde(rename = "early_stopping_threshold")]
    pub threshold: f64,
}

/// Reads the keys of [`BestModelRule`] from `[train]`. Wrong values are reported, and the defaults take their place.
pub(super) fn read_best_model(section: &mut Section<'_>) -> BestModelRule {
    BestModelRule {
        metric: section.text(
            "metric_for_best_model",
            Some("`robust_accuracy`, or `accuracy:clean` for a suite without attacks"),
            "Metric of the benchmark's summary that selects the epoch linked as `best`, among the epochs that keep the guard.",
        ),
        guard: section
            .text(
                "best_model_guard",
                Some("\"accuracy:clean\""),
                "Metric that must not get worse by more than `best_model_max_drop`.",
            )
            .unwrap_or_else(|| "accuracy:clean".to_owned()),
        max_drop: section.float(
            "best_model_max_drop",
            0.02,
            0.0..,
            "Largest allowed distance of `best_model_guard` from its best value so far, of the base or of an evaluated epoch.",
        ),
    }
}

/// Reads the keys of [`EarlyStopping`] from `[train]`. Wrong values, and a threshold without patience, are reported.
pub(super) fn read_early_stopping(section: &mut Section<'_>) -> EarlyStopping {
    let threshold_at = section.at("early_stopping_threshold");
    let patience = section.integer_or(
        "early_stopping_patience",
        None,
        1..=100_000,
        "Ends the run after this many evaluated epochs in a row that were no better by `metric_for_best_model`.",
    );
    let threshold = section.float(
        "early_stopping_threshold",
        0.0,
        0.0..,
        "An epoch counts as better only if the metric improves by more than this.",
    );
    if threshold > 0.0 && patience.is_none() {
        section.report(
            threshold_at.as_ref(),
            "`early_stopping_threshold` has no effect without `early_stopping_patience`",
            "give both, or remove it",
        );
    }
    EarlyStopping { patience, threshold }
}
