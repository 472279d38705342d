//! The visits of an epoch: to which cases, for which of their stages, and how often.

use super::phase::{Phase, Visits};
use super::reshuffle::drawn;
use super::sampler::{Plan, Sample};

/// One case, and the one stage it is visited for unless it is visited for all of the phase's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub case: usize,
    pub stage: Option<u8>,
}

impl Plan {
    /// The visits of an epoch, not shuffled: all of them, or as many of each data set as its weight has it.
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

    /// All visits of an epoch, those of a weight of its own apart, with how many of them an epoch makes.
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

    /// How many visits an epoch makes for the phase's own stages.
    pub(super) fn visits_per_epoch(&self, phase: usize) -> usize {
        self.by_weight(phase).iter().map(|(_, count)| count).sum()
    }

    pub(super) fn all_visits(&self, phase: usize) -> Vec<Visit> {
        let Phase { stages, visits, .. } = &self.phases[phase];
        let has = |case: usize, stages: &[u8]| self.items(case, stages).next().is_some();
        let cases = 0..self.stages.len();
        match visits {
            Visits::Case => cases.filter(|case| has(*case, stages)).map(|case| Visit { case, stage: None }).collect(),
            Visits::Stage | Visits::Balanced | Visits::Competence => {
                let of_case = |case: usize| {
                    let found = stages.iter().filter(move |stage| has(case, &[**stage]));
                    found.map(move |stage| Visit { case, stage: Some(*stage) })
                };
                cases.flat_map(of_case).collect()
            }
        }
    }

    /// The questions of a visit.
    pub(super) fn visited(&self, phase: usize, visit: Visit) -> impl Iterator<Item = Sample> {
        let stages = &self.phases[phase].stages;
        let wanted = move |stage: u8| visit.stage.map_or_else(|| stages.contains(&stage), |only| only == stage);
        let items = self.stages[visit.case].iter().enumerate().filter(move |(_, stage)| wanted(**stage));
        items.map(move |(item, _)| Sample { case: visit.case, item })
    }
}
