//! One line of the log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stepwise_benchmark::forgetting::Forgetting;

use crate::selection::Best;

/// Means since the line before, under the names of LLaMA-Factory's `trainer_log.jsonl`, and ours after them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Optimiser steps done.
    pub current_steps: u64,
    /// Optimiser steps of the whole run.
    pub total_steps: u64,
    /// Mean over supervised tokens, in nats.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Passes done, with the fraction of the one under way.
    pub epoch: f64,
    /// Share of all steps that is done, in percent.
    pub percentage: f64,
    /// Since this process began to train, as `h:mm:ss`.
    pub elapsed_time: String,
    /// At the pace so far.
    pub remaining_time: String,
    /// Name of the phase.
    pub phase: String,
    /// Loss of each clinical stage that had supervised tokens.
    pub stage_loss: BTreeMap<u8, f64>,
    /// Tokens the loss was taken on.
    pub supervised_tokens: u64,
    /// Global norm before clipping, of the last step.
    pub grad_norm: f64,
    /// Share of the time that steps waited for data, 0 to 1.
    pub wait_for_data: f64,
    /// Wall-clock time of a step.
    pub seconds_per_step: f64,
    /// The most memory this process has held, where the system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_mib: Option<f64>,
}

/// What was measured at the end of an epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MetricsLine<'a> {
    /// Optimiser steps done.
    pub current_steps: u64,
    /// Epochs of the run that are done.
    pub epoch: f64,
    /// Name of the phase.
    pub phase: &'a str,
    /// A benchmark's numbers by name; nothing where the epoch was not tested.
    pub metrics: &'a BTreeMap<String, f64>,
    /// Which epoch is the best so far.
    pub best: Option<&'a Best>,
    /// Where a phase ended: every stage after every phase so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgetting: Option<&'a Forgetting>,
}

/// How fast steps go in this process.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    first: u64,
}

impl Pace {
    /// Starts the clock after `steps_done` steps.
    #[must_use]
    pub fn start(steps_done: u64) -> Self {
        Self { began: Instant::now(), first: steps_done }
    }

    /// Time since the start, and time to `total` steps at the same pace, both as `h:mm:ss`.
    #[must_use]
    pub fn times(&self, current: u64, total: u64) -> (String, String) {
        let elapsed = self.began.elapsed();
        (clock(elapsed), clock(remaining(elapsed, current.saturating_sub(self.first), total.saturating_sub(current))))
    }
}

/// The time `left` steps take when `done` steps took `elapsed`.
fn remaining(elapsed: Duration, done: u64, left: u64) -> Duration {
    let seconds = if done == 0 { 0.0 } else { elapsed.as_secs_f64() * left as f64 / done as f64 };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// As Python writes a `timedelta` of whole seconds: `0:00:10`, `2 days, 3:04:05`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        _ => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_python_writes_them() {
        // str(timedelta(seconds=...))
        for (seconds, written) in
            [(0, "0:00:00"), (3_661, "1:01:01"), (86_400, "1 day, 0:00:00"), (183_845, "2 days, 3:04:05")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), written);
        }
    }

    #[test]
    fn the_rest_takes_as_long_as_the_pace_says() {
        assert_eq!(remaining(Duration::from_secs(20), 4, 10), Duration::from_secs(50));
        assert_eq!(remaining(Duration::from_secs(20), 0, 10), Duration::ZERO);
        assert_eq!(remaining(Duration::from_secs(u64::MAX), 1, u64::MAX), Duration::MAX);
    }
}
