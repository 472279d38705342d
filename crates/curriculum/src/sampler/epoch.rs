//! The ordered visits of an epoch: a pure function of (seed, phase, epoch). The last epoch is cached, because it is
//! used batch by batch.

use std::sync::{Arc, Mutex, PoisonError};

use rand::seq::{SliceRandom, index};
use stepwise_data::random::stream;

use super::Sampler;
use super::competence::competence;
use super::visits::Visit;
use crate::phase::{Phase, Visits};
use crate::reshuffle::drawn;

/// Visits of an epoch.
#[derive(Debug)]
pub(super) struct Epoch {
    /// Visits for the phase's own stages, in the order in which they are used. For [`Visits::Competence`] the easiest
    /// come first, and batches are drawn from them.
    fresh: Vec<Visit>,
    /// Visits for stages of earlier phases, in the order in which they are used.
    replayed: Vec<Visit>,
}

/// Seed, phase and epoch.
type Key = (u64, usize, usize);

type Made = Option<(Key, Arc<Epoch>)>;

/// Cache of the epoch that was used last.
#[derive(Clone, Debug, Default)]
pub(super) struct LastEpoch(Arc<Mutex<Made>>);

impl Sampler {
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

    /// Returns the visits of batch `step` of the epoch that `key` names (seed, phase and epoch): first the visits for
    /// the phase's own stages, then the replayed ones. Keeps the epoch for the next batches.
    ///
    /// # Panics
    /// When there is no such phase.
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

    /// Returns the visits of an epoch for the phase's own stages in random order. For [`Visits::RoundRobin`] the stages
    /// take turns.
    fn order<R: rand::Rng>(&self, phase: usize, draw: impl Fn(&str) -> R) -> Vec<Visit> {
        let mut visits = self.visits(phase, &draw);
        let Phase { stages, visits: manner, .. } = &self.phases[phase];
        if *manner != Visits::RoundRobin {
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
