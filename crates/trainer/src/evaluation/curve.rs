//! Training curve of a run, read from its log.

use std::path::Path;

use serde::Deserialize;
use stepwise_benchmark::run_report::{CurveStep, TrainingCurve};
use stepwise_data::io::bounded;

use super::files::EVAL_LOSS;

/// Keys of a log line that the curve shows. A line of steps has a loss, a line of an epoch's end has metrics.
#[derive(Deserialize)]
struct Line {
    current_steps: u64,
    #[serde(default)]
    phase: String,
    loss: Option<f64>,
    lr: Option<f64>,
    metrics: Option<serde_json::Map<String, serde_json::Value>>,
}

/// Reads loss, learning rate and evaluation losses from `trainer_log.jsonl`. Lines that cannot be read are left out;
/// without a log the curve is empty.
pub(super) fn read(log: &Path) -> TrainingCurve {
    let mut curve = TrainingCurve::default();
    let text = bounded::text(log).unwrap_or_default();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok()) {
        if let Some((loss, learning_rate)) = line.loss.zip(line.lr) {
            curve.steps.push(CurveStep { step: line.current_steps, phase: line.phase, loss, learning_rate });
        } else if let Some(loss) = line.metrics.and_then(|metrics| metrics.get(EVAL_LOSS)?.as_f64()) {
            curve.evaluations.push((line.current_steps, loss));
        }
    }
    curve
}
