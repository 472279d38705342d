//! Difference of two arms over seeds, with its interval and its tests over patients, questions and seeds.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::Metric;
use stepwise_benchmark::stats::{Cells, FEWEST_SEEDS, SeedInference, Statistic, infer_over_seeds};
use stepwise_benchmark::summary::Estimate;

/// Difference of one arm minus the reference in one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean over seeds. Interval and p-value hold for other patients, other questions and other seeds. The p-value is
    /// adjusted by Holm over all arms and primary endpoints, or by Benjamini and Hochberg over all other comparisons;
    /// planned comparisons whose runs are not finished count as well.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Difference in each seed that both arms have.
    pub by_seed: Vec<Option<f64>>,
    /// Number of seeds whose difference has the sign of the mean.
    pub agreeing: usize,
    /// p-value over patients and questions alone, with the seeds fixed; `None` where the variance is not defined.
    pub p_fixed_seeds: Option<f64>,
    /// p-value of Student's t over the seeds; `None` with one seed, or where all seeds have the same difference.
    pub p_seeds: Option<f64>,
}

impl Difference {
    /// Returns whether a claim may rest on the difference: the estimate is clear, and there are [`FEWEST_SEEDS`] seeds
    /// or more.
    #[must_use]
    pub fn is_clear(&self) -> bool {
        self.estimate.is_clear() && !self.is_exploratory()
    }

    /// Returns whether the difference has fewer than [`FEWEST_SEEDS`] seeds, too few for a claim.
    #[must_use]
    pub fn is_exploratory(&self) -> bool {
        self.by_seed.len() < FEWEST_SEEDS
    }

    /// Returns the differences of all metrics, with p-values that are not adjusted yet. `pairs` holds the metrics of
    /// the arm and of the reference in each seed.
    pub(super) fn all(pairs: Vec<(Vec<Metric>, Vec<Metric>)>, cells: &Cells) -> Vec<Option<Self>> {
        let less = |(own, theirs): (Vec<Metric>, Vec<Metric>)| -> Vec<Metric> {
            own.into_iter().zip(theirs).map(|(own, theirs)| Metric::difference(own, theirs)).collect()
        };
        let seeds: Vec<Vec<Metric>> = pairs.into_iter().map(less).collect();
        let found = |place: usize| {
            let SeedInference { all, p_fixed_seeds, p_seeds } = over_seeds(&seeds, place, cells)?;
            let by_seed = values(&seeds, place);
            Some(Self {
                estimate: Estimate::of_difference(Some(all), seeds[0][place].n),
                agreeing: by_seed.iter().flatten().filter(|value| **value * all.value > 0.0).count(),
                by_seed,
                p_fixed_seeds,
                p_seeds,
            })
        };
        (0..seeds.first().map_or(0, Vec::len)).map(found).collect()
    }
}

fn over_seeds(seeds: &[Vec<Metric>], place: usize, cells: &Cells) -> Option<SeedInference> {
    let statistics: Vec<&Statistic> = seeds.iter().map(|metrics| &metrics[place].statistic).collect();
    infer_over_seeds(&statistics, cells)
}

/// Returns the mean over seeds of every metric with its interval; empty without seeds.
pub(super) fn estimates(seeds: &[Vec<Metric>], cells: &Cells) -> Vec<Estimate> {
    let Some(first) = seeds.first() else { return Vec::new() };
    let estimate = |(place, metric): (usize, &Metric)| {
        Estimate::of_value(over_seeds(seeds, place, cells).map(|found| found.all), metric.n)
    };
    first.iter().enumerate().map(estimate).collect()
}

/// Returns the value of one metric in each seed.
pub(super) fn values(seeds: &[Vec<Metric>], place: usize) -> Vec<Option<f64>> {
    seeds.iter().map(|metrics| metrics[place].statistic.value()).collect()
}
