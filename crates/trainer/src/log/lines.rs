//! Lines of the training log.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stepwise_benchmark::forgetting::Forgetting;

use crate::device::DeviceMemory;
use crate::selection::Best;

/// Log line with means since the previous line. The first keys have the names of LLaMA-Factory's `trainer_log.jsonl`;
/// the keys from `phase` on are additional.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepLine {
    /// Completed optimiser steps.
    pub current_steps: u64,
    /// Optimiser steps of the whole run.
    pub total_steps: u64,
    /// Mean cross-entropy per supervised token, in nats, without weights of the objective.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Completed epochs of the run, as a fraction.
    pub epoch: f64,
    /// Completed share of all steps, in percent.
    pub percentage: f64,
    /// Time since this process began to train, as `h:mm:ss`.
    pub elapsed_time: String,
    /// Estimated remaining time as `h:mm:ss`: steps and benchmarks that are left, each at its own pace in this process.
    pub remaining_time: String,
    /// Name of the phase.
    pub phase: String,
    /// Mean loss per supervised token, in nats, by clinical stage, for stages with supervised tokens.
    pub stage_loss: BTreeMap<u8, f64>,
    /// Mean loss of each objective besides cross-entropy over the questions that it applied to, without its weight.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objective_loss: BTreeMap<String, f64>,
    /// Weight of cross-entropy and of each objective in the loss of the last step. Empty if the objective is cross-entropy
    /// alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub objective_weight: BTreeMap<String, f64>,
    /// Number of supervised tokens in the means.
    pub supervised_tokens: u64,
    /// Global gradient norm of the last step, before clipping.
    pub grad_norm: f64,
    /// Share of the time spent waiting for data, 0 to 1.
    pub wait_for_data: f64,
    /// Mean wall-clock time of a step, in seconds.
    pub seconds_per_step: f64,
    /// Tokens of the training examples per second of wall-clock time, images and prompts included. Tokens that several
    /// examples share count once for each of them.
    #[serde(default)]
    pub tokens_per_second: f64,
    /// Peak resident memory of this process in MiB; None if the system does not provide it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_mib: Option<f64>,
    /// Memory of the device in MiB; None on the CPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_memory_mib: Option<DeviceMemory>,
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
