//! Learning-rate schedules, equal at every step to those of transformers' `get_scheduler`.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Shape of the learning rate over the optimiser steps, with the names and formulas of transformers' `get_scheduler`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LrScheduler {
    /// Linear warm-up, then a decrease to 0 along half a cosine.
    Cosine,
    /// Linear warm-up, then a linear decrease to 0.
    Linear,
    /// Constant, without warm-up.
    Constant,
    /// Linear warm-up, then constant.
    ConstantWithWarmup,
}

/// Length of the warm-up, in which the learning rate rises linearly from 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Warmup {
    /// Length in optimiser steps.
    #[serde(rename = "warmup_steps")]
    Steps(u64),
    /// Length as a share of all steps, at least 0 and below 1, rounded up to whole steps.
    #[serde(rename = "warmup_ratio")]
    Ratio(f64),
}

impl Warmup {
    /// Returns the number of warm-up steps of a schedule with `total_steps` steps, like
    /// transformers' `TrainingArguments.get_warmup_steps`.
    #[must_use]
    pub fn steps(self, total_steps: u64) -> u64 {
        match self {
            Self::Steps(steps) => steps,
            Self::Ratio(ratio) => (total_steps as f64 * ratio).ceil() as u64,
        }
    }
}

impl LrScheduler {
    /// Returns the factor of the peak learning rate, 0 to 1, for the optimiser step after `steps_done` steps. The first
    /// step has `steps_done` 0; with a warm-up its factor is 0, as in transformers. `warmup_steps` and `total_steps`
    /// are lengths in steps; [`LrScheduler::Constant`] ignores both.
    #[must_use]
    pub fn factor(self, steps_done: u64, warmup_steps: u64, total_steps: u64) -> f64 {
        if self == Self::Constant {
            return 1.0;
        }
        if steps_done < warmup_steps {
            return steps_done as f64 / warmup_steps as f64;
        }
        let falling = total_steps.saturating_sub(warmup_steps).max(1) as f64;
        match self {
            Self::Constant | Self::ConstantWithWarmup => 1.0,
            Self::Linear => total_steps.saturating_sub(steps_done) as f64 / falling,
            Self::Cosine => {
                let progress = (steps_done - warmup_steps) as f64 / falling;
                (0.5 * (1.0 + (PI * progress).cos())).max(0.0)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table was written by `tests/parity/schedule_reference.py` with transformers.
    #[test]
    fn every_schedule_equals_transformers() {
        let table = include_str!("../../../tests/parity/schedule_reference.csv");
        let mut compared = 0;
        for row in table.lines().skip(1) {
            let cells: Vec<&str> = row.split(',').collect();
            let whole = |cell: usize| cells[cell].parse::<u64>().expect("a whole number");
            let scheduler: LrScheduler =
                serde_json::from_value(serde_json::Value::String(cells[0].into())).expect("a scheduler");
            let expected: f64 = cells[4].parse().expect("a number");
            let factor = scheduler.factor(whole(3), whole(1), whole(2));
            assert!((factor - expected).abs() <= 1e-15, "{row}: {factor}");
            compared += 1;
        }
        assert_eq!(compared, 184);
    }

    #[test]
    fn a_ratio_of_warm_up_is_rounded_up() {
        // TrainingArguments(warmup_steps=0.03).get_warmup_steps(100) is 3, of 101 it is 4; 0.1 of 15 is 2.
        assert_eq!(Warmup::Ratio(0.03).steps(100), 3);
        assert_eq!(Warmup::Ratio(0.03).steps(101), 4);
        assert_eq!(Warmup::Ratio(0.1).steps(15), 2);
        assert_eq!(Warmup::Steps(4).steps(15), 4);
    }

    #[test]
    fn a_run_without_steps_has_a_finite_factor() {
        for scheduler in [LrScheduler::Cosine, LrScheduler::Linear] {
            assert!(scheduler.factor(0, 0, 0).is_finite());
        }
    }
}
