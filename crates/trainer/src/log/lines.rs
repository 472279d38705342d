//! Lines of the training log.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stepwise_benchmark::forgetting::Forgetting;

use crate::selection::Best;

/// Log line with means since the previous line. The first keys have the names of LLaMA-Factory's `trainer_log.jsonl`;
/// the keys from `phase` on are additional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Completed optimiser steps.
    pub current_steps: u64,
    /// Optimiser steps of the whole run.
    pub total_steps: u64,
    /// Mean loss per supervised token, in nats.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Completed epochs of the run, as a fraction.
    pub epoch: f64,
    /// Completed share of all steps, in percent.
    pub percentage: f64,
    /// Time since this process began to train, as `h:mm:ss`.
    pub elapsed_time: String,
    /// Estimated remaining time at the present pace, as `h:mm:ss`.
    pub remaining_time: String,
    /// Name of the phase.
    pub phase: String,
    /// Mean loss per supervised token, in nats, by clinical stage, for stages with supervised tokens.
    pub stage_loss: BTreeMap<u8, f64>,
    /// Number of supervised tokens in the means.
    pub supervised_tokens: u64,
    /// Global gradient norm of the last step, before clipping.
    pub grad_norm: f64,
    /// Share of the time spent waiting for data, 0 to 1.
    pub wait_for_data: f64,
    /// Mean wall-clock time of a step, in seconds.
    pub seconds_per_step: f64,
    /// Peak resident memory of this process in MiB; None if the system does not provide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_mib: Option<f64>,
}

/// Log line of the end of an epoch.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct MetricsLine<'a> {
    /// Completed optimiser steps.
    pub current_steps: u64,
    /// Completed epochs of the run.
    pub epoch: f64,
    /// Name of the phase.
    pub phase: &'a str,
    /// Metrics of the benchmark by name; empty if the epoch was not evaluated.
    pub metrics: &'a BTreeMap<String, f64>,
    /// Best epoch so far; None if no epoch was chosen.
    pub best: Option<&'a Best>,
    /// Forgetting table, if the epoch ended a phase; otherwise None.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forgetting: Option<&'a Forgetting>,
}

/// Pace of the steps in this process.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    first: u64,
}

impl Pace {
    /// Starts the clock of this process; `steps_done` steps were completed before.
    #[must_use]
    pub fn start(steps_done: u64) -> Self {
        Self { began: Instant::now(), first: steps_done }
    }

    /// Returns the elapsed time since the start, and the remaining time to `total` steps at the same pace, both as
    /// `h:mm:ss`. `current` is the number of completed steps of the run; before the first step of this process the
    /// remaining time is 0.
    #[must_use]
    pub fn times(&self, current: u64, total: u64) -> (String, String) {
        let elapsed = self.began.elapsed();
        (clock(elapsed), clock(remaining(elapsed, current.saturating_sub(self.first), total.saturating_sub(current))))
    }
}

/// Time for `left` steps if `done` steps took `elapsed`; zero if `done` is 0.
fn remaining(elapsed: Duration, done: u64, left: u64) -> Duration {
    let seconds = if done == 0 { 0.0 } else { elapsed.as_secs_f64() * left as f64 / done as f64 };
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// Text of a duration in whole seconds like Python's `timedelta`: `0:00:10`, `2 days, 3:04:05`.
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
    fn times_are_written_like_in_python() {
        // str(timedelta(seconds=...))
        for (seconds, written) in
            [(0, "0:00:00"), (3_661, "1:01:01"), (86_400, "1 day, 0:00:00"), (183_845, "2 days, 3:04:05")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), written);
        }
    }

    #[test]
    fn the_remaining_time_follows_from_the_pace() {
        assert_eq!(remaining(Duration::from_secs(20), 4, 10), Duration::from_secs(50));
        assert_eq!(remaining(Duration::from_secs(20), 0, 10), Duration::ZERO);
        assert_eq!(remaining(Duration::from_secs(u64::MAX), 1, u64::MAX), Duration::MAX);
    }
}
