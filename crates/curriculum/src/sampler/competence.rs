//! Competence-based sampling order: the difficulty of a visit, and the share of visits that are eligible at each step.

use rand::seq::SliceRandom;
use stepwise_data::case::Case;

use super::Sampler;
use super::visits::Visit;

/// Share of the visits that are eligible at the first step.
const FIRST_COMPETENCE: f64 = 0.1;

/// Share of the phase's steps after which all visits are eligible.
const FULL_COMPETENCE: f64 = 0.9;

/// Returns the share of the visits, taken from the easiest, that are eligible after `done` of `steps` steps: the share
/// grows from 0.1 to 1 at nine tenths of the steps.
///
/// Square-root schedule of Platanios et al. (2019), "Competence-based Curriculum Learning for Neural Machine
/// Translation".
pub(super) fn competence(done: usize, steps: usize) -> f64 {
    let first = FIRST_COMPETENCE * FIRST_COMPETENCE;
    let way = done as f64 / (FULL_COMPETENCE * steps as f64).max(1.0);
    (way * (1.0 - first) + first).sqrt().min(1.0)
}

impl Sampler {
    /// Returns all visits of an epoch of `phase`, the easiest first. Equally hard visits are in random order, so the
    /// order of the cases has no effect. `draw` gives the random generator for a purpose, named by a text.
    pub(super) fn easiest_first<R: rand::Rng>(&self, phase: usize, draw: impl Fn(&str) -> R) -> Vec<Visit> {
        let mut visits = self.visits(phase, &draw);
        visits.shuffle(&mut draw("cases"));
        visits.sort_by_cached_key(|visit| self.difficulty(*visit));
        visits
    }

    /// Returns the difficulty of a visit: its stage, then the largest number of questions that one of its questions
    /// builds on, directly or not.
    fn difficulty(&self, visit: Visit) -> (u8, usize) {
        let of_stage = |item: &usize| visit.stage.is_none_or(|stage| self.stages[visit.case][*item] == stage);
        let items = (0..self.stages[visit.case].len()).filter(of_stage);
        (visit.stage.unwrap_or_default(), items.map(|item| self.depths[visit.case][item]).max().unwrap_or_default())
    }
}

/// Returns for each question of a case the number of other questions that it builds on, directly or not. Parents that
/// come after their children are not counted; checked cases have none.
pub(super) fn depths(case: &Case) -> Vec<usize> {
    let mut ancestors: Vec<Vec<usize>> = Vec::new();
    for item in &case.chain {
        let mut found: Vec<usize> = Vec::new();
        for (place, parent) in case.chain.iter().enumerate().take(ancestors.len()) {
            if item.parents.contains(&parent.id) {
                found.push(place);
                found.extend(&ancestors[place]);
            }
        }
        found.sort_unstable();
        found.dedup();
        ancestors.push(found);
    }
    ancestors.into_iter().map(|found| found.len()).collect()
}
