//! Seeded random draws. The mapping from random bits to values is written out here, so that cases stay byte-identical
//! when a random-number crate changes its own mapping.

use rand::RngCore;
use rand_chacha::ChaCha8Rng;

use crate::random::stream;

/// Random draws for one purpose of one case; streams of different purposes are independent.
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// Makes the draws for one purpose of case `index`. Equal arguments give equal draws.
    pub(super) fn new(seed: u64, purpose: &str, index: u64) -> Self {
        Self(stream(seed, &["synth", purpose, &index.to_string()]))
    }

    /// Draws a number uniformly from `[0, 1)`, a multiple of 2^-53.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Draws a number uniformly from `low` to `high`.
    pub(super) fn within(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Draws true with the given probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Draws a number uniformly from `0..count`; 0 for a count of 0.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.unit() * count as f64) as usize
    }

    /// Draws one of `values` uniformly.
    ///
    /// # Panics
    /// When there are no values.
    pub(super) fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Brings `values` into random order, in place.
    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }

    /// Draws the seed of a noise field.
    pub(super) fn seed(&mut self) -> u32 {
        self.0.next_u32()
    }
}
