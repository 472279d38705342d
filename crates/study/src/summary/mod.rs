//! The arms of a study compared: every endpoint of every arm over its seeds, against a reference arm, with intervals that draw
//! seeds and groups or questions, and tests adjusted over the endpoints that were named before the first run.

mod difference;
mod robustness_line;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use stepwise_benchmark::forgetting::Forgetting;
use stepwise_benchmark::metrics::{self, Better, Groups, Ledger, Metric};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::stats::Bootstrap;
use stepwise_benchmark::stats::correction::{benjamini_hochberg, holm};
use stepwise_benchmark::suite::{Suite, SuiteName};
use stepwise_benchmark::summary::{Estimate, Summary};

pub use difference::Difference;
pub use robustness_line::{EFFECTIVE, LINE_ADVICE, Line};

use difference::{Clustered, Sides, bounded, values};

/// Schema of a study's JSON.
pub const SCHEMA: &str = "study-report/2";

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
    /// Those of them that were added after the first run.
    pub later_seeds: Vec<u64>,
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
    /// What its runs were to be taught.
    pub taught: Taught,
    /// Those that are finished, in the order of their seeds.
    pub runs: Vec<SeedRun>,
}

/// What a run of an arm is to be taught, the mean over seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Taught {
    /// Optimiser steps.
    pub steps: f64,
    /// Lessons; a question taught twice counts twice.
    pub samples: f64,
    /// Tokens the loss is taken on.
    pub supervised_tokens: f64,
}

/// One run.
#[derive(Clone, Debug)]
pub struct SeedRun {
    /// Its seed.
    pub seed: u64,
    /// Optimiser steps it did.
    pub steps: u64,
    /// Optimiser steps it was to do.
    pub planned: u64,
    /// What it answered after its last epoch.
    pub outcomes: Vec<Outcome>,
    /// What it answered at every tested step before that, of the reference's runs alone: points of its lines.
    pub earlier: Vec<Vec<Outcome>>,
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
    /// What their runs were to be taught, in the order of the arms.
    pub taught: Vec<Taught>,
    /// Runs that did fewer optimiser steps than they were to.
    pub ended_early: Vec<EndedEarly>,
    /// Seeds a whole arm has.
    pub seeds: usize,
    /// Seeds that were added after the first run.
    pub later_seeds: Vec<u64>,
    /// Groups that intervals and tests are clustered by.
    pub groups: usize,
    /// Questions that those of differences are clustered by as well; none where the runs, which an earlier version made, do not
    /// say their questions.
    pub questions: Option<usize>,
    /// Draws behind every interval.
    pub resamples: usize,
    /// The reference's lines, those that are refused as well: one attack of every family.
    pub lines: Vec<Line>,
    /// By id, those named before the first run first.
    pub endpoints: IndexMap<String, Endpoint>,
}

/// A run that did fewer optimiser steps than it was to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedEarly {
    /// Its arm.
    pub arm: String,
    /// Its seed.
    pub seed: u64,
    /// Done.
    pub steps: u64,
    /// To be done.
    pub planned: u64,
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
    /// The base less the reference in each of its seeds. It is no arm: whatever the endpoint, its test is among those that are
    /// there to be looked at.
    pub base_difference: Option<Difference>,
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

/// What is shown of a suite's metrics when they are not primary: the headline, accuracy by condition and by stage, and silent
/// failures.
fn is_shown(id: &str) -> bool {
    let by_condition = id.starts_with("accuracy:") && !id.contains(":stage_");
    !id.contains(':') || by_condition || ["chance_corrected:", "silent_failure:"].iter().any(|of| id.starts_with(of))
}

impl StudySummary {
    /// Compares the arms of `runs`, which `suite` asked.
    #[must_use]
    pub fn new(suite: &Suite, runs: &StudyRuns, bootstrap: Bootstrap) -> Self {
        let finished = || runs.arms.iter().flat_map(|arm| &arm.runs);
        let all = || finished().flat_map(|run| run.earlier.iter().chain([&run.outcomes])).flatten().chain(&runs.base);
        let (groups, questions) = (Groups::new(all()), Groups::of_questions(all()));
        let lines = crate::summary::robustness_line::lines(suite, &groups, runs, &bootstrap);
        let measured = |groups: &Groups<'_>, outcomes: &[Outcome], is_drawn: bool| {
            let ledger = Ledger::new(suite, groups, outcomes);
            let wanted = |metric: &Metric| is_shown(&metric.id) || runs.primary.contains(&metric.id);
            let used = lines.iter().filter(|(line, _)| line.refused.is_none());
            let effective = used.filter_map(|(line, points)| {
                crate::summary::robustness_line::effective(&ledger, line, is_drawn.then_some(points))
            });
            metrics::all(&ledger).into_iter().filter(wanted).chain(effective).collect::<Vec<_>>()
        };
        let measure = |outcomes: &[Outcome]| measured(&groups, outcomes, true);
        let base = vec![measure(&runs.base)];
        let base_estimates = bounded(&base, &bootstrap, groups.len());
        let of_arm = |arm: &ArmRuns| arm.runs.iter().map(|run| measure(&run.outcomes)).collect::<Vec<_>>();
        let arms: Vec<Vec<Vec<Metric>>> = runs.arms.iter().map(of_arm).collect();
        let estimates: Vec<Vec<Estimate>> = arms.iter().map(|seeds| bounded(seeds, &bootstrap, groups.len())).collect();

        let reference = &runs.arms[runs.reference].runs;
        let compare = |pairs: &[(&Vec<Outcome>, &Vec<Outcome>)]| {
            // A test exchanges the answers of these two alone, and lines are of groups: they stay as they are.
            let sides = |groups: &Groups<'_>, is_drawn: bool| -> Vec<Sides> {
                let both = pairs.iter();
                both.map(|(own, theirs)| (measured(groups, own, is_drawn), measured(groups, theirs, is_drawn)))
                    .collect()
            };
            let over = |groups: &Groups<'_>, is_drawn: bool| {
                let (tested, drawn) = (sides(groups, false), sides(groups, is_drawn));
                Clustered::new(&tested, drawn, groups.len(), &bootstrap, suite.seed)
            };
            Difference::all(over(&groups, true), questions.as_ref().map(|questions| over(questions, false)))
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
            taught: runs.arms.iter().map(|arm| arm.taught).collect(),
            ended_early: ended_early(runs),
            seeds: runs.seeds.len(),
            later_seeds: runs.later_seeds.clone(),
            groups: groups.len(),
            questions: questions.as_ref().map(Groups::len),
            resamples: bootstrap.resamples,
            lines: lines.into_iter().map(|(line, _)| line).collect(),
            endpoints,
        }
    }

    /// Arms whose seeds are not all finished, in words; none where nothing is missing.
    #[must_use]
    pub fn unfinished(&self) -> Option<String> {
        let lacking = self.arms.iter().filter(|(_, done)| done.len() < self.seeds);
        let lacking: Vec<String> =
            lacking.map(|(arm, done)| format!("{arm} ({} of {} seeds)", done.len(), self.seeds)).collect();
        (!lacking.is_empty()).then(|| lacking.join(", "))
    }
}

const NOTHING: Estimate = Estimate { value: None, ci: None, n: 0 };

fn ended_early(runs: &StudyRuns) -> Vec<EndedEarly> {
    let all = runs.arms.iter().flat_map(|arm| arm.runs.iter().map(move |run| (arm, run)));
    all.filter(|(_, run)| run.steps < run.planned)
        .map(|(arm, run)| EndedEarly { arm: arm.name.clone(), seed: run.seed, steps: run.steps, planned: run.planned })
        .collect()
}

/// Adjusts the p-values over all arms and primary endpoints, and over all others with those of the base. A comparison that is
/// planned and has no p-value yet stands in with 1, so that what is adjusted does not become less sure as runs are finished.
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
        family.retain(|difference| difference.p().is_some());
        let mut p: Vec<f64> = family.iter().filter_map(|difference| difference.p()).collect();
        p.resize(planned, 1.0);
        family.iter_mut().zip(adjustment(&p)).for_each(|(difference, p)| difference.p_adjusted = Some(p));
    }
}
