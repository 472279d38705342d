//! Earlier stages come again: a share of every batch is visits to cases for the stages of earlier phases.

use std::ops::Range;

use super::reshuffle::drawn;
use super::sampler::Plan;
use super::visits::Visit;

/// What an epoch of a phase comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Visits for the phase's own stages.
    pub fresh: usize,
    /// Visits for stages of earlier phases.
    pub replayed: usize,
    /// Batches.
    pub steps: usize,
}

/// Which visits of an epoch a batch is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Of those for the phase's own stages.
    pub fresh: Range<usize>,
    /// Of those for stages of earlier phases.
    pub replayed: Range<usize>,
}

impl Plan {
    /// What an epoch comes to: steps until all fresh visits are made, and as many replayed ones as their share asks.
    pub(super) fn shape(&self, phase: usize) -> Shape {
        let (fresh, share) = (self.visits_per_epoch(phase), self.phases[phase].replay);
        let made = |steps: usize| steps * self.batch_size - self.due(phase, steps);
        let about = fresh as f64 / (self.batch_size as f64 * (1.0 - share));
        let mut steps = (about as usize).saturating_sub(1);
        while made(steps) < fresh {
            steps += 1;
        }
        let before_last = self.due(phase, steps.saturating_sub(1));
        let room = (steps * self.batch_size).saturating_sub(fresh);
        let replayed = (fresh as f64 * share / (1.0 - share)).round() as usize;
        Shape { fresh, replayed: replayed.clamp(before_last, room.max(before_last)), steps }
    }

    /// Replayed visits of the first so many batches, as long as those are full.
    fn due(&self, phase: usize, steps: usize) -> usize {
        ((steps * self.batch_size) as f64 * self.phases[phase].replay).round() as usize
    }

    /// What the batch of a step is made of. Its size is the same with and without replay; the last one of an epoch has what is
    /// left.
    pub(super) fn parts(&self, phase: usize, step: usize) -> Parts {
        let Shape { fresh, replayed, steps } = self.shapes[phase];
        let before = |step: usize| {
            if step >= steps {
                return (fresh, replayed);
            }
            let due = self.due(phase, step);
            (step * self.batch_size - due, due)
        };
        let (from, to) = (before(step), before(step.saturating_add(1)));
        Parts { fresh: from.0..to.0, replayed: from.1..to.1 }
    }

    /// The visits for stages of earlier phases that an epoch makes, so that the data sets among them stand as the weights have it
    /// that they were taught with.
    pub(super) fn replayed<R: rand::Rng>(&self, phase: usize, draw: impl Fn(&str) -> R) -> Vec<Visit> {
        let count = self.shapes[phase].replayed;
        let mut rest = if count == 0 { Vec::new() } else { self.replay_pool(phase) };
        let mut pool = Vec::new();
        while let Some((first, weight)) = rest.first().copied() {
            let dataset = &self.datasets[first.case];
            let is_alike = |(visit, other): &(Visit, f64)| self.datasets[visit.case] == *dataset && *other == weight;
            let (own, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_alike);
            let own: Vec<Visit> = own.into_iter().map(|(visit, _)| visit).collect();
            let due = ((weight * own.len() as f64).round() as usize).max(1);
            if due == own.len() {
                pool.extend(own);
            } else {
                pool.extend(drawn(&own, 0..due, |lap| draw(&format!("replay of {dataset}, lap {lap}"))));
            }
            rest = others;
        }
        drawn(&pool, 0..count, |lap| draw(&format!("replay {lap}")))
    }

    /// All visits that can be replayed, one stage of a case each, with their weights: stages that this phase lacks, of data sets
    /// that an earlier phase taught them from, as the last of those weighs them.
    pub(super) fn replay_pool(&self, phase: usize) -> Vec<(Visit, f64)> {
        let weight = |case: usize, stage: u8| {
            let of_phase = |earlier: &super::Phase| {
                let weight = earlier.dataset_weights.get(&self.datasets[case]).copied().unwrap_or(1.0);
                (earlier.stages.contains(&stage) && weight > 0.0).then_some(weight)
            };
            self.phases[..phase].iter().rev().find_map(of_phase)
        };
        let lacking: Vec<u8> = (1..=4).filter(|stage| !self.phases[phase].stages.contains(stage)).collect();
        let of_case = |case: usize| {
            let found = lacking.iter().copied().filter(move |stage| self.items(case, &[*stage]).next().is_some());
            found.filter_map(move |stage| Some((Visit { case, stage: Some(stage) }, weight(case, stage)?)))
        };
        (0..self.stages.len()).flat_map(of_case).collect()
    }
}
