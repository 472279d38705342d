//! Token statistics of all training examples, computed before the run. They show whether an example is longer than
//! `cutoff_len`, and which micro-batch is the largest.
//!
//! No image is decoded: the number of tiles depends only on the size of the image.

use std::collections::{BTreeMap, HashSet};

use stepwise_curriculum::run_plan::RunPlan;
use stepwise_recipe::Recipe;
use stepwise_vlm::processor::Processor;

use crate::batches::examples::{ExampleBuilder, ExampleError, MicroBatch};
use crate::cases::Cases;
use crate::progress::Progress;

/// Number of steps that one thread measures at a time.
const STEPS_AT_ONCE: u64 = 8;

/// Percentiles of counts, by the nearest-rank method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Percentiles {
    /// Median (50th percentile).
    pub p50: usize,
    /// 95th percentile.
    pub p95: usize,
    /// Maximum.
    pub max: usize,
}

/// Token statistics of one phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseTokenStats {
    /// Index of the phase in the recipe, from 0.
    pub phase: usize,
    /// Name of the phase.
    pub name: String,
    /// Number of optimiser steps.
    pub steps: u64,
    /// Number of training examples, with repetitions.
    pub examples: usize,
    /// Tokens per training example.
    pub tokens: Percentiles,
    /// Supervised tokens per training example.
    pub supervised: Percentiles,
    /// Image tokens per training example.
    pub image: Percentiles,
    /// Largest micro-batch of the phase.
    pub largest: LargestBatch,
}

/// Position and sizes of the micro-batch with most rows. All zero if there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargestBatch {
    /// Optimiser step, counted from 0.
    pub step: u64,
    /// Index among the micro-batches of the step, from 0.
    pub micro_batch: usize,
    /// Decoder rows (tokens) that are computed. A prefix shared by several examples counts once.
    pub rows: usize,
    /// Number of pixels of the image tiles.
    pub pixels: usize,
    /// Number of training examples.
    pub examples: usize,
    /// Number of cases; consecutive examples of one case count once.
    pub cases: usize,
    /// Number of supervised tokens, for which the model predicts a distribution.
    pub predictions: usize,
}

/// Token statistics of all training examples of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenStats {
    /// Phases in order. A phase that gets no step because of `max_steps` is missing.
    pub phases: Vec<PhaseTokenStats>,
    /// Pixels of the image tiles of the whole run; equal tiles count once.
    pub pixels: usize,
}

/// Token counts of one training example.
#[derive(Clone, Copy, Debug)]
struct Counts {
    tokens: usize,
    supervised: usize,
    image: usize,
}

/// Measurements of several steps, made by one thread.
#[derive(Default)]
struct Part {
    /// Phase index and token counts of each training example.
    examples: Vec<(usize, Counts)>,
    /// Largest micro-batch of each phase.
    largest: BTreeMap<usize, LargestBatch>,
    /// Digest of every tile and its number of pixels.
    tiles: HashSet<([u8; 32], usize)>,
    too_long: Option<(usize, String)>,
}

impl TokenStats {
    /// Measures every training example of every step of `run_plan`, on all CPU threads.
    ///
    /// # Errors
    /// When a training example cannot be encoded, or has more tokens than `cutoff_len` or than the model has `positions`.
    /// Examples are never truncated; the error names the longest one.
    pub fn new(
        recipe: &Recipe,
        cases: &Cases,
        run_plan: &RunPlan,
        (processor, positions): (&Processor, usize),
        progress: &mut dyn Progress,
    ) -> Result<Self, ExampleError> {
        let starts: Vec<u64> = (0..run_plan.total).step_by(STEPS_AT_ONCE as usize).collect();
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let mut parts = Vec::with_capacity(starts.len());
        for round in starts.chunks(threads) {
            let measured: Vec<Result<Part, ExampleError>> = std::thread::scope(|scope| {
                let measure = |start: u64| {
                    let end = (start + STEPS_AT_ONCE).min(run_plan.total);
                    move || Part::of(recipe, cases, run_plan, (processor, positions), start..end)
                };
                let threads: Vec<_> = round.iter().map(|start| scope.spawn(measure(*start))).collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            });
            for part in measured {
                parts.push(part?);
            }
            let done = round.last().map_or(0, |start| (start + STEPS_AT_ONCE).min(run_plan.total));
            progress.advance("measuring training examples", done, run_plan.total);
        }
        let too_long = parts.iter().filter_map(|part| part.too_long.clone());
        if let Some((tokens, name)) = too_long.reduce(|most, other| if other.0 > most.0 { other } else { most }) {
            let cutoff_len = recipe.cutoff_len;
            return Err(if tokens > cutoff_len {
                ExampleError::TooLong { name, tokens, cutoff_len }
            } else {
                ExampleError::BeyondPositions { name, tokens, positions }
            });
        }
        Ok(Self::joined(recipe, run_plan, &parts))
    }

    fn joined(recipe: &Recipe, run_plan: &RunPlan, parts: &[Part]) -> Self {
        let mut token_stats = Self::default();
        for (index, phase) in recipe.curriculum.phase.iter().enumerate() {
            let examples: Vec<Counts> =
                parts.iter().flat_map(|part| &part.examples).filter(|(of, _)| *of == index).map(|(_, c)| *c).collect();
            let steps = (0..run_plan.total).filter(|step| run_plan.at(*step).phase == index).count() as u64;
            if steps == 0 {
                continue;
            }
            token_stats.phases.push(PhaseTokenStats {
                phase: index,
                name: phase.name.clone(),
                steps,
                examples: examples.len(),
                tokens: Percentiles::of(examples.iter().map(|example| example.tokens)),
                supervised: Percentiles::of(examples.iter().map(|example| example.supervised)),
                image: Percentiles::of(examples.iter().map(|example| example.image)),
                largest: LargestBatch::of(parts.iter().filter_map(|part| part.largest.get(&index))),
            });
        }
        let tiles: HashSet<_> = parts.iter().flat_map(|part| &part.tiles).collect();
        token_stats.pixels = tiles.into_iter().map(|(_, pixels)| pixels).sum();
        token_stats
    }

    /// Returns the largest micro-batch of the run; all zero without phases.
    #[must_use]
    pub fn largest(&self) -> LargestBatch {
        LargestBatch::of(self.phases.iter().map(|phase| &phase.largest))
    }

    /// Returns the number of tokens of the longest training example; 0 without phases.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.phases.iter().map(|phase| phase.tokens.max).max().unwrap_or(0)
    }
}

impl Part {
    fn of(
        recipe: &Recipe,
        cases: &Cases,
        run_plan: &RunPlan,
        (processor, positions): (&Processor, usize),
        steps: std::ops::Range<u64>,
    ) -> Result<Self, ExampleError> {
        let examples = ExampleBuilder::new(recipe, cases, processor)?;
        let mut part = Self::default();
        for step in steps {
            let place = run_plan.at(step);
            let plan = run_plan.micro_batches(place, recipe.train.per_device_train_batch_size);
            for (micro_batch, samples) in plan.iter().enumerate() {
                let together: Vec<_> =
                    samples.iter().flat_map(|sample| examples.without_pixels(place, *sample)).collect();
                // No length limit here, because the error names the longest example of the whole run.
                let packed = MicroBatch::new(processor, &together, recipe.train.share_prefix, usize::MAX)?;
                let layout = &packed.batch.layout;
                part.tiles.extend(packed.batch.distinct_tiles());
                for (index, built) in together.iter().enumerate().take(packed.names.len()) {
                    let tokens = layout.lengths[index];
                    let of = |prediction: &&stepwise_vlm::packed_sequences::Prediction| prediction.sequence == index;
                    let supervised = layout.predictions.iter().filter(of).count();
                    let grids = built.example.grids();
                    let image = grids.iter().map(|grid| processor.image_tokens(*grid)).sum();
                    part.examples.push((place.phase, Counts { tokens, supervised, image }));
                }
                // Options that are only scored count, too.
                let mut longest = part.too_long.as_ref().map_or(recipe.cutoff_len.min(positions), |(most, _)| *most);
                while let Some((name, tokens)) = packed.too_long(longest) {
                    longest = tokens;
                    part.too_long = Some((tokens, name.to_owned()));
                }
                let largest = part.largest.entry(place.phase).or_default();
                if layout.rows() > largest.rows {
                    let mut cases: Vec<usize> = samples.iter().map(|sample| sample.case).collect();
                    cases.dedup();
                    *largest = LargestBatch {
                        step,
                        micro_batch,
                        rows: layout.rows(),
                        pixels: packed.batch.pixels(),
                        examples: together.len(),
                        cases: cases.len(),
                        predictions: layout.predictions.len(),
                    };
                }
            }
        }
        Ok(part)
    }
}

impl LargestBatch {
    /// Returns the element with most rows, and the first one of equals. Returns zeros for an empty iterator.
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |most, other| if other.rows > most.rows { *other } else { most })
    }
}

impl Percentiles {
    /// Percentiles by nearest rank; zeros if there are no counts.
    fn of(counts: impl Iterator<Item = usize>) -> Self {
        let mut counts: Vec<usize> = counts.collect();
        counts.sort_unstable();
        let rank =
            |percent: usize| counts.get((counts.len() * percent).div_ceil(100).saturating_sub(1)).copied().unwrap_or(0);
        Self { p50: rank(50), p95: rank(95), max: rank(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks() {
        let spread = |counts: &[usize]| Percentiles::of(counts.iter().copied());
        assert_eq!(spread(&[]), Percentiles::default());
        assert_eq!(spread(&[7]), Percentiles { p50: 7, p95: 7, max: 7 });
        let hundred: Vec<usize> = (1..=100).rev().collect();
        assert_eq!(spread(&hundred), Percentiles { p50: 50, p95: 95, max: 100 });
        assert_eq!(spread(&[1, 2, 3]), Percentiles { p50: 2, p95: 3, max: 3 });
    }
}
