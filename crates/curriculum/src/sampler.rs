//! Phases laid out over cases, batch by batch.

use stepwise_data::case::Case;

use super::competence::depths;
use super::epoch::LastEpoch;
use super::error::PlanError;
use super::phase::Phase;
use super::replay::Shape;

/// A question to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sample {
    /// Place of the case among those the plan was made from.
    pub case: usize,
    /// Place of the question in the case's chain.
    pub item: usize,
}

/// Phases laid out over the training cases.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) phases: Vec<Phase>,
    pub(super) batch_size: usize,
    /// The data set of each case.
    pub(super) datasets: Vec<String>,
    /// The stage of each question of each case.
    pub(super) stages: Vec<Vec<u8>>,
    /// How many others each of them builds on, those that they build on in turn among them.
    pub(super) depths: Vec<Vec<usize>>,
    /// What an epoch of each phase comes to.
    pub(super) shapes: Vec<Shape>,
    pub(super) last: LastEpoch,
}

impl Plan {
    /// A plan over `cases` with `batch_size` cases a batch.
    ///
    /// # Errors
    /// When a phase's values make no sense, a phase finds no question, or has nothing to replay.
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
            return Err(PlanError::Empty("batches of 0 cases hold nothing -> use 1 or more"));
        }
        (0..plan.phases.len()).try_for_each(|phase| plan.check(phase))?;
        plan.shapes = (0..plan.phases.len()).map(|phase| plan.shape(phase)).collect();
        Ok(plan)
    }

    /// The phases, in order.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Batches of an epoch of this phase.
    #[must_use]
    pub fn steps_per_epoch(&self, phase: usize) -> usize {
        self.shapes[phase].steps
    }

    /// Batches of this phase in all.
    #[must_use]
    pub fn steps(&self, phase: usize) -> usize {
        let Phase { num_train_epochs, max_steps, .. } = &self.phases[phase];
        match (max_steps, num_train_epochs) {
            (Some(steps), _) => *steps,
            (None, epochs) => (epochs.unwrap_or(1.0) * self.steps_per_epoch(phase) as f64).ceil() as usize,
        }
    }

    /// The questions of one batch, those of a case together; `step` counts within the epoch. Past an epoch's last step
    /// there are none.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn batch(&self, seed: u64, phase: usize, epoch: usize, step: usize) -> Vec<Sample> {
        let visits = self.visits_of((seed, phase, epoch), step);
        let mut samples: Vec<Sample> = visits.into_iter().flat_map(|visit| self.visited(phase, visit)).collect();
        // Questions of a case already present join it; cases keep the order in which they came. A case that a batch visits
        // twice for the same question, as a weight may ask, is learned from twice.
        let mut place: Vec<usize> = Vec::new();
        for sample in &samples {
            if !place.contains(&sample.case) {
                place.push(sample.case);
            }
        }
        samples.sort_by_key(|sample| (place.iter().position(|case| *case == sample.case), sample.item));
        samples
    }

    /// The questions of a case that are of these stages.
    pub(super) fn items(&self, case: usize, stages: &[u8]) -> impl Iterator<Item = Sample> {
        let of_stages = self.stages[case].iter().enumerate().filter(|(_, stage)| stages.contains(stage));
        of_stages.map(move |(item, _)| Sample { case, item })
    }
}
