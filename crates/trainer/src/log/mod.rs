//! Logs of a run: `trainer_log.jsonl`, which is authoritative, and TensorBoard event files.
//!
//! A failed write does not stop a run. Lines that cannot be written (full disk) are kept in memory, up to a limit, and
//! written when there is room again. Only the first failure is reported.

mod lines;

mod append;
mod events;
mod tally;
mod trainer_log;

use std::io;
use std::path::Path;

pub use events::Events;
pub use lines::{MetricsLine, Pace, StepLine};
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

    /// Writes a line, and its numbers as TensorBoard scalars `train/*`, `phase/NAME/loss` and `stage/N/loss`. Returns
    /// warnings about failed writes; empty if all went well.
    #[must_use]
    pub fn step(&mut self, line: &StepLine) -> Vec<String> {
        if let Some(events) = &mut self.events {
            let step = line.current_steps;
            events.scalar("train/loss", step, line.loss);
            events.scalar("train/lr", step, line.lr);
            events.scalar("train/grad_norm", step, line.grad_norm);
            events.scalar("train/epoch", step, line.epoch);
            events.scalar("train/supervised_tokens", step, line.supervised_tokens as f64);
            events.scalar("train/wait_for_data", step, line.wait_for_data);
            events.scalar("train/seconds_per_step", step, line.seconds_per_step);
            if let Some(mebibytes) = line.peak_memory_mib {
                events.scalar("train/peak_memory_mib", step, mebibytes);
            }
            events.scalar(&format!("phase/{}/loss", line.phase), step, line.loss);
            for (stage, loss) in &line.stage_loss {
                events.scalar(&format!("stage/{stage}/loss"), step, *loss);
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
            for (tag, value) in line.metrics {
                events.scalar(tag, line.current_steps, *value);
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
