//! The phase plan: which questions are learned at which step, as a pure function of (seed, phase, epoch, step).
//!
//! An epoch of a phase visits every case that has questions of the phase's stages once, in an order shuffled anew each
//! epoch. A batch takes `batch_size` visits, each with all the case's questions of those stages, so the questions of a case
//! stand together and share its image. A data set may be visited more or less often than once. Phases that are to be compared at equal budget make a visit for each stage of a
//! case instead ([`Visits`]): as many visits, with as many questions, whatever the order of the stages. With replay,
//! questions of earlier phases' stages are mixed in, drawn without repetition until all have been drawn. Nothing is
//! remembered between calls, so a run resumes at any step by asking for it.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use crate::case::{Case, Item};
use crate::prompt::{Known, gold_text};
use crate::random::stream;

/// A leg of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Stands in logs and in the names of metrics.
    pub name: String,
    /// Clinical stages learned, 1 to 4.
    pub stages: Vec<u8>,
    /// Passes over the cases; a part of a pass is rounded up to whole steps. Either this or `max_steps` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_train_epochs: Option<f64>,
    /// Batches in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Peak learning rate; the run's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Share of an epoch's questions drawn from the stages of earlier phases that this one lacks, from 0 to below 1.
    #[serde(default)]
    pub replay: f64,
    /// What a visit takes.
    #[serde(default)]
    pub visits: Visits,
    /// How often an epoch visits each case of a data set, as [`crate::case::Source::dataset`] names it; 1 for those not named.
    /// Of a part, as many cases as it comes to are drawn anew each epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dataset_weights: BTreeMap<String, f64>,
}

/// What is taken of a case at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visits {
    /// All its questions of the phase's stages.
    #[default]
    Case,
    /// Those of one stage; the case is visited for each of its stages, at places of their own.
    Stage,
    /// As `Stage`, with the stages taking turns. Each gets as many visits, so a stage that fewer cases have comes again.
    Balanced,
    /// As `Stage`, drawn anew for each batch from the easiest visits, of which more and more are eligible as the phase goes on
    /// (competence-based curricula: Platanios et al., 2019, with the square-root schedule). A later stage is harder, and within
    /// a stage a question that builds on more others.
    Competence,
}

/// Share of the visits that are eligible at the first step.
const FIRST_COMPETENCE: f64 = 0.1;

/// Share of the phase's steps after which all visits are eligible.
const FULL_COMPETENCE: f64 = 0.9;

/// Share of the visits, the easiest ones, that are eligible once `done` of `steps` steps are done.
fn competence(done: usize, steps: usize) -> f64 {
    let first = FIRST_COMPETENCE * FIRST_COMPETENCE;
    let way = done as f64 / (FULL_COMPETENCE * steps as f64).max(1.0);
    (way * (1.0 - first) + first).sqrt().min(1.0)
}

/// The questions that `item` builds on with their right answers, in the order of the chain.
#[must_use]
pub fn gold_context(case: &Case, item: &Item) -> Vec<Known> {
    let parents = case.chain.iter().filter(|other| item.parents.contains(&other.id));
    parents.map(|other| Known { question: other.question.clone(), answer: gold_text(case, other) }).collect()
}

/// A question to learn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sample {
    /// Place of the case among those the plan was made from.
    pub case: usize,
    /// Place of the question in the case's chain.
    pub item: usize,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A value makes no sense.
    #[error("curriculum.phase[{phase}].{field}: {what} -> {advice}")]
    Value {
        /// Place of the phase, from 0.
        phase: usize,
        /// Which of its fields.
        field: &'static str,
        /// What is wrong.
        what: String,
        /// What to do.
        advice: &'static str,
    },
    /// Nothing would be learned from.
    #[error("curriculum: {0}")]
    Empty(&'static str),
}

/// One case, and the one stage it is visited for unless it is visited for all of the phase's.
#[derive(Clone, Copy, Debug)]
struct Visit {
    case: usize,
    stage: Option<u8>,
}

/// Phases laid out over the training cases.
#[derive(Clone, Debug)]
pub struct Plan {
    phases: Vec<Phase>,
    batch_size: usize,
    /// The data set of each case.
    datasets: Vec<String>,
    /// The stage of each question of each case.
    stages: Vec<Vec<u8>>,
    /// How many others each of them builds on, those that they build on in turn among them.
    depths: Vec<Vec<usize>>,
}

impl Plan {
    /// A plan over `cases` with `batch_size` cases a batch.
    ///
    /// # Errors
    /// When a phase's values make no sense, a phase finds no question, or has nothing to replay.
    pub fn new<'a>(
        phases: Vec<Phase>,
        cases: impl IntoIterator<Item = &'a Case>,
        batch_size: usize,
    ) -> Result<Self, PlanError> {
        let (mut datasets, mut stages, mut all_depths) = (Vec::new(), Vec::new(), Vec::new());
        for case in cases {
            datasets.push(case.source.dataset.clone());
            stages.push(case.chain.iter().map(|item| item.stage).collect());
            all_depths.push(depths(case));
        }
        let plan = Self { phases, batch_size, datasets, stages, depths: all_depths };
        if plan.phases.is_empty() {
            return Err(PlanError::Empty("there is no phase -> add a [[curriculum.phase]]"));
        }
        if batch_size == 0 {
            return Err(PlanError::Empty("batches of 0 cases hold nothing -> use 1 or more"));
        }
        (0..plan.phases.len()).try_for_each(|phase| plan.check(phase))?;
        Ok(plan)
    }

    /// The phases, in order.
    #[must_use]
    pub fn phases(&self) -> &[Phase] {
        &self.phases
    }

    /// Batches of an epoch of this phase.
    #[must_use]
    pub fn steps_per_epoch(&self, phase: usize) -> usize {
        let visits: usize = self.by_weight(phase).iter().map(|(_, count)| count).sum();
        visits.div_ceil(self.batch_size)
    }

    /// Batches of this phase in all.
    #[must_use]
    pub fn steps(&self, phase: usize) -> usize {
        let Phase { num_train_epochs, max_steps, .. } = &self.phases[phase];
        match (max_steps, num_train_epochs) {
            (Some(steps), _) => *steps,
            (None, epochs) => (epochs.unwrap_or(1.0) * self.steps_per_epoch(phase) as f64).ceil() as usize,
        }
    }

    /// The questions of one batch, those of a case together; `step` counts within the epoch. Past an epoch's last step
    /// there are none.
    ///
    /// # Panics
    /// When there is no such phase.
    #[must_use]
    pub fn batch(&self, seed: u64, phase: usize, epoch: usize, step: usize) -> Vec<Sample> {
        let key = |what: &str| stream(seed, &["phase", what, &phase.to_string(), &epoch.to_string()]);
        let (order, start, end) = if self.phases[phase].visits == Visits::Competence {
            let drawn = self.eligible(phase, epoch, step, key);
            let end = drawn.len();
            (drawn, 0, end)
        } else {
            let order = self.order(phase, key);
            let start = step.saturating_mul(self.batch_size).min(order.len());
            let end = (start + self.batch_size).min(order.len());
            (order, start, end)
        };
        let mut samples: Vec<Sample> = order[start..end].iter().flat_map(|visit| self.visited(phase, *visit)).collect();

        // Replayed questions are spread over the epoch in step with the fresh ones.
        let earlier = self.replayed_stages(phase);
        if self.phases[phase].replay > 0.0 && !samples.is_empty() {
            let before: usize = order[..start].iter().map(|visit| self.visited(phase, *visit).count()).sum();
            let ratio = self.phases[phase].replay / (1.0 - self.phases[phase].replay);
            let due = |fresh: usize| (fresh as f64 * ratio).round() as usize;
            let pool: Vec<Sample> = (0..self.stages.len()).flat_map(|case| self.items(case, &earlier)).collect();
            samples.extend(drawn(&pool, due(before)..due(before + samples.len()), |lap| key(&format!("replay {lap}"))));
        }
        // Replayed questions of a case already present join it; cases keep the order in which they came.
        let mut place: Vec<usize> = Vec::new();
        for sample in &samples {
            if !place.contains(&sample.case) {
                place.push(sample.case);
            }
        }
        samples.sort_by_key(|sample| (place.iter().position(|case| *case == sample.case), sample.item));
        samples.dedup();
        samples
    }

    /// The visits of an epoch, not shuffled: all of them, or as many of each data set as its weight has it.
    fn visits<R: rand::Rng>(&self, phase: usize, key: &impl Fn(&str) -> R) -> Vec<Visit> {
        let of_weight = |(visits, count): (Vec<Visit>, usize)| {
            let Some(first) = visits.first() else { return visits };
            let dataset = &self.datasets[first.case];
            if count == visits.len() {
                return visits;
            }
            drawn(&visits, 0..count, |lap| key(&format!("cases of {dataset}, lap {lap}")))
        };
        self.by_weight(phase).into_iter().flat_map(of_weight).collect()
    }

    /// All visits of an epoch, those of a weight of its own apart, with how many of them an epoch makes.
    fn by_weight(&self, phase: usize) -> Vec<(Vec<Visit>, usize)> {
        let mut rest = self.all_visits(phase);
        let mut parts = Vec::new();
        for (dataset, weight) in &self.phases[phase].dataset_weights {
            let (own, others): (Vec<Visit>, _) = rest.into_iter().partition(|v| self.datasets[v.case] == *dataset);
            let count = (weight * own.len() as f64).round() as usize;
            parts.push((own, count));
            rest = others;
        }
        let count = rest.len();
        parts.push((rest, count));
        parts
    }

    fn all_visits(&self, phase: usize) -> Vec<Visit> {
        let Phase { stages, visits, .. } = &self.phases[phase];
        let has = |case: usize, stages: &[u8]| self.items(case, stages).next().is_some();
        let cases = 0..self.stages.len();
        match visits {
            Visits::Case => cases.filter(|case| has(*case, stages)).map(|case| Visit { case, stage: None }).collect(),
            Visits::Stage | Visits::Balanced | Visits::Competence => {
                let of_case = |case: usize| {
                    let found = stages.iter().filter(move |stage| has(case, &[**stage]));
                    found.map(move |stage| Visit { case, stage: Some(*stage) })
                };
                cases.flat_map(of_case).collect()
            }
        }
    }

    /// The visits of an epoch in their order.
    fn order<R: rand::Rng>(&self, phase: usize, key: impl Fn(&str) -> R) -> Vec<Visit> {
        let mut visits = self.visits(phase, &key);
        let Phase { stages, visits: manner, .. } = &self.phases[phase];
        if *manner != Visits::Balanced {
            visits.shuffle(&mut key("cases"));
            return visits;
        }
        let of_stage = |stage: &u8| visits.iter().filter(|visit| visit.stage == Some(*stage)).copied().collect();
        let rows: Vec<(u8, Vec<Visit>)> = stages.iter().map(|stage| (*stage, of_stage(stage))).collect();
        let rows: Vec<&(u8, Vec<Visit>)> = rows.iter().filter(|(_, row)| !row.is_empty()).collect();
        let turns = visits.len().div_ceil(rows.len().max(1));
        let rows: Vec<Vec<Visit>> = rows
            .iter()
            .map(|(stage, row)| drawn(row, 0..turns, |lap| key(&format!("cases of stage {stage}, lap {lap}"))))
            .collect();
        (0..visits.len()).map(|place| rows[place % rows.len()][place / rows.len()]).collect()
    }

    /// The visits of one batch, drawn from those that are easy enough by then. Past the last step there are none.
    fn eligible<R: rand::Rng>(&self, phase: usize, epoch: usize, step: usize, key: impl Fn(&str) -> R) -> Vec<Visit> {
        let per_epoch = self.steps_per_epoch(phase);
        if step >= per_epoch {
            return Vec::new();
        }
        let mut visits = self.visits(phase, &key);
        // The order of the cases decides nothing: equally hard visits stand in an order drawn once.
        visits.shuffle(&mut key("cases"));
        visits.sort_by_key(|visit| self.difficulty(*visit));
        let share = competence(epoch * per_epoch + step, self.steps(phase));
        let eligible =
            ((share * visits.len() as f64).ceil() as usize).clamp(self.batch_size.min(visits.len()), visits.len());
        let (drawn, _) = visits[..eligible].partial_shuffle(&mut key(&format!("step {step}")), self.batch_size);
        drawn.to_vec()
    }

    /// Its stage, then the most that one of its questions builds on.
    fn difficulty(&self, visit: Visit) -> (u8, usize) {
        let of_stage = |item: &usize| visit.stage.is_none_or(|stage| self.stages[visit.case][*item] == stage);
        let items = (0..self.stages[visit.case].len()).filter(of_stage);
        (visit.stage.unwrap_or_default(), items.map(|item| self.depths[visit.case][item]).max().unwrap_or_default())
    }

    /// The questions of a visit.
    fn visited(&self, phase: usize, visit: Visit) -> impl Iterator<Item = Sample> {
        let stages = &self.phases[phase].stages;
        let wanted = move |stage: u8| visit.stage.map_or_else(|| stages.contains(&stage), |only| only == stage);
        let items = self.stages[visit.case].iter().enumerate().filter(move |(_, stage)| wanted(**stage));
        items.map(move |(item, _)| Sample { case: visit.case, item })
    }

    fn items(&self, case: usize, stages: &[u8]) -> impl Iterator<Item = Sample> {
        let of_stages = self.stages[case].iter().enumerate().filter(|(_, stage)| stages.contains(stage));
        of_stages.map(move |(item, _)| Sample { case, item })
    }

    /// Stages of earlier phases that this one lacks.
    fn replayed_stages(&self, phase: usize) -> Vec<u8> {
        let earlier = self.phases[..phase].iter().flat_map(|earlier| &earlier.stages);
        earlier.copied().filter(|stage| !self.phases[phase].stages.contains(stage)).collect()
    }

    fn check(&self, phase: usize) -> Result<(), PlanError> {
        let wrong = |field, what: String, advice| Err(PlanError::Value { phase, field, what, advice });
        let Phase { stages, num_train_epochs, max_steps, learning_rate, replay, dataset_weights, .. } =
            &self.phases[phase];
        if stages.is_empty() || stages.iter().any(|stage| !(1..=4).contains(stage)) {
            return wrong("stages", format!("{stages:?} are no stages"), "name one or more of 1, 2, 3 and 4");
        }
        if let Some((name, weight)) =
            dataset_weights.iter().find(|(_, weight)| !(weight.is_finite() && **weight >= 0.0))
        {
            return wrong("dataset_weights", format!("{name} has {weight}"), "use numbers, at least 0");
        }
        if let Some(name) = dataset_weights.keys().find(|name| !self.datasets.contains(name)) {
            let mut known: Vec<&str> = self.datasets.iter().map(String::as_str).collect();
            known.sort_unstable();
            known.dedup();
            let what = format!("no case is of a data set `{name}`; there are: {}", known.join(", "));
            return wrong("dataset_weights", what, "use the names that `source.dataset` of cases has");
        }
        if self.steps_per_epoch(phase) == 0 && !self.all_visits(phase).is_empty() {
            return wrong("dataset_weights", "they leave no case".into(), "raise one of them");
        }
        if self.all_visits(phase).is_empty() {
            return wrong(
                "stages",
                format!("no case has a question of {stages:?}"),
                "choose stages that the cases have",
            );
        }
        match (num_train_epochs, max_steps) {
            (Some(_), Some(_)) => {
                return wrong("max_steps", "is given beside num_train_epochs".into(), "keep one of them");
            }
            (Some(epochs), None) if !(epochs.is_finite() && *epochs > 0.0) => {
                return wrong("num_train_epochs", format!("is {epochs}"), "use a number above 0");
            }
            (None, Some(0)) => return wrong("max_steps", "is 0".into(), "use 1 or more"),
            _ => {}
        }
        if learning_rate.is_some_and(|rate| !(rate.is_finite() && rate > 0.0)) {
            return wrong("learning_rate", format!("is {learning_rate:?}"), "use a number above 0");
        }
        if !(0.0..1.0).contains(replay) {
            return wrong("replay", format!("is {replay}"), "use a share from 0 to below 1");
        }
        let earlier = self.replayed_stages(phase);
        if *replay > 0.0 && (0..self.stages.len()).all(|case| self.items(case, &earlier).next().is_none()) {
            return wrong("replay", "there is nothing to replay".into(), "remove it, or learn other stages before");
        }
        Ok(())
    }
}

/// For each question of a case, how many others it builds on, directly or not. Questions stand after those they build on.
fn depths(case: &Case) -> Vec<usize> {
    let mut ancestors: Vec<Vec<usize>> = Vec::new();
    for item in &case.chain {
        let mut found: Vec<usize> = Vec::new();
        for (place, parent) in case.chain.iter().enumerate().take(ancestors.len()) {
            if item.parents.contains(&parent.id) {
                found.push(place);
                found.extend(&ancestors[place]);
            }
        }
        found.sort_unstable();
        found.dedup();
        ancestors.push(found);
    }
    ancestors.into_iter().map(|found| found.len()).collect()
}

/// What stands in these places of an endless row: the pool, shuffled anew for each lap.
fn drawn<T: Copy, R: rand::Rng>(pool: &[T], places: std::ops::Range<usize>, key: impl Fn(usize) -> R) -> Vec<T> {
    let mut taken = Vec::with_capacity(places.len());
    let mut shuffled: Option<(usize, Vec<T>)> = None;
    for place in places {
        let lap = place / pool.len();
        if shuffled.as_ref().is_none_or(|(of, _)| *of != lap) {
            let mut row = pool.to_vec();
            row.shuffle(&mut key(lap));
            shuffled = Some((lap, row));
        }
        if let Some((_, row)) = &shuffled {
            taken.push(row[place % pool.len()]);
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    fn phase(stages: &[u8], replay: f64) -> Phase {
        Phase {
            name: "p".into(),
            stages: stages.into(),
            num_train_epochs: Some(1.0),
            max_steps: None,
            learning_rate: None,
            replay,
            visits: Visits::Case,
            dataset_weights: BTreeMap::new(),
        }
    }

    /// Cases whose chains have questions of these stages.
    fn cases(chains: &[Vec<u8>]) -> Vec<Case> {
        let item = |(index, stage): (usize, &u8)| {
            serde_json::json!({"id": format!("q{index}"), "stage": stage, "category": "01", "question": "?",
                "parents": if index > 0 { vec!["q0"] } else { vec![] }, "answer": {"type": "yesno", "gold": true}})
        };
        let case = |chain: &Vec<u8>| {
            serde_json::from_value(serde_json::json!({"schema": "case/1", "case_id": "c", "group_id": "g",
                "split": "train", "source": {"dataset": "d", "licence": "l"}, "modality": "ct", "images": [],
                "chain": chain.iter().enumerate().map(item).collect::<Vec<_>>()}))
            .expect("valid")
        };
        chains.iter().map(case).collect()
    }

    fn chains() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let chain = prop::collection::vec(1u8..=4, 0..6);
        prop::collection::vec(chain, 1..30).prop_map(|mut chains| {
            chains.push(vec![1, 2, 3, 4]);
            chains
        })
    }

    #[test]
    fn a_data_set_is_visited_as_often_as_its_weight_says() {
        let mut cases = cases(&vec![vec![1]; 30]);
        for (index, case) in cases.iter_mut().enumerate() {
            case.source.dataset = ["a", "b", "c"][index % 3].into();
        }
        let weights = |of: &[(&str, f64)]| of.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
        let weighted = Phase { dataset_weights: weights(&[("a", 2.5), ("b", 0.3)]), ..phase(&[1], 0.0) };
        let plan = Plan::new(vec![weighted.clone()], &cases, 1).expect("valid");
        assert_eq!(plan.steps_per_epoch(0), 25 + 3 + 10);
        let epoch = |epoch| -> Vec<usize> { (0..38).map(|step| plan.batch(1, 0, epoch, step)[0].case).collect() };
        let times = |epoch: &[usize], case: usize| epoch.iter().filter(|other| **other == case).count();
        let first = epoch(0);
        for case in 0..30 {
            let allowed = [2..=3, 0..=1, 1..=1][case % 3].clone();
            assert!(allowed.contains(&times(&first, case)), "case {case}: {}", times(&first, case));
        }
        let of_b =
            |epoch: &[usize]| -> BTreeSet<usize> { epoch.iter().copied().filter(|case| case % 3 == 1).collect() };
        assert_ne!(of_b(&first), of_b(&epoch(1)), "drawn anew");

        let refused = |of: &[(&str, f64)]| {
            let phase = Phase { dataset_weights: weights(of), ..phase(&[1], 0.0) };
            Plan::new(vec![phase], &cases, 1).expect_err("refused").to_string()
        };
        assert!(refused(&[("d", 1.0)]).contains("no case is of a data set `d`; there are: a, b, c ->"));
        assert!(refused(&[("a", 0.0), ("b", 0.0), ("c", 0.0)]).contains("they leave no case"));
        assert!(refused(&[("a", -1.0)]).contains("a has -1"));
    }

    #[test]
    fn competence_grows_to_all_and_easy_visits_come_first() {
        assert!((competence(0, 100) - 0.1).abs() < 1e-12);
        assert!((0..100).all(|done| competence(done, 100) <= competence(done + 1, 100)));
        assert_eq!((competence(90, 100), competence(100, 100)), (1.0, 1.0));

        let cases = cases(&vec![vec![1, 2, 3, 4]; 40]);
        let pacing = Phase { visits: Visits::Competence, ..phase(&[1, 2, 3, 4], 0.0) };
        let plan = Plan::new(vec![pacing], &cases, 4).expect("valid");
        let batches: Vec<Vec<Sample>> = (0..plan.steps_per_epoch(0)).map(|step| plan.batch(7, 0, 0, step)).collect();
        assert!(batches.iter().all(|batch| batch.len() == 4), "as many visits as any other order");
        let hardest = |batches: &[Vec<Sample>]| batches.iter().flatten().map(|sample| sample.item).max();
        assert_eq!(hardest(&batches[..2]), Some(0), "the first stage alone at first");
        assert_eq!(hardest(&batches[20..]), Some(3));
        assert_eq!(batches[5], plan.batch(7, 0, 0, 5));
        assert!(plan.batch(7, 0, 0, 40).is_empty());
    }

    proptest! {
        #[test]
        fn an_epoch_holds_every_fresh_question_once_and_replay_its_share(
            chains in chains(), batch in 1usize..5, replay in prop_oneof![Just(0.0), 0.05f64..0.6], seed: u64, epoch in 0usize..3,
        ) {
            let cases = cases(&chains);
            let plan = Plan::new(vec![phase(&[1], 0.0), phase(&[2, 3], replay)], &cases, batch).expect("valid");
            let mut fresh = Vec::new();
            let mut replayed = 0;
            for step in 0..plan.steps_per_epoch(1) {
                let samples = plan.batch(seed, 1, epoch, step);
                prop_assert!(!samples.is_empty());
                let runs = 1 + samples.windows(2).filter(|pair| pair[0].case != pair[1].case).count();
                let distinct: BTreeSet<usize> = samples.iter().map(|sample| sample.case).collect();
                prop_assert_eq!(runs, distinct.len(), "the questions of a case stand together");
                for sample in samples {
                    match chains[sample.case][sample.item] {
                        2 | 3 => fresh.push(sample),
                        1 => replayed += 1,
                        stage => prop_assert!(false, "stage {} was not asked for", stage),
                    }
                }
            }
            let count = fresh.len();
            let unique: BTreeSet<Sample> = fresh.into_iter().collect();
            let expected = chains.iter().flatten().filter(|stage| [2, 3].contains(*stage)).count();
            prop_assert_eq!((count, unique.len()), (expected, expected));
            // A small pool repeats within a batch, where a question is taken once; else the share is met exactly.
            let due = (expected as f64 * replay / (1.0 - replay)).round() as usize;
            let pool = chains.iter().flatten().filter(|stage| **stage == 1).count();
            prop_assert!(replayed <= due && (replayed == due || pool < due));
            prop_assert!(plan.batch(seed, 1, epoch, plan.steps_per_epoch(1)).is_empty());
        }

        #[test]
        fn visits_by_stage_hold_the_questions_that_stages_one_by_one_hold(chains in chains(), seed: u64) {
            let cases = cases(&chains);
            let epoch = |phases: Vec<Phase>| {
                let plan = Plan::new(phases, &cases, 1).expect("valid");
                let steps = |phase| (0..plan.steps_per_epoch(phase)).map(move |step| (phase, step));
                let all: Vec<(usize, usize)> = (0..plan.phases().len()).flat_map(steps).collect();
                all.into_iter().map(|(phase, step)| plan.batch(seed, phase, 0, step)).collect::<Vec<_>>()
            };
            let joint = epoch(vec![Phase { visits: Visits::Stage, ..phase(&[1, 2, 3, 4], 0.0) }]);
            let apart = epoch((1..=4).map(|stage| phase(&[stage], 0.0)).collect());
            prop_assert_eq!(joint.len(), apart.len(), "as many visits");
            let sorted = |mut batches: Vec<Vec<Sample>>| { batches.sort(); batches };
            prop_assert_eq!(sorted(joint), sorted(apart), "with the same questions");

            let balanced = epoch(vec![Phase { visits: Visits::Balanced, ..phase(&[1, 2, 3, 4], 0.0) }]);
            let stages: Vec<u8> = balanced.iter().map(|batch| chains[batch[0].case][batch[0].item]).collect();
            prop_assert_eq!(stages.len(), chains.iter().map(|chain| chain.iter().collect::<BTreeSet<_>>().len()).sum::<usize>());
            for turn in stages.chunks(4) {
                prop_assert_eq!(turn, &[1, 2, 3, 4][..turn.len()], "stages take turns");
            }
        }

        #[test]
        fn a_batch_depends_on_nothing_but_its_place(chains in chains(), seed: u64, step in 0usize..4) {
            let cases = cases(&chains);
            let plan = Plan::new(vec![phase(&[1], 0.0), phase(&[2, 3, 4], 0.3)], &cases, 3).expect("valid");
            let batch = plan.batch(seed, 1, 2, step);
            let _ = plan.batch(seed, 0, 0, 0);
            prop_assert_eq!(batch, plan.clone().batch(seed, 1, 2, step));
        }
    }

    #[test]
    fn epochs_and_seeds_have_orders_of_their_own() {
        let cases = cases(&vec![vec![1]; 40]);
        let plan = Plan::new(vec![phase(&[1], 0.0)], &cases, 40).expect("valid");
        let orders: BTreeSet<Vec<Sample>> =
            [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(seed, epoch)| plan.batch(seed, 0, epoch, 0)).into();
        assert_eq!(orders.len(), 4);
    }

    #[test]
    fn replay_draws_all_before_any_twice() {
        let cases = cases(&vec![vec![1, 2, 2]; 12]);
        let plan = Plan::new(vec![phase(&[1], 0.0), phase(&[2], 0.5)], &cases, 1).expect("valid");
        let mut times: BTreeMap<Sample, usize> = BTreeMap::new();
        for step in 0..plan.steps_per_epoch(1) {
            for sample in plan.batch(3, 1, 0, step) {
                *times.entry(sample).or_default() += 1;
            }
        }
        // 24 fresh questions bring 24 replayed ones from a pool of 12: two laps, of which a batch may join two draws.
        let replayed: Vec<usize> =
            times.iter().filter(|(sample, _)| sample.item == 0).map(|(_, times)| *times).collect();
        assert_eq!(replayed.len(), 12);
        assert!(replayed.iter().all(|times| (1..=2).contains(times)));
    }

    #[test]
    fn parts_of_epochs_are_rounded_up_to_steps() {
        let cases = cases(&vec![vec![1]; 10]);
        let steps = |epochs, max_steps| {
            let phase = Phase { num_train_epochs: epochs, max_steps, ..phase(&[1], 0.0) };
            Plan::new(vec![phase], &cases, 4).expect("valid").steps(0)
        };
        assert_eq!(
            [steps(Some(1.0), None), steps(Some(2.5), None), steps(None, Some(7)), steps(None, None)],
            [3, 8, 7, 3]
        );
    }

    #[test]
    fn plans_that_make_no_sense_are_refused() {
        let cases = cases(&[vec![1, 2]]);
        let message = |phases: Vec<Phase>| Plan::new(phases, &cases, 1).expect_err("refused").to_string();
        assert!(message(vec![phase(&[5], 0.0)]).starts_with("curriculum.phase[0].stages: [5] are no stages"));
        assert!(message(vec![phase(&[3], 0.0)]).contains("no case has a question of [3]"));
        assert!(message(vec![phase(&[1], 0.2)]).starts_with("curriculum.phase[0].replay: there is nothing"));
        assert!(message(vec![Phase { max_steps: Some(1), ..phase(&[1], 0.0) }]).contains("beside num_train_epochs"));
        assert!(message(vec![Phase { num_train_epochs: Some(f64::NAN), ..phase(&[1], 0.0) }]).contains("is NaN"));
        assert!(serde_json::from_str::<Phase>(r#"{"name":"p","stages":[1],"replays":0.1}"#).is_err());
    }

    #[test]
    fn gold_context_tells_the_parents_answers() {
        let cases = cases(&[vec![1, 2]]);
        let known = gold_context(&cases[0], &cases[0].chain[1]);
        assert_eq!(known, [Known { question: "?".into(), answer: "yes".into() }]);
        assert_eq!(gold_context(&cases[0], &cases[0].chain[0]), []);
    }
}
