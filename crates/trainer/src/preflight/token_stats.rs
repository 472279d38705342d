//! Every lesson of a run measured before the run: none is longer than `cutoff_len`, and the largest micro-batch is known.
//!
//! No picture is decoded for it: how many tiles a picture becomes is a function of its size.

use std::collections::{BTreeMap, HashSet};

use stepwise_curriculum::run_plan::Course;
use stepwise_recipe::Recipe;
use stepwise_vlm::processor::Processor;

use crate::batches::examples::{LessonError, Lessons, MicroBatch};
use crate::cases::Cases;
use crate::progress::Progress;

/// Steps measured by one thread at a time.
const STEPS_AT_ONCE: u64 = 8;

/// Of some counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    /// Half of them are at most this.
    pub p50: usize,
    /// 95 of 100 are at most this.
    pub p95: usize,
    /// All are at most this.
    pub max: usize,
}

/// One phase.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhaseSurvey {
    /// Its place among the recipe's phases.
    pub phase: usize,
    /// Its name.
    pub name: String,
    /// Optimiser steps.
    pub steps: u64,
    /// Questions learned, each as often as it is.
    pub lessons: usize,
    /// Tokens of a lesson.
    pub tokens: Spread,
    /// Of those, tokens that are learned.
    pub supervised: Spread,
    /// Of those, features of pictures.
    pub image: Spread,
    /// Its largest micro-batch.
    pub largest: Largest,
}

/// A forward and backward pass that takes as much as any other of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Largest {
    /// The step it belongs to, counted from 0.
    pub step: u64,
    /// Its place among the step's micro-batches.
    pub micro_batch: usize,
    /// Rows computed, what lessons share counted once.
    pub rows: usize,
    /// Tiles of pictures.
    pub tiles: usize,
    /// Lessons.
    pub lessons: usize,
    /// Cases.
    pub cases: usize,
    /// Tokens predicted.
    pub predictions: usize,
}

/// All lessons of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// In order; those that `max_steps` leaves no step are missing.
    pub phases: Vec<PhaseSurvey>,
    /// Tiles of all pictures shown, equal ones once.
    pub tiles: usize,
}

/// Counts of one lesson.
#[derive(Clone, Copy, Debug)]
struct Counts {
    tokens: usize,
    supervised: usize,
    image: usize,
}

/// What some steps came to.
#[derive(Default)]
struct Part {
    /// Phase, and the counts of its lessons.
    lessons: Vec<(usize, Counts)>,
    /// Of each phase.
    largest: BTreeMap<usize, Largest>,
    tiles: HashSet<[u8; 32]>,
    too_long: Option<(usize, String)>,
}

impl Survey {
    /// Measures every lesson of every step of `course`.
    ///
    /// # Errors
    /// When a lesson cannot be encoded, or has more than `cutoff_len` tokens: nothing is ever cut.
    pub fn new(
        recipe: &Recipe,
        cases: &Cases,
        course: &Course,
        processor: &Processor,
        progress: &mut dyn Progress,
    ) -> Result<Self, LessonError> {
        let starts: Vec<u64> = (0..course.total).step_by(STEPS_AT_ONCE as usize).collect();
        let threads = std::thread::available_parallelism().map_or(1, Into::into);
        let mut parts = Vec::with_capacity(starts.len());
        for round in starts.chunks(threads) {
            let measured: Vec<Result<Part, LessonError>> = std::thread::scope(|scope| {
                let measure = |start: u64| {
                    let end = (start + STEPS_AT_ONCE).min(course.total);
                    move || Part::of(recipe, cases, course, processor, start..end)
                };
                let threads: Vec<_> = round.iter().map(|start| scope.spawn(measure(*start))).collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined.map(|part| part.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            });
            for part in measured {
                parts.push(part?);
            }
            let done = round.last().map_or(0, |start| (start + STEPS_AT_ONCE).min(course.total));
            progress.advance("measuring lessons", done, course.total);
        }
        let too_long = parts.iter().filter_map(|part| part.too_long.clone());
        if let Some((tokens, name)) = too_long.reduce(|most, other| if other.0 > most.0 { other } else { most }) {
            return Err(LessonError::TooLong { name, tokens, cutoff_len: recipe.cutoff_len });
        }
        Ok(Self::joined(recipe, course, &parts))
    }

    fn joined(recipe: &Recipe, course: &Course, parts: &[Part]) -> Self {
        let mut survey = Self::default();
        for (index, phase) in recipe.curriculum.phase.iter().enumerate() {
            let lessons: Vec<Counts> =
                parts.iter().flat_map(|part| &part.lessons).filter(|(of, _)| *of == index).map(|(_, c)| *c).collect();
            let steps = (0..course.total).filter(|step| course.at(*step).phase == index).count() as u64;
            if steps == 0 {
                continue;
            }
            survey.phases.push(PhaseSurvey {
                phase: index,
                name: phase.name.clone(),
                steps,
                lessons: lessons.len(),
                tokens: Spread::of(lessons.iter().map(|lesson| lesson.tokens)),
                supervised: Spread::of(lessons.iter().map(|lesson| lesson.supervised)),
                image: Spread::of(lessons.iter().map(|lesson| lesson.image)),
                largest: Largest::of(parts.iter().filter_map(|part| part.largest.get(&index))),
            });
        }
        survey.tiles = parts.iter().flat_map(|part| &part.tiles).collect::<HashSet<_>>().len();
        survey
    }

    /// The largest micro-batch of the run.
    #[must_use]
    pub fn largest(&self) -> Largest {
        Largest::of(self.phases.iter().map(|phase| &phase.largest))
    }

    /// Tokens of the longest lesson.
    #[must_use]
    pub fn longest(&self) -> usize {
        self.phases.iter().map(|phase| phase.tokens.max).max().unwrap_or(0)
    }
}

impl Part {
    fn of(
        recipe: &Recipe,
        cases: &Cases,
        course: &Course,
        processor: &Processor,
        steps: std::ops::Range<u64>,
    ) -> Result<Self, LessonError> {
        let lessons = Lessons::new(recipe, cases, processor);
        let mut part = Self::default();
        for step in steps {
            let place = course.at(step);
            let plan = course.micro_batches(place, recipe.train.per_device_train_batch_size);
            for (micro_batch, samples) in plan.iter().enumerate() {
                let together: Vec<_> = samples.iter().map(|sample| lessons.outline(place, *sample)).collect();
                // Any length: the longest of the run is what the error names.
                let packed = MicroBatch::new(processor, &together, recipe.train.share_prefix, usize::MAX)?;
                let layout = &packed.batch.layout;
                part.tiles.extend(packed.batch.tile_digests());
                for (index, name) in packed.names.iter().enumerate() {
                    let tokens = layout.lengths[index];
                    let of = |prediction: &&stepwise_vlm::packed_sequences::Prediction| prediction.sequence == index;
                    let supervised = layout.predictions.iter().filter(of).count();
                    let tiles: usize = together[index].example.grids().iter().map(|grid| grid.tiles()).sum();
                    let image = tiles * processor.image_seq_len();
                    part.lessons.push((place.phase, Counts { tokens, supervised, image }));
                    let longest = part.too_long.as_ref().map_or(recipe.cutoff_len, |(longest, _)| *longest);
                    if tokens > longest {
                        part.too_long = Some((tokens, name.clone()));
                    }
                }
                let largest = part.largest.entry(place.phase).or_default();
                if layout.rows() > largest.rows {
                    let mut cases: Vec<usize> = samples.iter().map(|sample| sample.case).collect();
                    cases.dedup();
                    *largest = Largest {
                        step,
                        micro_batch,
                        rows: layout.rows(),
                        tiles: packed.batch.tiles(),
                        lessons: together.len(),
                        cases: cases.len(),
                        predictions: layout.predictions.len(),
                    };
                }
            }
        }
        Ok(part)
    }
}

impl Largest {
    /// The first of the largest of them; nothing of none.
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        all.fold(Self::default(), |most, other| if other.rows > most.rows { *other } else { most })
    }
}

impl Spread {
    /// By nearest rank; zeros of nothing.
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
    fn ranks_are_the_nearest() {
        let spread = |counts: &[usize]| Spread::of(counts.iter().copied());
        assert_eq!(spread(&[]), Spread::default());
        assert_eq!(spread(&[7]), Spread { p50: 7, p95: 7, max: 7 });
        let hundred: Vec<usize> = (1..=100).rev().collect();
        assert_eq!(spread(&hundred), Spread { p50: 50, p95: 95, max: 100 });
        assert_eq!(spread(&[1, 2, 3]), Spread { p50: 2, p95: 3, max: 3 });
    }
}
