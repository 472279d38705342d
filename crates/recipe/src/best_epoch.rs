//! `select = { metric = "robust_accuracy", guard = "accuracy:clean", max_drop = 0.02 }`: which tested epoch is the best one,
//! and when no better one is to be expected.

use serde::Serialize;
use stepwise_config::section::Section;

/// Chooses among tested epochs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BestModelRule {
    /// The metric that decides; none for robust accuracy, and clean accuracy where the suite attacks nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// The metric that must not suffer.
    pub guard: String,
    /// How far it may lie below the highest that the base or an earlier tested epoch has had.
    pub max_drop: f64,
}

/// Ends a run before its time, by what [`BestModelRule`] compares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EarlyStopping {
    /// Tested epochs in a row that are no better.
    #[serde(rename = "early_stopping_patience", skip_serializing_if = "Option::is_none")]
    pub patience: Option<u64>,
    /// By how much an epoch must be better to count.
    #[serde(rename = "early_stopping_threshold")]
    pub threshold: f64,
}

pub(super) fn read_select(section: &mut Section<'_>) -> BestModelRule {
    let mut table = section.section("select").about(
        "Which tested epoch is linked as `best`: the one with the best `metric` among those that keep `guard`, which must not \
         lie more than `max_drop` below the best that the base or an earlier tested epoch has had.",
    );
    let select = BestModelRule {
        metric: table.text(
            "metric",
            Some("`robust_accuracy`, and `accuracy:clean` where the suite attacks nothing"),
            "The metric of the benchmark's summary that decides.",
        ),
        guard: table
            .text("guard", Some("\"accuracy:clean\""), "The metric that must not suffer.")
            .unwrap_or_else(|| "accuracy:clean".to_owned()),
        max_drop: table.float("max_drop", 0.02, 0.0.., "How far `guard` may lie below the best so far."),
    };
    table.finish();
    select
}

pub(super) fn read_early_stopping(section: &mut Section<'_>) -> EarlyStopping {
    let threshold_at = section.at("early_stopping_threshold");
    let patience = section.integer_or(
        "early_stopping_patience",
        None,
        1..=100_000,
        "Ends the run once so many tested epochs in a row were no better by `select`.",
    );
    let threshold =
        section.float("early_stopping_threshold", 0.0, 0.0.., "By how much an epoch must be better to count.");
    if threshold > 0.0 && patience.is_none() {
        section.report(
            threshold_at.as_ref(),
            "`early_stopping_threshold` has no effect without `early_stopping_patience`",
            "give both, or remove it",
        );
    }
    EarlyStopping { patience, threshold }
}
