//! The visits of an epoch: which cases are visited, for which stages, and how often.

use super::{SampleIndex, Sampler};
use crate::phase::{Phase, Visits};
use crate::reshuffle::drawn;

/// Visit to a case: the questions of one or all stages of the phase.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    /// Index of the case in the plan.
    pub case: usize,
    /// Stage whose questions are taken; None takes all stages of the phase.
    pub stage: Option<u8>,
}

impl Sampler {
    /// Returns the visits of an epoch for the phase's own stages, not shuffled. The number of visits to each data set
    /// follows its weight; where it differs from the number of all visits, the visits are drawn with the generator that
    /// `key` gives for a purpose, named by a text.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn visits<R: rand::Rng>(&self, phase: usize, key: &impl Fn(&str) -> R) -> Vec<Visit> {
        let of_weight = |(visits, count): (Vec<Visit>, usize)| {
            let Some(first) = visits.first() else { return visits };
            let dataset = &self.datasets[first.case];
            if count == visits.len() {
                return visits;
            }
            drawn(&visits, 0..count, |lap| key(&format!("cases of {dataset}, lap {lap}")))
        };
        self.by_weight(phase).into_iter().flat_map(of_weight).collect()
    }

    /// Returns all visits in groups, each with the number of visits that an epoch makes: one group for each data set
    /// with a weight, and one for the rest.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn by_weight(&self, phase: usize) -> Vec<(Vec<Visit>, usize)> {
        let mut rest = self.all_visits(phase);
        let mut parts = Vec::new();
        for (dataset, weight) in &self.phases[phase].dataset_weights {
            let (own, others): (Vec<Visit>, _) = rest.into_iter().partition(|v| self.datasets[v.case] == *dataset);
            let count = (weight * own.len() as f64).round() as usize;
            parts.push((own, count));
            rest = others;
        }
        let count = rest.len();
        parts.push((rest, count));
        parts
    }

    /// Returns the number of visits that an epoch makes for the phase's own stages.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn visits_per_epoch(&self, phase: usize) -> usize {
        self.by_weight(phase).iter().map(|(_, count)| count).sum()
    }

    /// Returns each visit for the phase's own stages once, whatever the weights.
    ///
    /// # Panics
    /// When there is no such phase.
    pub(super) fn all_visits(&self, phase: usize) -> Vec<Visit> {
        let Phase { stages, visits, .. } = &self.phases[phase];
        let has = |case: usize, stages: &[u8]| self.items(case, stages).next().is_some();
        let cases = 0..self.stages.len();
        match visits {
            Visits::Case => cases.filter(|case| has(*case, stages)).map(|case| Visit { case, stage: None }).collect(),
            Visits::Stage | Visits::RoundRobin | Visits::Competence => {
                let of_case = |case: usize| {
                    let found = stages.iter().filter(move |stage| has(case, &[**stage]));
                    found.map(move |stage| Visit { case, stage: Some(*stage) })
                };
                cases.flat_map(of_case).collect()
            }
        }
    }

    /// Iterates over the questions of a visit in `phase`: those of the visit's stage, or of all stages of the phase.
    ///
    /// # Panics
    /// When there is no such phase, or no such case.
    pub(super) fn visited(&self, phase: usize, visit: Visit) -> impl Iterator<Item = SampleIndex> {
        let stages = &self.phases[phase].stages;
        let wanted = move |stage: u8| visit.stage.map_or_else(|| stages.contains(&stage), |only| only == stage);
        let items = self.stages[visit.case].iter().enumerate().filter(move |(_, stage)| wanted(**stage));
        items.map(move |(item, _)| SampleIndex { case: visit.case, item })
    }
}
