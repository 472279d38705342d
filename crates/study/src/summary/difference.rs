//! Difference of two arms over seeds, with intervals and tests over groups and over questions.
//!
//! Clustering by group alone is not enough. The same few dozen questions are asked about many cases, and a model that
//! hardly uses the image gives one answer to a question in all cases. A change on a single question then counts once
//! per case, and a difference looks certain that holds for this sample of questions only. A claim must hold for other
//! questions as well (Clark, 1973, for words in studies of language). Therefore p is the larger of the two p-values,
//! which is an intersection-union test (Berger, 1982), and a claim needs both intervals to exclude zero.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::Metric;
use stepwise_benchmark::stats::swap::swap;
use stepwise_benchmark::stats::{Bootstrap, Statistic};
use stepwise_benchmark::summary::Estimate;

/// Difference of one arm minus the reference in one endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Mean over seeds; the interval draws seeds and groups.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Interval that draws seeds and questions and holds lines of effective robustness fixed. `None` for metrics of
    /// whole chains, which combine several questions, and where outcomes do not record their question.
    pub over_questions: Option<[f64; 2]>,
    /// Difference in each seed that both arms have; `None` where it is not defined.
    pub by_seed: Vec<Option<f64>>,
    /// Number of seeds whose difference has the sign of the mean.
    pub agreeing: usize,
    /// p-value, 0 to 1, of the swap test over groups; `None` where there is no test for the metric.
    pub p_groups: Option<f64>,
    /// p-value of the swap test over questions; `None` where there is no interval over questions.
    pub p_questions: Option<f64>,
    /// [`Difference::p`] adjusted: by Holm over all arms and primary endpoints, by Benjamini and Hochberg over all
    /// other comparisons. Planned comparisons whose runs are not finished count as well. `None` where there is no
    /// p-value.
    pub p_adjusted: Option<f64>,
}

impl Difference {
    /// Returns the larger of the two p-values; `None` where there is no test over groups.
    #[must_use]
    pub fn p(&self) -> Option<f64> {
        self.p_groups.map(|p| self.p_questions.map_or(p, |other| p.max(other)))
    }

    /// Returns whether a claim may rest on the difference: adjusted p below 0.05, and both intervals exclude zero.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let excludes_zero = |[low, high]: [f64; 2]| low > 0.0 || high < 0.0;
        self.p_adjusted.is_some_and(|p| p < 0.05)
            && self.estimate.ci.is_some_and(excludes_zero)
            && self.over_questions.is_none_or(excludes_zero)
    }

    /// Differences of all metrics; the p-values are not adjusted yet.
    pub(super) fn all(over_groups: Clustered, over_questions: Option<Clustered>) -> Vec<Option<Self>> {
        let found = |(place, estimate): (usize, Estimate)| {
            let mean = estimate.value?;
            let by_seed = values(&over_groups.differences, place);
            let agreeing = by_seed.iter().flatten().filter(|value| **value * mean > 0.0).count();
            let p_groups = over_groups.p[place];
            Some(Self {
                estimate,
                over_questions: over_questions.as_ref().and_then(|over| over.estimates[place].ci),
                by_seed,
                agreeing,
                p_groups,
                p_questions: over_questions.as_ref().and_then(|over| over.p[place]),
                p_adjusted: None,
            })
        };
        over_groups.estimates.iter().copied().enumerate().map(found).collect()
    }
}

/// Metrics of two sides in one seed.
pub(super) type Sides = (Vec<Metric>, Vec<Metric>);

/// First side minus second side over seeds, for every metric, clustered by groups or by questions.
pub(super) struct Clustered {
    /// Differences by seed and metric.
    differences: Vec<Vec<Metric>>,
    estimates: Vec<Estimate>,
    p: Vec<Option<f64>>,
}

impl Clustered {
    /// Tests `tested` by swaps of groups and makes intervals of `drawn` by draws of groups. Both hold the same seeds.
    pub(super) fn new(tested: &[Sides], drawn: Vec<Sides>, groups: usize, bootstrap: &Bootstrap, seed: u64) -> Self {
        let less = |(own, theirs): Sides| own.into_iter().zip(theirs).map(|(a, b)| Metric::difference(a, b)).collect();
        let differences: Vec<Vec<Metric>> = drawn.into_iter().map(less).collect();
        let estimates = bounded(&differences, bootstrap, groups);
        let swapped = |(place, estimate): (usize, &Estimate)| {
            estimate.value?;
            let pairs: Vec<_> =
                tested.iter().map(|(own, theirs)| (&theirs[place].statistic, &own[place].statistic)).collect();
            swap(&pairs, groups, seed)
        };
        let p = estimates.iter().enumerate().map(swapped).collect();
        Self { differences, estimates, p }
    }
}

/// Returns the mean over seeds of every metric with its interval.
pub(super) fn bounded(seeds: &[Vec<Metric>], bootstrap: &Bootstrap, groups: usize) -> Vec<Estimate> {
    let Some(first) = seeds.first() else { return Vec::new() };
    let statistics: Vec<Vec<&Statistic>> =
        seeds.iter().map(|metrics| metrics.iter().map(|metric| &metric.statistic).collect()).collect();
    let intervals = bootstrap.intervals_over_seeds(&statistics, groups);
    let estimate = |(place, interval): (usize, Option<[f64; 2]>)| {
        let value = mean(&values(seeds, place));
        Estimate { value, ci: interval.filter(|_| value.is_some()), n: first[place].n }
    };
    intervals.into_iter().enumerate().map(estimate).collect()
}

/// Returns the value of one metric in each seed.
pub(super) fn values(seeds: &[Vec<Metric>], place: usize) -> Vec<Option<f64>> {
    seeds.iter().map(|metrics| metrics[place].statistic.value()).collect()
}

/// Mean of the values; `None` where a value is `None` or there are no values.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let sum = values.iter().copied().sum::<Option<f64>>()?;
    (!values.is_empty()).then(|| sum / values.len() as f64)
}
