//! Retention and forgetting: the effect of later training on earlier stages, from the accuracy of each stage over
//! the epochs.

use crate::summary::Summary;

/// Best earlier and last accuracy of one clinical stage over the epochs of a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retention {
    /// Largest accuracy of any epoch but the last, 0 to 1.
    pub best: f64,
    /// Accuracy after the last epoch, 0 to 1.
    pub last: f64,
}

impl Retention {
    /// Computes the forgetting: best less last (Chaudhry et al., 2018). Negative where the last epoch is the best.
    #[must_use]
    pub fn forgetting(&self) -> f64 {
        self.best - self.last
    }
}

/// Clean accuracy of stages 1 to 4 after one epoch; None where a stage has no items.
pub type StageAccuracies = [Option<f64>; 4];

/// Reads the clean accuracies of stages 1 to 4 from the summary of one epoch; None where a stage has no items or the
/// summary lacks it.
#[must_use]
pub fn stage_accuracies(summary: &Summary) -> StageAccuracies {
    [1, 2, 3, 4].map(|stage| summary.estimate(&format!("accuracy:clean:stage_{stage}")).and_then(|found| found.value))
}

/// Returns the best accuracy of all epochs but the last, and the last accuracy, of stages 1 to 4; `epochs` are in
/// training order. None with fewer than two epochs, or where a stage has no items in the last epoch or in all others.
#[must_use]
pub fn retention(epochs: &[StageAccuracies]) -> [Option<Retention>; 4] {
    [0, 1, 2, 3].map(|stage| {
        let (last, before) = epochs.split_last()?;
        let best = before.iter().filter_map(|epoch| epoch[stage]).reduce(f64::max)?;
        Some(Retention { best, last: last[stage]? })
    })
}

/// Computes the backward transfer (Lopez-Paz and Ranzato, 2017): over the stages that were trained before the last
/// epoch, the mean of the accuracy after the last epoch less the accuracy right after the stage was first trained.
/// `learned[s]` is the index in `epochs` of the epoch that first trained stage `s + 1`; None where none did. Stages
/// without items in one of the two epochs are left out. None where no stage is left.
#[must_use]
pub fn backward_transfer(epochs: &[StageAccuracies], learned: [Option<usize>; 4]) -> Option<f64> {
    let last = epochs.len().checked_sub(1)?;
    let changes: Vec<f64> = learned
        .iter()
        .enumerate()
        .filter_map(|(stage, &learned)| {
            let learned = learned.filter(|learned| *learned < last)?;
            Some(epochs[last][stage]? - epochs[learned][stage]?)
        })
        .collect();
    crate::metrics::metric::share(changes.iter().sum(), changes.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four stages trained one after another; the third is not evaluated.
    const EPOCHS: [StageAccuracies; 4] = [
        [Some(0.9), Some(0.5), None, Some(0.2)],
        [Some(0.8), Some(0.7), None, Some(0.2)],
        [Some(0.7), Some(0.75), None, Some(0.25)],
        [Some(0.6), Some(0.75), None, Some(0.5)],
    ];

    #[test]
    fn what_was_best_and_what_is_left() {
        let [first, second, third, fourth] = retention(&EPOCHS);
        assert_eq!(first, Some(Retention { best: 0.9, last: 0.6 }));
        assert!((first.expect("tested").forgetting() - 0.3).abs() < 1e-12);
        assert_eq!((second.expect("tested").forgetting(), third), (0.0, None));
        assert_eq!(fourth.expect("tested").forgetting(), -0.25);
        assert_eq!(retention(&EPOCHS[..1]), [None; 4]);
    }

    #[test]
    fn transfer_is_against_the_epoch_that_taught_the_stage() {
        // Stage 1 lost 0.3 since its epoch, stage 2 gained 0.05; stage 4 was trained last.
        let transfer = backward_transfer(&EPOCHS, [Some(0), Some(1), Some(2), Some(3)]).expect("defined");
        assert!((transfer + 0.125).abs() < 1e-12, "{transfer}");
        assert_eq!(backward_transfer(&EPOCHS, [Some(3), None, None, None]), None);
        assert_eq!(backward_transfer(&[], [Some(0); 4]), None);
    }
}
