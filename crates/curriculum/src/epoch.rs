//! The visits of an epoch in their order: a function of (seed, phase, epoch), made once and asked for batch by batch.

use std::sync::{Arc, Mutex, PoisonError};

use rand::seq::{SliceRandom, index};
use stepwise_data::random::stream;

use super::competence::competence;
use super::phase::{Phase, Visits};
use super::reshuffle::drawn;
use super::sampler::Plan;
use super::visits::Visit;

/// What an epoch visits.
#[derive(Debug)]
pub(super) struct Epoch {
    /// For the phase's own stages: one after the other, or with the easiest first where batches are drawn from them.
    fresh: Vec<Visit>,
    /// For stages of earlier phases.
    replayed: Vec<Visit>,
}

/// Seed, phase and epoch.
type Key = (u64, usize, usize);

type Made = Option<(Key, Arc<Epoch>)>;

/// The epoch that was asked for last.
#[derive(Clone, Debug, Default)]
pub(super) struct LastEpoch(Arc<Mutex<Made>>);

impl Plan {
    fn epoch(&self, (seed, phase, epoch): Key) -> Arc<Epoch> {
        let mut last = self.last.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((key, made)) = &*last
            && *key == (seed, phase, epoch)
        {
            return Arc::clone(made);
        }
        let draw = |what: &str| stream(seed, &["phase", what, &phase.to_string(), &epoch.to_string()]);
        let fresh = if self.phases[phase].visits == Visits::Competence {
            self.easiest_first(phase, draw)
        } else {
            self.order(phase, draw)
        };
        let replayed = self.replayed(phase, draw);
        let made = Arc::new(Epoch { fresh, replayed });
        *last = Some(((seed, phase, epoch), Arc::clone(&made)));
        made
    }

    /// The visits of one batch.
    pub(super) fn visits_of(&self, key: Key, step: usize) -> Vec<Visit> {
        let (seed, phase, epoch) = key;
        let parts = self.parts(phase, step);
        let made = self.epoch(key);
        let fresh = if self.phases[phase].visits == Visits::Competence {
            let done = epoch * self.steps_per_epoch(phase) + step;
            let count = parts.fresh.len();
            let share = competence(done, self.steps(phase));
            let eligible = (share * made.fresh.len() as f64).ceil() as usize;
            let eligible = eligible.clamp(count, made.fresh.len());
            let step = format!("step {step}");
            let mut draw = stream(seed, &["phase", &step, &phase.to_string(), &epoch.to_string()]);
            index::sample(&mut draw, eligible, count).into_iter().map(|place| made.fresh[place]).collect()
        } else {
            made.fresh[parts.fresh].to_vec()
        };
        [fresh, made.replayed[parts.replayed].to_vec()].concat()
    }

    /// The visits of an epoch in their order.
    fn order<R: rand::Rng>(&self, phase: usize, draw: impl Fn(&str) -> R) -> Vec<Visit> {
        let mut visits = self.visits(phase, &draw);
        let Phase { stages, visits: manner, .. } = &self.phases[phase];
        if *manner != Visits::Balanced {
            visits.shuffle(&mut draw("cases"));
            return visits;
        }
        let of_stage = |stage: &u8| visits.iter().filter(|visit| visit.stage == Some(*stage)).copied().collect();
        let rows: Vec<(u8, Vec<Visit>)> = stages.iter().map(|stage| (*stage, of_stage(stage))).collect();
        let rows: Vec<&(u8, Vec<Visit>)> = rows.iter().filter(|(_, row)| !row.is_empty()).collect();
        let turns = visits.len().div_ceil(rows.len().max(1));
        let rows: Vec<Vec<Visit>> = rows
            .iter()
            .map(|(stage, row)| drawn(row, 0..turns, |lap| draw(&format!("cases of stage {stage}, lap {lap}"))))
            .collect();
        (0..visits.len()).map(|place| rows[place % rows.len()][place / rows.len()]).collect()
    }
}
