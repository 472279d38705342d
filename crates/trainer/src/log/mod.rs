//! Logs of a run: `trainer_log.jsonl`, which is authoritative, and TensorBoard event files.
//!
//! A failed write does not stop a run. Lines that cannot be written (full disk) are kept in memory, up to a limit, and
//! written when there is room again. Only the first failure is reported.

mod lines;

mod append;
mod events;
mod pace;
mod tags;
mod tally;
mod trainer_log;

use std::io;
use std::path::Path;

pub use events::Events;
pub use lines::{MetricsLine, StepLine};
pub use pace::{Pace, Work, clock};
pub use tally::Tally;
pub use trainer_log::{Resumed, TrainerLog, tested_steps};

/// Both logs of a run.
pub struct RunLog {
    lines: TrainerLog,
    events: Option<Events>,
}

impl RunLog {
    /// Opens `trainer_log.jsonl` in the folder of a run, and event files in `runs/` if `tensorboard`. In a `resumed`
    /// run, lines after the resumed step are dropped from both; with None, earlier logs in the folder are replaced.
    ///
    /// # Errors
    /// When a file cannot be read or opened.
    pub fn open(run: &Path, tensorboard: bool, resumed: Option<Resumed>) -> io::Result<Self> {
        let step = resumed.map(|resumed| resumed.step);
        let events = tensorboard.then(|| Events::open(&run.join("runs"), step)).transpose()?;
        Ok(Self { lines: TrainerLog::open(&run.join("trainer_log.jsonl"), resumed)?, events })
    }

    /// Writes a line, and its numbers as scalars with the tags of the module `tags`. Returns warnings
    /// about failed writes; empty if all went well.
    #[must_use]
    pub fn step(&mut self, line: &StepLine) -> Vec<String> {
        if let Some(events) = &mut self.events {
            let mut scalar =
                |name: &str, value: f64| events.scalar(&tags::of_training(name), line.current_steps, value);
            scalar("loss", line.loss);
            scalar("lr", line.lr);
            scalar("grad_norm", line.grad_norm);
            scalar("epoch", line.epoch);
            scalar("supervised_tokens", line.supervised_tokens as f64);
            scalar("tokens_per_second", line.tokens_per_second);
            scalar("wait_for_data", line.wait_for_data);
            scalar("seconds_per_step", line.seconds_per_step);
            if let Some(mebibytes) = line.peak_memory_mib {
                scalar("peak_memory_mib", mebibytes);
            }
            if let Some(memory) = line.device_memory_mib {
                scalar("device_memory_mib/reserved", memory.reserved);
                scalar("device_memory_mib/in_use", memory.in_use);
            }
            scalar(&format!("phase/{}/loss", line.phase), line.loss);
            for (stage, loss) in &line.stage_loss {
                scalar(&format!("stage/{stage}/loss"), *loss);
            }
            for (name, loss) in &line.objective_loss {
                scalar(&format!("objective/{name}/loss"), *loss);
            }
            for (name, weight) in &line.objective_weight {
                scalar(&format!("objective/{name}/weight"), *weight);
            }
        }
        self.lines.append(line);
        self.flush()
    }

    /// Writes the metrics of an epoch, each under its own tag in TensorBoard, and the forgetting table as text. Returns
    /// warnings about failed writes; empty if all went well.
    #[must_use]
    pub fn metrics(&mut self, line: &MetricsLine<'_>) -> Vec<String> {
        if let Some(events) = &mut self.events {
            for (name, value) in line.metrics {
                events.scalar(&tags::of_metric(name), line.current_steps, *value);
            }
            if let Some(forgetting) = line.forgetting {
                events.text("forgetting", line.current_steps, &forgetting.markdown());
            }
        }
        self.lines.append(line);
        self.flush()
    }

    /// Writes that the step with this number, counted from 1, was skipped, and why. Returns warnings about failed
    /// writes; empty if all went well.
    #[must_use]
    pub fn skipped(&mut self, step: u64, why: &str) -> Vec<String> {
        self.lines.append(&serde_json::json!({ "current_steps": step, "skipped": why }));
        self.flush()
    }

    fn flush(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |name: &str, failed: Option<io::Error>| {
            warnings.extend(failed.map(|error| {
                format!("{name}: {error} -> training continues; unwritten lines are written when there is room again")
            }));
        };
        warn("trainer_log.jsonl", self.lines.flush());
        warn("TensorBoard events", self.events.as_mut().and_then(Events::flush));
        warnings
    }
}
