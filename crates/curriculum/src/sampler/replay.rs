//! Replay: a share of every batch visits cases for stages of earlier phases.

use std::ops::Range;

use super::Sampler;
use super::visits::Visit;
use crate::reshuffle::drawn;

/// Numbers of visits and batches in an epoch of a phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    /// Number of visits for the phase's own stages.
    pub fresh: usize,
    /// Number of visits for stages of earlier phases.
    pub replayed: usize,
    /// Number of batches.
    pub steps: usize,
}

/// Visits of an epoch that form a batch, as index ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    /// Range in the visits for the phase's own stages.
    pub fresh: Range<usize>,
    /// Range in the visits for stages of earlier phases.
    pub replayed: Range<usize>,
}

impl Sampler {
    /// Computes the numbers of an epoch of `phase`: batches until all visits for the phase's own stages are made, and
    /// replayed visits according to the replay share. The last batch may be smaller.
    ///
    /// # Panics
    /// When there is no such phase.
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

    /// Returns the number of replayed visits in the first `steps` batches of an epoch, if all of them are full.
    fn due(&self, phase: usize, steps: usize) -> usize {
        ((steps * self.batch_size) as f64 * self.phases[phase].replay).round() as usize
    }

    /// Returns the visits that form the batch of a step, counted from 0 in the epoch. Batches have the same size with
    /// and without replay; the last batch of an epoch holds the remaining visits, and later steps have none.
    ///
    /// # Panics
    /// When there is no such phase.
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

    /// Draws the replayed visits of an epoch of `phase`; `draw` gives the random generator for a purpose, named by a
    /// text. Data sets are replayed in the proportions given by the weights with which they were trained on.
    ///
    /// # Panics
    /// When there is no such phase.
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

    /// Returns all visits that can be replayed, each for one stage of a case, with their weights. A stage can be
    /// replayed when this phase lacks it and an earlier phase trained on it with this data set. The weight is the one
    /// of the last such phase.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn replay_pool(&self, phase: usize) -> Vec<(Visit, f64)> {
        let weight = |case: usize, stage: u8| {
            let of_phase = |earlier: &crate::phase::Phase| {
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
