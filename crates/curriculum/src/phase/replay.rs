//! Questions of earlier phases' stages, mixed into later ones.

use std::ops::Range;

use super::laps::drawn;
use super::plan::{Plan, Sample};

impl Plan {
    /// What is replayed beside these of an epoch's fresh questions, counted from 0: spread over the epoch in step with them.
    pub(super) fn replayed<R: rand::Rng>(
        &self,
        phase: usize,
        fresh: Range<usize>,
        key: impl Fn(&str) -> R,
    ) -> Vec<Sample> {
        let share = self.phases[phase].replay;
        if share == 0.0 {
            return Vec::new();
        }
        let due = |fresh: usize| (fresh as f64 * (share / (1.0 - share))).round() as usize;
        let earlier = self.replayed_stages(phase);
        let pool: Vec<Sample> = (0..self.stages.len()).flat_map(|case| self.items(case, &earlier)).collect();
        drawn(&pool, due(fresh.start)..due(fresh.end), |lap| key(&format!("replay {lap}")))
    }

    /// Stages of earlier phases that this one lacks.
    pub(super) fn replayed_stages(&self, phase: usize) -> Vec<u8> {
        let earlier = self.phases[..phase].iter().flat_map(|earlier| &earlier.stages);
        earlier.copied().filter(|stage| !self.phases[phase].stages.contains(stage)).collect()
    }
}
