//! The arms of a study compared: every endpoint of every arm over its seeds, against a reference arm, with intervals that draw
//! seeds and groups, and tests adjusted over the endpoints that were named before the first run.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::forgetting::Forgetting;
use crate::metrics::robustness::{Point, Trend};
use crate::metrics::{self, Better, Groups, Ledger, Metric, family};
use crate::outcome::Outcome;
use crate::stats::correction::{benjamini_hochberg, holm};
use crate::stats::swap::swap;
use crate::stats::{Bootstrap, Statistic};
use crate::suite::{Suite, SuiteName};
use crate::summary::{Estimate, Summary};

/// Schema of a study's JSON.
pub const SCHEMA: &str = "study-report/1";

/// What the runs of a study left.
#[derive(Clone, Debug)]
pub struct StudyRuns {
    /// For people.
    pub name: String,
    /// What it is, as name and value: base, cases, budget.
    pub facts: Vec<(String, String)>,
    /// Endpoints named before the first run.
    pub primary: Vec<String>,
    /// Place of the arm that all others are compared with.
    pub reference: usize,
    /// Every seed of the study.
    pub seeds: Vec<u64>,
    /// What the untouched base answered.
    pub base: Vec<Outcome>,
    /// In the order of the study.
    pub arms: Vec<ArmRuns>,
}

/// The runs of one arm.
#[derive(Clone, Debug)]
pub struct ArmRuns {
    /// Its name.
    pub name: String,
    /// Those that are finished, in the order of their seeds.
    pub runs: Vec<SeedRun>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// What it answered after its last epoch.
    pub outcomes: Vec<Outcome>,
    /// The base as this run asked it, and every epoch it tested: optimiser steps done, and what they came to.
    pub stops: Vec<(u64, Summary)>,
    /// Its phases.
    pub forgetting: Option<Forgetting>,
}

/// Arms by endpoints.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudySummary {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// For people.
    pub name: String,
    /// What was asked.
    pub suite: SuiteName,
    /// The arm that all others are compared with.
    pub reference: String,
    /// Every arm with the seeds that are finished.
    pub arms: Vec<(String, Vec<u64>)>,
    /// Seeds a whole arm has.
    pub seeds: usize,
    /// Groups that intervals and tests are clustered by.
    pub groups: usize,
    /// Draws behind every interval.
    pub resamples: usize,
    /// By id, those named before the first run first.
    pub endpoints: IndexMap<String, Endpoint>,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// For people.
    pub label: String,
    /// Which direction is an improvement.
    pub better: Better,
    /// Whether it was named before the first run.
    pub primary: bool,
    /// Whether it is a share of 1 or a difference of shares; else a difference of log-odds.
    pub in_points: bool,
    /// Of the untouched base.
    pub base: Estimate,
    /// In the order of the arms.
    pub arms: Vec<ArmEndpoint>,
}

/// One endpoint of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmEndpoint {
    /// The mean over the arm's seeds.
    pub estimate: Estimate,
    /// Of each of its seeds.
    pub by_seed: Vec<Option<f64>>,
    /// This arm less the reference, on the seeds that both have; none for the reference itself.
    pub difference: Option<Difference>,
}

/// One arm less the reference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The mean over seeds.
    #[serde(flatten)]
    pub estimate: Estimate,
    /// Of each seed that both have.
    pub by_seed: Vec<Option<f64>>,
    /// Seeds whose difference has the sign of the mean.
    pub agreeing: usize,
    /// Swap test over groups; none where the difference is not defined.
    pub p: Option<f64>,
    /// Adjusted: by Holm over all arms and primary endpoints, by Benjamini and Hochberg over all others.
    pub p_adjusted: Option<f64>,
}

impl Difference {
    /// Whether a claim may rest on it: the adjusted test and the interval over seeds and groups agree.
    #[must_use]
    pub fn is_sure(&self) -> bool {
        self.p_adjusted.is_some_and(|p| p < 0.05) && self.estimate.ci.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    }
}

/// The id of an attack's effective robustness among the endpoints.
fn effective_id(attack: &str) -> String {
    format!("{EFFECTIVE}{attack}")
}

/// What the ids of effective robustness begin with.
pub const EFFECTIVE: &str = "effective_robustness:";

/// What is shown of a suite's metrics when they are not primary: the headline, and accuracy by condition and by stage.
fn is_shown(id: &str) -> bool {
    let by_condition = id.starts_with("accuracy:") && !id.contains(":stage_");
    !id.contains(':') || by_condition || id.starts_with("chance_corrected:")
}

impl StudySummary {
    /// Compares the arms of `runs`, which `suite` asked.
    #[must_use]
    pub fn new(suite: &Suite, runs: &StudyRuns, bootstrap: Bootstrap) -> Self {
        let all = runs.arms.iter().flat_map(|arm| &arm.runs).flat_map(|run| &run.outcomes);
        let groups = Groups::new(all.chain(&runs.base));
        let trends = trends(suite, runs);
        let measure = |outcomes: &[Outcome]| measured(suite, &groups, outcomes, &trends, &runs.primary);
        let base = vec![measure(&runs.base)];
        let base_estimates = bounded(&base, &bootstrap, groups.len());
        let of_arm = |arm: &ArmRuns| arm.runs.iter().map(|run| measure(&run.outcomes)).collect::<Vec<_>>();
        let arms: Vec<Vec<Vec<Metric>>> = runs.arms.iter().map(of_arm).collect();
        let estimates: Vec<Vec<Estimate>> = arms.iter().map(|seeds| bounded(seeds, &bootstrap, groups.len())).collect();
        let reference = &runs.arms[runs.reference];
        let against_reference = |(place, arm): (usize, &ArmRuns)| {
            let seeds: Vec<(&SeedRun, &SeedRun)> = arm
                .runs
                .iter()
                .filter_map(|run| Some((run, reference.runs.iter().find(|other| other.seed == run.seed)?)))
                .collect();
            if place == runs.reference || seeds.is_empty() {
                return vec![None; base[0].len()];
            }
            let own: Vec<Vec<Metric>> = seeds.iter().map(|(run, _)| measure(&run.outcomes)).collect();
            let theirs: Vec<Vec<Metric>> = seeds.iter().map(|(_, run)| measure(&run.outcomes)).collect();
            let difference = |(run, other): &(&SeedRun, &SeedRun)| {
                let both = measure(&run.outcomes).into_iter().zip(measure(&other.outcomes));
                both.map(|(own, theirs)| Metric::difference(own, theirs)).collect()
            };
            let differences: Vec<Vec<Metric>> = seeds.iter().map(difference).collect();
            compared(&own, &theirs, &differences, &bootstrap, groups.len(), suite.seed)
        };
        let differences: Vec<Vec<Option<Difference>>> = runs.arms.iter().enumerate().map(against_reference).collect();

        let mut endpoints: Vec<(String, Endpoint)> = base[0]
            .iter()
            .enumerate()
            .map(|(place, metric)| {
                let arms =
                    arms.iter().zip(&estimates).zip(&differences).map(|((arm, estimates), differences)| ArmEndpoint {
                        estimate: estimates.get(place).copied().unwrap_or(NOTHING),
                        by_seed: values(arm, place),
                        difference: differences[place].clone(),
                    });
                let endpoint = Endpoint {
                    label: metric.label.clone(),
                    better: metric.better,
                    primary: runs.primary.contains(&metric.id),
                    in_points: !metric.id.starts_with(EFFECTIVE),
                    base: base_estimates[place],
                    arms: arms.collect(),
                };
                (metric.id.clone(), endpoint)
            })
            .collect();
        let rank = |id: &str| runs.primary.iter().position(|primary| primary == id).unwrap_or(runs.primary.len());
        endpoints.sort_by_key(|(id, _)| rank(id));
        let mut endpoints: IndexMap<String, Endpoint> = endpoints.into_iter().collect();
        adjust(&mut endpoints);
        Self {
            schema: SCHEMA.to_owned(),
            name: runs.name.clone(),
            suite: suite.into(),
            reference: runs.arms[runs.reference].name.clone(),
            arms: runs
                .arms
                .iter()
                .map(|arm| (arm.name.clone(), arm.runs.iter().map(|run| run.seed).collect()))
                .collect(),
            seeds: runs.seeds.len(),
            groups: groups.len(),
            resamples: bootstrap.resamples,
            endpoints,
        }
    }
}

const NOTHING: Estimate = Estimate { value: None, ci: None, n: 0 };

/// The line of accuracy under each attack on clean accuracy, over the base and all epochs of the reference arm.
fn trends(suite: &Suite, runs: &StudyRuns) -> Vec<(String, Trend)> {
    let reference = &runs.arms[runs.reference].runs;
    // The base is the same for all seeds, and counts once.
    let of_run = |(place, run): (usize, &SeedRun)| -> Vec<Summary> {
        run.stops.iter().skip(usize::from(place > 0)).map(|(_, summary)| summary.clone()).collect()
    };
    let stops: Vec<Summary> = reference.iter().enumerate().flat_map(of_run).collect();
    let groups = Groups::default();
    let representatives = family::representatives(&Ledger::new(suite, &groups, []));
    let attacks = representatives.into_iter().map(|number| suite.conditions[number].id.clone());
    attacks
        .filter_map(|attack| {
            let points: Vec<Point> = stops.iter().filter_map(|stop| Point::of(stop, &attack)).collect();
            let trend = Trend::fit(&points).filter(|trend| trend.points >= Trend::FEWEST)?;
            Some((attack, trend))
        })
        .collect()
}

/// The metrics of one run that are shown, always the same ones at the same places.
fn measured(
    suite: &Suite,
    groups: &Groups<'_>,
    outcomes: &[Outcome],
    trends: &[(String, Trend)],
    primary: &[String],
) -> Vec<Metric> {
    let ledger = Ledger::new(suite, groups, outcomes);
    let all = metrics::all(&ledger);
    let effective = trends.iter().filter_map(|(attack, trend)| effective(&all, attack, *trend)).collect::<Vec<_>>();
    let wanted = |metric: &Metric| is_shown(&metric.id) || primary.contains(&metric.id);
    all.into_iter().filter(wanted).chain(effective).collect()
}

/// By how much the log-odds under an attack exceed those that the line promises at the run's clean accuracy. The line is held
/// fixed where the interval is drawn.
fn effective(all: &[Metric], attack: &str, trend: Trend) -> Option<Metric> {
    let of = |id: &str| all.iter().find(|metric| metric.id == id);
    let (clean, attacked) = (of("accuracy:clean")?, of(&format!("accuracy:{attack}"))?);
    let n = clean.n.min(attacked.n);
    let columns = clean.statistic.columns.iter().chain(&attacked.statistic.columns).cloned().collect();
    let formula = Box::new(move |t: &[f64]| {
        let share = |right: f64, asked: f64| (asked > 0.0).then(|| right / asked);
        Some(trend.residual(Point { clean: share(t[0], t[1])?, attacked: share(t[2], t[3])?, n }))
    });
    Some(Metric {
        id: effective_id(attack),
        label: format!("effective robustness under {attack} (log-odds above the reference's line)"),
        better: Better::Higher,
        n,
        statistic: Statistic { columns, formula },
    })
}

/// Means over seeds with their intervals.
fn bounded(seeds: &[Vec<Metric>], bootstrap: &Bootstrap, groups: usize) -> Vec<Estimate> {
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
fn values(seeds: &[Vec<Metric>], place: usize) -> Vec<Option<f64>> {
    seeds.iter().map(|metrics| metrics[place].statistic.value()).collect()
}

/// None where one of them is.
fn mean(values: &[Option<f64>]) -> Option<f64> {
    let sum = values.iter().copied().sum::<Option<f64>>()?;
    (!values.is_empty()).then(|| sum / values.len() as f64)
}

/// An arm less the reference, for every metric; both are measured on the same seeds. p-values are not yet adjusted.
fn compared(
    arm: &[Vec<Metric>],
    reference: &[Vec<Metric>],
    differences: &[Vec<Metric>],
    bootstrap: &Bootstrap,
    groups: usize,
    seed: u64,
) -> Vec<Option<Difference>> {
    let compare = |(place, estimate): (usize, Estimate)| {
        let by_seed = values(differences, place);
        let mean = estimate.value?;
        let agreeing = by_seed.iter().flatten().filter(|value| **value * mean > 0.0).count();
        let pairs: Vec<_> = arm
            .iter()
            .zip(reference)
            .map(|(arm, reference)| (&reference[place].statistic, &arm[place].statistic))
            .collect();
        let p = swap(&pairs, groups, seed);
        Some(Difference { estimate, by_seed, agreeing, p, p_adjusted: p })
    };
    bounded(differences, bootstrap, groups).into_iter().enumerate().map(compare).collect()
}

/// Adjusts the p-values over all arms and primary endpoints, and over all others.
fn adjust(endpoints: &mut IndexMap<String, Endpoint>) {
    for (primary, adjustment) in [(true, holm as fn(&[f64]) -> Vec<f64>), (false, benjamini_hochberg)] {
        let of_family = endpoints.values_mut().filter(|endpoint| endpoint.primary == primary);
        let arms = of_family.flat_map(|endpoint| &mut endpoint.arms);
        let mut family: Vec<&mut Difference> =
            arms.filter_map(|arm| arm.difference.as_mut()).filter(|difference| difference.p.is_some()).collect();
        let adjusted = adjustment(&family.iter().filter_map(|difference| difference.p).collect::<Vec<_>>());
        family.iter_mut().zip(adjusted).for_each(|(difference, p)| difference.p_adjusted = Some(p));
    }
}
