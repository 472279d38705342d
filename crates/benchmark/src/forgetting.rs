//! Forgetting matrix of a curriculum: clean accuracy of all four stages after every phase, with one row per phase and
//! one column per stage.

use serde::{Deserialize, Serialize};

use crate::retention::{StageAccuracies, backward_transfer, retention};
use crate::summary::{Estimate, Summary};

/// Schema name and version of `forgetting.json`, which a training run writes.
pub const SCHEMA: &str = "forgetting/1";

/// Clean accuracy of the four stages before the first phase and after every phase.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forgetting {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Clean accuracy of the untouched base, stages 1 to 4; None where a stage has no items.
    pub base: [Option<Estimate>; 4],
    /// Rows of the finished phases, in training order; empty before the end of the first.
    pub phases: Vec<PhaseRow>,
    /// Mean change of a stage's accuracy since the first phase that trained on it (Lopez-Paz and Ranzato, 2017). None
    /// where no stage was trained on before the last phase.
    pub backward_transfer: Option<f64>,
}

/// Clean accuracy at the end of one phase, a row of the matrix.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseRow {
    /// Name of the phase.
    pub phase: String,
    /// Clinical stages that the phase trained on, 1 to 4, without replayed stages.
    pub stages: Vec<u8>,
    /// Number of epochs of the run completed so far.
    pub epoch: u32,
    /// Number of optimiser steps completed so far.
    pub step: u64,
    /// Clean accuracy of stages 1 to 4; None where a stage has no items.
    pub accuracy: [Option<Estimate>; 4],
}

/// Reads the clean accuracies of stages 1 to 4 from a summary.
fn accuracy(summary: &Summary) -> [Option<Estimate>; 4] {
    [1, 2, 3, 4].map(|stage| {
        summary.estimate(&format!("accuracy:clean:stage_{stage}")).filter(|estimate| estimate.value.is_some())
    })
}

fn values(accuracy: &[Option<Estimate>; 4]) -> StageAccuracies {
    accuracy.map(|estimate| estimate.and_then(|estimate| estimate.value))
}

impl Forgetting {
    /// Creates a matrix without phases from `base`, the summary of the untouched base model. A stage whose clean
    /// accuracy the summary lacks is None.
    #[must_use]
    pub fn new(base: &Summary) -> Self {
        Self { schema: SCHEMA.to_owned(), base: accuracy(base), phases: Vec::new(), backward_transfer: None }
    }

    /// Appends the row of a finished phase and updates the backward transfer. `stages` are the clinical stages that the
    /// phase trained on, without replayed ones; `epoch` and `step` are the completed epochs and optimiser steps of the
    /// run; `summary` is the evaluation at the end of the phase. A row of the same phase that is already there stays.
    pub fn push(&mut self, phase: &str, stages: &[u8], epoch: u32, step: u64, summary: &Summary) {
        let row =
            PhaseRow { phase: phase.to_owned(), stages: stages.to_vec(), epoch, step, accuracy: accuracy(summary) };
        self.phases.push(row);
        self.count();
    }

    /// Removes the rows of phases that ended after epoch `epoch` of the run, and updates the backward transfer: a run
    /// resumed before their end trains them again.
    pub fn keep_through(&mut self, epoch: u32) {
        self.phases.retain(|row| row.epoch <= epoch);
        self.count();
    }

    fn count(&mut self) {
        let accuracies: Vec<StageAccuracies> = self.phases.iter().map(|row| values(&row.accuracy)).collect();
        self.backward_transfer = backward_transfer(&accuracies, self.learned());
    }

    /// Returns, for stages 1 to 4, the index in `phases` of the first phase that trained on the stage; None where no
    /// phase did.
    #[must_use]
    pub fn learned(&self) -> [Option<usize>; 4] {
        [1, 2, 3, 4].map(|stage| self.phases.iter().position(|row| row.stages.contains(&stage)))
    }

    /// Computes, for stages 1 to 4, the best accuracy of the base and the earlier phases less the accuracy after the
    /// last phase (Chaudhry et al., 2018); negative where the last accuracy is the best. None without phases or where a
    /// stage has no items.
    #[must_use]
    pub fn forgotten(&self) -> [Option<f64>; 4] {
        let stops = std::iter::once(&self.base).chain(self.phases.iter().map(|row| &row.accuracy));
        let kept = retention(&stops.map(values).collect::<Vec<_>>());
        kept.map(|kept| kept.map(|kept| kept.forgetting()))
    }

    /// Returns the matrix as a Markdown table, followed by a line with the backward transfer. Accuracies of stages that
    /// the phase itself trained on are bold; a dash marks a stage without items.
    #[must_use]
    pub fn markdown(&self) -> String {
        let cell = |estimate: Option<Estimate>, taught: bool| match estimate.and_then(|estimate| estimate.value) {
            None => "-".to_owned(),
            Some(value) if taught => format!("**{value:.3}**"),
            Some(value) => format!("{value:.3}"),
        };
        let line = |name: &str, stages: &[u8], accuracy: &[Option<Estimate>; 4]| {
            let cells = (1..=4u8).zip(accuracy).map(|(stage, found)| cell(*found, stages.contains(&stage)));
            format!("| {name} | {} |\n", cells.collect::<Vec<_>>().join(" | "))
        };
        let mut text =
            "| after | stage 1 | stage 2 | stage 3 | stage 4 |\n| :-- | --: | --: | --: | --: |\n".to_owned();
        text.push_str(&line("base", &[], &self.base));
        for row in &self.phases {
            text.push_str(&line(&row.phase, &row.stages, &row.accuracy));
        }
        text.push_str(&match self.backward_transfer {
            Some(transfer) => format!("\nBackward transfer: {transfer:+.3}\n"),
            None => "\nBackward transfer: not defined, no stage was trained on before the last phase\n".to_owned(),
        });
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimates(values: [f64; 4]) -> [Option<Estimate>; 4] {
        values.map(|value| Some(Estimate { value: Some(value), n: 10, ..Estimate::default() }))
    }

    fn row(phase: &str, stages: &[u8], epoch: u32, values: [f64; 4]) -> PhaseRow {
        PhaseRow { phase: phase.into(), stages: stages.into(), epoch, step: 10, accuracy: estimates(values) }
    }

    #[test]
    fn what_later_phases_took_is_counted_since_the_phase_that_taught_it() {
        let mut forgetting = Forgetting {
            schema: SCHEMA.into(),
            base: estimates([0.5, 0.5, 0.25, 0.25]),
            phases: vec![
                row("s1", &[1], 1, [0.9, 0.5, 0.25, 0.25]),
                row("s2", &[2], 2, [0.8, 0.75, 0.25, 0.25]),
                row("s12", &[1, 2], 3, [0.875, 0.625, 0.25, 0.25]),
                row("s4", &[4], 4, [0.75, 0.75, 0.125, 0.5]),
            ],
            backward_transfer: None,
        };
        forgetting.count();
        assert_eq!(forgetting.learned(), [Some(0), Some(1), None, Some(3)]);
        // Stage 1 fell from 0.9 to 0.75 although a later phase trained on it again; stage 2 returned to its
        // earlier value.
        assert!((forgetting.backward_transfer.expect("two stages") + 0.075).abs() < 1e-12);
        // The base was best at stage 3.
        assert_eq!(
            forgetting.forgotten().map(|value| value.map(|value| (value * 1000.0).round())),
            [Some(150.0), Some(0.0), Some(125.0), Some(-250.0)]
        );
        let markdown = forgetting.markdown();
        assert!(markdown.ends_with("\nBackward transfer: -0.075\n"), "{markdown}");
        assert!(markdown.contains("| s12 | **0.875** | **0.625** | 0.250 | 0.250 |\n"), "{markdown}");
    }

    #[test]
    fn a_resumed_run_notes_each_phase_once() {
        use crate::suite::Suite;
        let summary = Summary::new(&Suite::fast(), &[], &[], None);
        let mut forgetting = Forgetting::new(&summary);
        for (phase, epoch, through) in [("a", 1, 0), ("b", 2, 1), ("b", 2, 1), ("a", 1, 0)] {
            forgetting.keep_through(through);
            forgetting.push(phase, &[1], epoch, u64::from(epoch), &summary);
        }
        assert_eq!(forgetting.phases.len(), 1, "the run went back to its first phase");
    }
}
