//! The plan: phases applied to the training cases, batch by batch.

mod competence;
mod epoch;
mod error;
mod replay;
#[cfg(test)]
mod tests;
mod visits;

use stepwise_data::case::Case;

pub use error::PlanError;

use crate::phase::Phase;
use competence::depths;
use epoch::LastEpoch;
use replay::Shape;

/// Question to train on, by its place in the training cases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SampleIndex {
    /// Index of the case, from 0, among the cases that the plan was made from.
    pub case: usize,
    /// Index of the question, from 0, in the chain of the case.
    pub item: usize,
}

/// Assignment of the questions of the training cases to the phases, epochs and batches of a run.
#[derive(Clone, Debug)]
pub struct Sampler {
    phases: Vec<Phase>,
    batch_size: usize,
    /// Data set of each case.
    datasets: Vec<String>,
    /// Stage of each question of each case.
    stages: Vec<Vec<u8>>,
    /// Number of questions that each question of each case builds on, directly or not.
    depths: Vec<Vec<usize>>,
    /// Numbers of visits and batches in an epoch of each phase.
    shapes: Vec<Shape>,
    last: LastEpoch,
}

impl Sampler {
    /// Makes a plan over `cases` with `batch_size` visits in each batch. A visit takes questions of one case, as
    /// [`Visits`](crate::Visits) defines.
    ///
    /// # Errors
    /// When there is no phase or `batch_size` is 0, a value of a phase is invalid, no case has a question of a phase's
    /// stages, its weights name an unknown data set or leave no case, or a phase with replay has nothing to replay.
    pub fn new<'a>(
        phases: Vec<Phase>,
        cases: impl IntoIterator<Item = &'a Case>,
        batch_size: usize,
    ) -> Result<Self, PlanError> {
        let (mut datasets, mut stages, mut all_depths) = (Vec::new(), Vec::new(), Vec::new());
        for case in cases {
            datasets.push(case.source.dataset.clone());
            stages.push(case.chain.iter().map(|item| item.stage).collect());
            all_depths.push(depths(case));
        }
        let (shapes, last) = (Vec::new(), LastEpoch::default());
        let mut plan = Self { phases, batch_size, datasets, stages, depths: all_depths, shapes, last };
        if plan.phases.is_empty() {
            return Err(PlanError::Empty("there is no phase -> add a [[curriculum.phase]]"));
        }
        if batch_size == 0 {
            return Err(PlanError::Empty("the batch size is 0 -> use 1 or more"));
        }
        (0..plan.phases.len()).try_for_each(|phase| plan.check(phase))?;
        plan.shapes = (0..plan.phases.len()).map(|phase| plan.shape(phase)).collect();
        Ok(plan)
    }

    /// Returns the phases in order.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Returns the number of batches in an epoch of this phase, counted from 0.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn steps_per_epoch(&self, phase: usize) -> usize {
        self.shapes[phase].steps
    }

    /// Returns the total number of batches of this phase, counted from 0: `max_steps`, or `num_train_epochs` epochs (1
    /// when neither is given) rounded up to whole batches.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn steps(&self, phase: usize) -> usize {
        let Phase { num_train_epochs, max_steps, .. } = &self.phases[phase];
        match (max_steps, num_train_epochs) {
            (Some(steps), _) => *steps,
            (None, epochs) => (epochs.unwrap_or(1.0) * self.steps_per_epoch(phase) as f64).ceil() as usize,
        }
    }

    /// Returns the questions of one batch, the questions of a case together. Equal arguments give equal batches.
    /// `phase` counts from 0, `epoch` counts within the phase and `step` within the epoch, both from 0. Empty after the
    /// last step of an epoch.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn batch(&self, seed: u64, phase: usize, epoch: usize, step: usize) -> Vec<SampleIndex> {
        let visits = self.visits_of((seed, phase, epoch), step);
        let mut samples: Vec<SampleIndex> = visits.into_iter().flat_map(|visit| self.visited(phase, visit)).collect();
        // Brings the questions of a case together and keeps the order of the cases. A question that the batch visits
        // twice, which weights can cause, is trained on twice.
        let mut place: Vec<usize> = Vec::new();
        for sample in &samples {
            if !place.contains(&sample.case) {
                place.push(sample.case);
            }
        }
        samples.sort_by_key(|sample| (place.iter().position(|case| *case == sample.case), sample.item));
        samples
    }

    /// Iterates over the questions of a case, by its index, that have one of these stages.
    ///
    /// # Panics
    /// When there is no such case.
    pub(super) fn items(&self, case: usize, stages: &[u8]) -> impl Iterator<Item = SampleIndex> {
        let of_stages = self.stages[case].iter().enumerate().filter(|(_, stage)| stages.contains(stage));
        of_stages.map(move |(item, _)| SampleIndex { case, item })
    }
}
