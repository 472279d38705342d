//! Easy before hard: how hard a visit is, and which are easy enough by when.

use rand::seq::SliceRandom;
use stepwise_data::case::Case;

use super::sampler::Plan;
use super::visits::Visit;

/// Share of the visits that are eligible at the first step.
const FIRST_COMPETENCE: f64 = 0.1;

/// Share of the phase's steps after which all visits are eligible.
const FULL_COMPETENCE: f64 = 0.9;

/// Share of the visits, the easiest ones, that are eligible once `done` of `steps` steps are done.
pub(super) fn competence(done: usize, steps: usize) -> f64 {
    let first = FIRST_COMPETENCE * FIRST_COMPETENCE;
    let way = done as f64 / (FULL_COMPETENCE * steps as f64).max(1.0);
    (way * (1.0 - first) + first).sqrt().min(1.0)
}

impl Plan {
    /// All visits of an epoch with the easiest first. The order of the cases decides nothing: equally hard visits stand in an
    /// order drawn once.
    pub(super) fn easiest_first<R: rand::Rng>(&self, phase: usize, draw: impl Fn(&str) -> R) -> Vec<Visit> {
        let mut visits = self.visits(phase, &draw);
        visits.shuffle(&mut draw("cases"));
        visits.sort_by_cached_key(|visit| self.difficulty(*visit));
        visits
    }

    /// Its stage, then the most that one of its questions builds on.
    fn difficulty(&self, visit: Visit) -> (u8, usize) {
        let of_stage = |item: &usize| visit.stage.is_none_or(|stage| self.stages[visit.case][*item] == stage);
        let items = (0..self.stages[visit.case].len()).filter(of_stage);
        (visit.stage.unwrap_or_default(), items.map(|item| self.depths[visit.case][item]).max().unwrap_or_default())
    }
}

/// For each question of a case, how many others it builds on, directly or not. Questions stand after those they build on.
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
