//! The cluster bootstrap: whole groups are drawn with replacement, and the 2.5th and 97.5th percentile of the statistic
//! over the draws bound its interval (Efron and Tibshirani, 1993; Field and Welsh, 2007).
//!
//! Where a model was trained with several seeds, each draw also takes seeds with replacement, and the drawn groups
//! are the same for all seeds. All seeds were evaluated on the same cases, so more seeds do not mean more cases. The
//! interval bounds the mean over the drawn seeds. With few seeds, such as three, the spread between seeds is
//! estimated badly.
//!
//! A statistic is a function of sums over items. The sums are formed once per group, so a draw costs one addition per
//! group and not one per question. All statistics share each draw, so their differences are paired.

use std::panic::resume_unwind;
use std::thread;

use rand::Rng;
use stepwise_data::random::stream;

/// Function of column sums; None where its value is not defined, such as a share of zero items.
pub type Formula = Box<dyn Fn(&[f64]) -> Option<f64> + Send + Sync>;

/// A statistic that is a function of sums over groups.
pub struct Statistic {
    /// `columns[c][g]` is the sum of column `c` over the items of group `g`.
    pub columns: Vec<Vec<f64>>,
    /// Formula applied to the sums of all columns over all groups.
    pub formula: Formula,
}

impl Statistic {
    /// Returns the value over all groups; None where it is not defined or not finite.
    #[must_use]
    pub fn value(&self) -> Option<f64> {
        let totals: Vec<f64> = self.columns.iter().map(|column| column.iter().sum()).collect();
        (self.formula)(&totals).filter(|value| value.is_finite())
    }
}

/// Settings of the bootstrap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bootstrap {
    /// Number of draws; with 0 there are no intervals.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
    /// Share of the draws inside the interval, 0 to 1.
    pub level: f64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: 10_000, seed: 0, level: 0.95 }
    }
}

/// Number of draws per random generator. A chunk is the unit of work of a thread, so results do not depend on the
/// number of threads.
const CHUNK: usize = 250;

impl Bootstrap {
    /// Returns the percentile interval `[low, high]` of every statistic. Draws in which a statistic is not defined are
    /// left out of its percentiles. None where more than half of the draws are left out, where there are fewer than two
    /// groups, or without draws.
    #[must_use]
    pub fn intervals(&self, statistics: &[Statistic], groups: usize) -> Vec<Option<[f64; 2]>> {
        self.intervals_over_seeds(&[statistics.iter().collect()], groups)
    }

    /// Returns the percentile intervals of the means over seeds, with None as in [`Self::intervals`]. `seeds[s][m]` is
    /// statistic `m` of seed `s`. All seeds have the same statistics over the same groups.
    ///
    /// # Panics
    /// When `seeds` is empty.
    #[must_use]
    pub fn intervals_over_seeds(&self, seeds: &[Vec<&Statistic>], groups: usize) -> Vec<Option<[f64; 2]>> {
        let statistics = seeds[0].len();
        if groups < 2 || self.resamples == 0 {
            return vec![None; statistics];
        }
        let all = || seeds.iter().flatten();
        let width: usize = all().map(|statistic| statistic.columns.len()).sum();
        // [groups, width]: one draw adds whole rows.
        let mut rows = vec![0.0; groups * width];
        for (place, column) in all().flat_map(|statistic| &statistic.columns).enumerate() {
            for (group, value) in column.iter().enumerate().take(groups) {
                rows[group * width + place] = *value;
            }
        }
        let chunks = self.resamples.div_ceil(CHUNK);
        let workers = thread::available_parallelism().map_or(1, usize::from).min(chunks);
        let mut drawn: Vec<Vec<f64>> = vec![Vec::with_capacity(self.resamples); statistics];
        thread::scope(|scope| {
            let rows = &rows;
            let running: Vec<_> = (0..workers)
                .map(|worker| {
                    scope.spawn(move || {
                        (worker..chunks)
                            .step_by(workers)
                            .map(|chunk| self.chunk(chunk, seeds, rows, groups, width))
                            .collect::<Vec<_>>()
                    })
                })
                .collect();
            for values in
                running.into_iter().flat_map(|worker| worker.join().unwrap_or_else(|panic| resume_unwind(panic)))
            {
                for (all, part) in drawn.iter_mut().zip(values) {
                    all.extend(part);
                }
            }
        });
        drawn.into_iter().map(|values| self.percentiles(values)).collect()
    }

    /// Defined values of every statistic over one chunk of draws.
    fn chunk(
        &self,
        chunk: usize,
        seeds: &[Vec<&Statistic>],
        rows: &[f64],
        groups: usize,
        width: usize,
    ) -> Vec<Vec<f64>> {
        let mut rng = stream(self.seed, &["cluster_bootstrap", &chunk.to_string()]);
        let mut seed_rng = stream(self.seed, &["seed_bootstrap", &chunk.to_string()]);
        let mut seed_times = vec![1u32; seeds.len()];
        let mut values = vec![Vec::with_capacity(CHUNK); seeds[0].len()];
        let mut means = vec![Some(0.0); seeds[0].len()];
        let mut times = vec![0u32; groups];
        let mut totals = vec![0.0; width];
        for _ in 0..CHUNK.min(self.resamples - chunk * CHUNK) {
            times.fill(0);
            for _ in 0..groups {
                times[rng.random_range(0..groups)] += 1;
            }
            totals.fill(0.0);
            for (row, &times) in rows.chunks_exact(width.max(1)).zip(&times).filter(|(_, times)| **times > 0) {
                let times = f64::from(times);
                totals.iter_mut().zip(row).for_each(|(total, value)| *total += times * value);
            }
            if seeds.len() > 1 {
                seed_times.fill(0);
                for _ in 0..seeds.len() {
                    seed_times[seed_rng.random_range(0..seeds.len())] += 1;
                }
            }
            means.fill(Some(0.0));
            let mut rest = totals.as_slice();
            for (of_seed, &times) in seeds.iter().zip(&seed_times) {
                let share = f64::from(times) / seeds.len() as f64;
                for (statistic, mean) in of_seed.iter().zip(&mut means) {
                    let (own, after) = rest.split_at(statistic.columns.len());
                    rest = after;
                    if times > 0 {
                        let value = (statistic.formula)(own).filter(|value| value.is_finite());
                        *mean = mean.zip(value).map(|(mean, value)| mean + share * value);
                    }
                }
            }
            means.iter().zip(&mut values).for_each(|(mean, values)| values.extend(mean));
        }
        values
    }

    fn percentiles(&self, mut values: Vec<f64>) -> Option<[f64; 2]> {
        if values.len() * 2 < self.resamples || values.is_empty() {
            return None;
        }
        values.sort_unstable_by(f64::total_cmp);
        let tail = (1.0 - self.level) / 2.0;
        Some([quantile(&values, tail), quantile(&values, 1.0 - tail)])
    }
}

/// Quantile of sorted values with linear interpolation between neighbours (type 7 of Hyndman and Fan, 1996).
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let (below, above) = (sorted[place.floor() as usize], sorted[place.ceil() as usize]);
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(columns: Vec<Vec<f64>>) -> Statistic {
        Statistic { columns, formula: Box::new(|t| (t[1] > 0.0).then(|| t[0] / t[1])) }
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_central_limit() {
        // 400 single-item groups, half of them right: standard error 0.025.
        let right: Vec<f64> = (0..400).map(|g| f64::from(g % 2)).collect();
        let bootstrap = Bootstrap::default();
        let [low, high] = bootstrap.intervals(&[mean(vec![right, vec![1.0; 400]])], 400)[0].expect("defined");
        assert!(
            (low - (0.5 - 1.96 * 0.025)).abs() < 0.003 && (high - (0.5 + 1.96 * 0.025)).abs() < 0.003,
            "{low} {high}"
        );
    }

    #[test]
    fn clusters_widen_the_interval_and_ignoring_them_would_not() {
        // The same 400 answers in 100 groups of four equal answers: the standard error doubles.
        let right: Vec<f64> = (0..100).map(|g| f64::from(g % 2) * 4.0).collect();
        let [low, high] =
            Bootstrap::default().intervals(&[mean(vec![right, vec![4.0; 100]])], 100)[0].expect("defined");
        assert!((high - low - 2.0 * 1.96 * 0.05).abs() < 0.012, "{low} {high}");
    }

    #[test]
    fn seeds_that_agree_change_nothing_and_seeds_that_differ_widen_the_interval() {
        let groups = 200;
        let seed = |right: fn(usize) -> f64| vec![mean(vec![(0..groups).map(right).collect(), vec![1.0; groups]])];
        let half = |g: usize| f64::from(g as u32 % 2);
        let bootstrap = Bootstrap::default();
        let width = |seeds: &[Vec<Statistic>]| {
            let seeds: Vec<Vec<&Statistic>> = seeds.iter().map(|of_seed| of_seed.iter().collect()).collect();
            let [low, high] = bootstrap.intervals_over_seeds(&seeds, groups)[0].expect("defined");
            high - low
        };
        let one = width(&[seed(half)]);
        // Three seeds with equal answers to the same cases carry no more information than one.
        assert!((width(&[seed(half), seed(half), seed(half)]) - one).abs() < 1e-12);
        // One seed is always right and one always wrong: the spread between seeds dominates.
        let apart = width(&[seed(|_| 1.0), seed(|_| 0.0), seed(half)]);
        assert!(apart > 0.9 && apart > 3.0 * one, "{apart} {one}");
    }

    #[test]
    fn a_difference_of_equals_is_exactly_zero_in_every_draw() {
        let right: Vec<f64> = (0..30).map(|g| f64::from(g % 3)).collect();
        let both = Statistic { columns: vec![right.clone(), right], formula: Box::new(|t| Some(t[0] - t[1])) };
        assert_eq!(Bootstrap::default().intervals(&[both], 30), [Some([0.0, 0.0])]);
    }

    #[test]
    fn what_is_mostly_undefined_has_no_interval() {
        let rare = mean(vec![vec![0.0; 50], [vec![1.0], vec![0.0; 49]].concat()]);
        assert!(rare.value().is_some());
        // One group of fifty holds the only item: 36 % of the draws miss it, and enough stay.
        assert_eq!(Bootstrap::default().intervals(&[rare], 50), [Some([0.0, 0.0])]);
        let never = mean(vec![vec![0.0; 50], vec![0.0; 50]]);
        assert_eq!((never.value(), Bootstrap::default().intervals(&[never], 50)), (None, vec![None]));
    }
}
