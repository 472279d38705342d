//! Comparison of a study's arms: every endpoint of every arm over its seeds, against a reference arm. Intervals and tests
//! are over patients, questions and seeds, and adjusted over the endpoints that were named before the first run.

mod delivered;
mod difference;
mod reference_line;
mod runs;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::{self, Better, Crossing, Metric, OutcomeTable, Subgroup};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::stats::adjusted_p::{benjamini_hochberg, holm};
use stepwise_benchmark::suite::{Suite, SuiteName};
use stepwise_benchmark::summary::Estimate;

pub use delivered::DeliveredRun;
pub use difference::Difference;
pub use reference_line::{EFFECTIVE, LINE_ADVICE, ReferenceLine};
pub use runs::{ArmRuns, SeedRun, StudyRuns, TrainingBudget};

use difference::{estimates, values};

/// Schema version of a study's JSON report.
pub const SCHEMA: &str = "study-report/3";

/// Comparison of a study's arms, by endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StudySummary {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Name of the study.
    pub name: String,
    /// Suite of the evaluations.
    pub suite: SuiteName,
    /// Name of the arm that all others are compared with.
    pub reference: String,
    /// Name and finished seeds of every arm.
    pub arms: Vec<(String, Vec<u64>)>,
    /// Planned training of each arm, in the order of the arms.
    pub budget: Vec<TrainingBudget>,
    /// Runs that did fewer optimiser steps than planned; empty when none did.
    pub ended_early: Vec<StoppedEarly>,
    /// Delivered checkpoint of every run that has one.
    #[serde(default)]
    pub delivered: Vec<DeliveredRun>,
    /// Number of seeds of a finished arm, that is, of the study.
    pub seeds: usize,
    /// Seeds that were added after the first run; empty when none was.
    pub later_seeds: Vec<u64>,
    /// Number of groups (patients) that intervals and tests are clustered by.
    pub groups: usize,
    /// Number of questions that intervals and tests are clustered by as well.
    pub questions: usize,
    /// Lines of the reference, used and refused: one attack per family.
    pub lines: Vec<ReferenceLine>,
    /// Endpoints by id of the metric; primary endpoints come first, in the order of the study.
    pub endpoints: IndexMap<String, Endpoint>,
}

/// A run that did fewer optimiser steps than planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoppedEarly {
    /// Name of the arm.
    pub arm: String,
    /// Seed of the run.
    pub seed: u64,
    /// Optimiser steps done.
    pub steps: u64,
    /// Optimiser steps planned.
    pub planned: u64,
}

/// One endpoint of a study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Readable name.
    pub label: String,
    /// Direction that is an improvement.
    pub better: Better,
    /// Whether the endpoint was named before the first run.
    pub primary: bool,
    /// True for a share of 1 or a difference of shares, false for a difference of log-odds.
    pub in_points: bool,
    /// Estimate of the untouched base, with an interval over groups.
    pub base: Estimate,
    /// Base minus reference, in each seed of the reference; `None` where the reference has no finished run or the
    /// difference is not defined. The base is not an arm, so this test is always adjusted with the endpoints that are
    /// not primary.
    pub base_difference: Option<Difference>,
    /// Estimates in the order of the arms.
    pub arms: Vec<ArmEndpoint>,
}

/// One endpoint of one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmEndpoint {
    /// Mean over the arm's seeds; without a value where the arm has no finished run or the endpoint is not defined in a
    /// seed.
    pub estimate: Estimate,
    /// Value in each of the arm's finished seeds; `None` where it is not defined.
    pub by_seed: Vec<Option<f64>>,
    /// This arm minus the reference, on the seeds that both have; `None` for the reference itself, without a common
    /// seed, and where it is not defined.
    pub difference: Option<Difference>,
}

/// Whether a report shows this metric even if it is not primary: metrics without a suffix, accuracy by condition,
/// chance-corrected accuracy by stage, slope and fall over choices, silent failures, and the image score by stage,
/// category, modality and data set.
fn is_shown(id: &str) -> bool {
    let by_condition = id.starts_with("accuracy:") && !id.contains(":stage_");
    let shown = ["chance_corrected:", "silent_failure:", "image_score:", "stage_slope:", "stage_fall:"];
    !id.contains(':') || by_condition || shown.iter().any(|of| id.starts_with(of))
}

impl StudySummary {
    /// Compares the arms of `runs`, which were evaluated with `suite`. Metrics with a
    /// suffix are left out unless they are primary, an accuracy by condition, a chance-corrected accuracy by stage, a
    /// slope or fall over choices, a silent failure or an image score.
    #[must_use]
    pub fn new(suite: &Suite, runs: &StudyRuns) -> Self {
        let finished = || runs.arms.iter().flat_map(|arm| &arm.runs);
        let all = || finished().flat_map(|run| run.earlier.iter().chain([&run.outcomes])).flatten().chain(&runs.base);
        let crossing = Crossing::new(all());
        let cells = crossing.cells();
        let subgroups = Subgroup::all(all(), &runs.primary);
        let lines = reference_line::lines(suite, &crossing, runs);
        let measure = |outcomes: &[Outcome]| {
            let table = OutcomeTable::new(suite, &crossing, outcomes);
            let wanted = |metric: &Metric| is_shown(&metric.id) || runs.primary.contains(&metric.id);
            let used = lines.iter().filter(|(line, _)| line.refused.is_none());
            let effective = used.filter_map(|(line, points)| reference_line::effective(&table, line, points));
            metrics::all(&table, &subgroups).into_iter().filter(wanted).chain(effective).collect::<Vec<_>>()
        };
        let base = vec![measure(&runs.base)];
        let base_estimates = estimates(&base, cells);
        let of_arm = |arm: &ArmRuns| arm.runs.iter().map(|run| measure(&run.outcomes)).collect::<Vec<_>>();
        let arms: Vec<Vec<Vec<Metric>>> = runs.arms.iter().map(of_arm).collect();
        let arm_estimates: Vec<Vec<Estimate>> = arms.iter().map(|seeds| estimates(seeds, cells)).collect();

        let reference = &runs.arms[runs.reference].runs;
        let compare = |pairs: &[(&Vec<Outcome>, &Vec<Outcome>)]| {
            let pairs = pairs.iter().map(|(own, theirs)| (measure(own), measure(theirs))).collect();
            Difference::all(pairs, cells)
        };
        let against_reference = |(place, arm): (usize, &ArmRuns)| {
            let theirs = |seed: u64| reference.iter().find(|run| run.seed == seed);
            let own = arm.runs.iter();
            let pairs: Vec<_> = own.filter_map(|run| Some((&run.outcomes, &theirs(run.seed)?.outcomes))).collect();
            if place == runs.reference || pairs.is_empty() {
                return vec![None; base[0].len()];
            }
            compare(&pairs)
        };
        let differences: Vec<Vec<Option<Difference>>> = runs.arms.iter().enumerate().map(against_reference).collect();
        let untouched: Vec<_> = reference.iter().map(|run| (&runs.base, &run.outcomes)).collect();
        let base_differences = if untouched.is_empty() { vec![None; base[0].len()] } else { compare(&untouched) };

        let mut endpoints: Vec<(String, Endpoint)> = base[0]
            .iter()
            .enumerate()
            .map(|(place, metric)| {
                let arms = arms.iter().zip(&arm_estimates).zip(&differences).map(|((arm, estimates), differences)| {
                    ArmEndpoint {
                        estimate: estimates.get(place).copied().unwrap_or_default(),
                        by_seed: values(arm, place),
                        difference: differences[place].clone(),
                    }
                });
                let endpoint = Endpoint {
                    label: metric.label.clone(),
                    better: metric.better,
                    primary: runs.primary.contains(&metric.id),
                    in_points: !metric.id.starts_with(EFFECTIVE),
                    base: base_estimates[place],
                    base_difference: base_differences[place].clone(),
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
            budget: runs.arms.iter().map(|arm| arm.budget).collect(),
            ended_early: ended_early(runs),
            delivered: delivered::all(runs),
            seeds: runs.seeds.len(),
            later_seeds: runs.later_seeds.clone(),
            groups: cells.patient_count(),
            questions: cells.question_count(),
            lines: lines.into_iter().map(|(line, _)| line).collect(),
            endpoints,
        }
    }

    /// Lists the arms with unfinished seeds, as plain text in one line; `None` when all are finished.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        let lacking = self.arms.iter().filter(|(_, done)| done.len() < self.seeds);
        let lacking: Vec<String> =
            lacking.map(|(arm, done)| format!("{arm} ({} of {} seeds)", done.len(), self.seeds)).collect();
        (!lacking.is_empty()).then(|| lacking.join(", "))
    }
}

fn ended_early(runs: &StudyRuns) -> Vec<StoppedEarly> {
    let all = runs.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    all.filter(|(_, run)| run.steps < run.planned)
        .map(|(arm, run)| StoppedEarly {
            arm: arm.name.clone(),
            seed: run.seed,
            steps: run.steps,
            planned: run.planned,
        })
        .collect()
}

/// Adjusts the p-values: by Holm over all arms and primary endpoints, by Benjamini and Hochberg over all other
/// comparisons and the base. A planned comparison without a p-value counts with p = 1, so that later runs do not weaken
/// the adjusted p-values.
fn adjust(endpoints: &mut IndexMap<String, Endpoint>) {
    for (primary, adjustment) in [(true, holm as fn(&[f64]) -> Vec<f64>), (false, benjamini_hochberg)] {
        let mut planned = 0;
        let mut family: Vec<&mut Difference> = Vec::new();
        for endpoint in endpoints.values_mut() {
            if endpoint.primary == primary {
                planned += endpoint.arms.len() - 1;
                family.extend(endpoint.arms.iter_mut().filter_map(|arm| arm.difference.as_mut()));
            }
            if !primary {
                planned += 1;
                family.extend(endpoint.base_difference.as_mut());
            }
        }
        family.retain(|difference| difference.estimate.p.is_some());
        let mut p: Vec<f64> = family.iter().filter_map(|difference| difference.estimate.p).collect();
        p.resize(planned, 1.0);
        family.iter_mut().zip(adjustment(&p)).for_each(|(difference, p)| difference.estimate.p_adjusted = Some(p));
    }
}
