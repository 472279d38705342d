//! The log of a run: `trainer_log.jsonl`, the truth, and TensorBoard's event files.
//!
//! Neither can stop a run. What cannot be written (a full disk) is held back, up to a limit, and written when there is
//! room again; the first failure is reported, the following ones are not.

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

/// Both logs of a run, written together.
pub struct RunLog {
    lines: TrainerLog,
    events: Option<Events>,
}

impl RunLog {
    /// Opens `trainer_log.jsonl`, and event files under `runs/` if `tensorboard`, in the folder of a run. Where a run is
    /// `resumed`, it loses the lines that follow, in both.
    ///
    /// # Errors
    /// When the files cannot be opened: that is known before the first step, and better said then.
    pub fn open(run: &Path, tensorboard: bool, resumed: Option<Resumed>) -> io::Result<Self> {
        let step = resumed.map(|resumed| resumed.step);
        let events = tensorboard.then(|| Events::open(&run.join("runs"), step)).transpose()?;
        Ok(Self { lines: TrainerLog::open(&run.join("trainer_log.jsonl"), resumed)?, events })
    }

    /// Writes a line, and its numbers as scalars: `train/*`, `phase/NAME/loss` and `stage/N/loss`. Returns warnings.
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

    /// Writes what was measured after a step (a benchmark's), each number under its own tag in TensorBoard. Returns warnings.
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

    /// Writes that nothing was learned from a step, and why. Returns warnings.
    #[must_use]
    pub fn skipped(&mut self, step: u64, why: &str) -> Vec<String> {
        self.lines.append(&serde_json::json!({ "current_steps": step, "skipped": why }));
        self.flush()
    }

    fn flush(&mut self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut warn = |name: &str, failed: Option<io::Error>| {
            warnings.extend(failed.map(|error| {
                format!("{name}: {error} -> training goes on; what is not written is held back until there is room")
            }));
        };
        warn("trainer_log.jsonl", self.lines.flush());
        warn("TensorBoard events", self.events.as_mut().and_then(Events::flush));
        warnings
    }
}
