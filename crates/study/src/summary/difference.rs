//! One arm less another, over seeds: drawn and tested twice, over groups and over questions.
//!
//! Groups alone would not do. A few dozen questions are put to every case of a sort, and a model that looks little at pictures answers
//! each alike in all of them: one question answered otherwise then counts as often as there are cases, and arms differ surely on
//! questions that happened to be asked. What is claimed must hold for other questions too, as in studies of language for
//! other words (Clark, 1973). So p is the larger of two tests, which is itself a test that neither is free of a difference
//! (intersection-union; Berger, 1982), and a claim needs both intervals.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::Metric;
use stepwise_benchmark::stats::swap::swap;
use stepwise_benchmark::stats::{Bootstrap, Statistic};
use stepwise_benchmark::summary::Estimate;

/// One arm less the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The mean over seeds; its interval draws seeds and groups.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// The interval that draws seeds and questions. Lines of effective robustness are held fixed. None of what is told of whole
    /// chains, which many questions make, and where runs do not say their questions.
    pub over_questions: Option<[f64; 2]>,
    /// Of each seed that both have.
    pub by_seed: Vec<Option<f64>>,
    /// Seeds whose difference has the sign of the mean.
    pub agreeing: usize,
    /// Swap test over groups; none where the difference is not defined.
    pub p_groups: Option<f64>,
    /// Swap test over questions; none where there is no interval over them.
    pub p_questions: Option<f64>,
    /// [`Difference::p`] adjusted: by Holm over all arms and primary endpoints, by Benjamini and Hochberg over all others.
    /// Comparisons whose runs are not finished count among them.
    pub p_adjusted: Option<f64>,
}

impl Difference {
    /// The larger of the two.
    #[must_use]
    pub fn p(&self) -> Option<f64> {
        self.p_groups.map(|p| self.p_questions.map_or(p, |other| p.max(other)))
    }

    /// Whether a claim may rest on it: the adjusted test and both intervals agree.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        let excludes_zero = |[low, high]: [f64; 2]| low > 0.0 || high < 0.0;
        self.p_adjusted.is_some_and(|p| p < 0.05)
            && self.estimate.ci.is_some_and(excludes_zero)
            && self.over_questions.is_none_or(excludes_zero)
    }

    /// Of every metric, not yet adjusted.
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

/// The metrics of two sides in one seed.
pub(super) type Sides = (Vec<Metric>, Vec<Metric>);

/// The first side less the second over seeds, for every metric, by one kind of group.
pub(super) struct Clustered {
    /// Of each seed.
    differences: Vec<Vec<Metric>>,
    estimates: Vec<Estimate>,
    p: Vec<Option<f64>>,
}

impl Clustered {
    /// Swaps groups of `tested`, and draws groups of `drawn`; both are of the same seeds.
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

/// Means over seeds with their intervals.
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

/// The value of one metric in each seed.
pub(super) fn values(seeds: &[Vec<Metric>], place: usize) -> Vec<Option<f64>> {
    seeds.iter().map(|metrics| metrics[place].statistic.value()).collect()
}

/// None where one of them is.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let sum = values.iter().copied().sum::<Option<f64>>()?;
    (!values.is_empty()).then(|| sum / values.len() as f64)
}
