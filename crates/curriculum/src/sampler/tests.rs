use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use stepwise_data::case::Case;

use super::competence::competence;
use super::*;
use crate::phase::Visits;

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
fn data_sets_are_visited_in_proportion_to_their_weights() {
    let mut cases = cases(&vec![vec![1]; 30]);
    for (index, case) in cases.iter_mut().enumerate() {
        case.source.dataset = ["a", "b", "c"][index % 3].into();
    }
    let weights = |of: &[(&str, f64)]| of.iter().map(|(name, weight)| ((*name).to_owned(), *weight)).collect();
    let weighted = Phase { dataset_weights: weights(&[("a", 2.5), ("b", 0.3)]), ..phase(&[1], 0.0) };
    let plan = Sampler::new(vec![weighted.clone()], &cases, 1).expect("valid");
    assert_eq!(plan.steps_per_epoch(0), 25 + 3 + 10);
    let epoch = |epoch| -> Vec<usize> { (0..38).map(|step| plan.batch(1, 0, epoch, step)[0].case).collect() };
    let times = |epoch: &[usize], case: usize| epoch.iter().filter(|other| **other == case).count();
    let first = epoch(0);
    for case in 0..30 {
        let allowed = [2..=3, 0..=1, 1..=1][case % 3].clone();
        assert!(allowed.contains(&times(&first, case)), "case {case}: {}", times(&first, case));
    }
    let of_b = |epoch: &[usize]| -> BTreeSet<usize> { epoch.iter().copied().filter(|case| case % 3 == 1).collect() };
    assert_ne!(of_b(&first), of_b(&epoch(1)), "drawn again");

    let refused = |of: &[(&str, f64)]| {
        let phase = Phase { dataset_weights: weights(of), ..phase(&[1], 0.0) };
        Sampler::new(vec![phase], &cases, 1).expect_err("refused").to_string()
    };
    assert!(refused(&[("d", 1.0)]).contains("no case is from a data set `d`; the data sets are: a, b, c ->"));
    assert!(refused(&[("a", 0.0), ("b", 0.0), ("c", 0.0)]).contains("the weights leave no case"));
    assert!(refused(&[("a", -1.0)]).contains("a has -1"));
}

#[test]
fn replay_keeps_the_weights_of_the_data_sets() {
    let mut cases = cases(&vec![vec![1, 2]; 40]);
    for (index, case) in cases.iter_mut().enumerate() {
        case.source.dataset = ["a", "b"][usize::from(index >= 10)].into();
    }
    let weighted =
        |stages: &[u8], replay| Phase { dataset_weights: [("a".to_owned(), 3.0)].into(), ..phase(stages, replay) };
    let plan = Sampler::new(vec![weighted(&[1], 0.0), weighted(&[2], 0.5)], &cases, 6).expect("valid");
    // An epoch of 60 visits for stage 2, 30 to each data set, and 60 replayed ones.
    let samples = (0..plan.steps_per_epoch(1)).flat_map(|step| plan.batch(3, 1, 0, step));
    let again: Vec<SampleIndex> = samples.filter(|sample| sample.item == 0).collect();
    let of_a = again.iter().filter(|sample| sample.case < 10).count();
    assert_eq!((of_a, again.len()), (30, 60));
}

#[test]
fn competence_grows_to_one_and_easy_visits_come_first() {
    assert!((competence(0, 100) - 0.1).abs() < 1e-12);
    assert!((0..100).all(|done| competence(done, 100) <= competence(done + 1, 100)));
    assert_eq!((competence(90, 100), competence(100, 100)), (1.0, 1.0));

    let cases = cases(&vec![vec![1, 2, 3, 4]; 40]);
    let sampling_order = Phase { visits: Visits::Competence, ..phase(&[1, 2, 3, 4], 0.0) };
    let plan = Sampler::new(vec![sampling_order], &cases, 4).expect("valid");
    let batches: Vec<Vec<SampleIndex>> = (0..plan.steps_per_epoch(0)).map(|step| plan.batch(7, 0, 0, step)).collect();
    assert!(batches.iter().all(|batch| batch.len() == 4), "the same number of visits as in any other order");
    let hardest = |batches: &[Vec<SampleIndex>]| batches.iter().flatten().map(|sample| sample.item).max();
    assert_eq!(hardest(&batches[..2]), Some(0), "the first stage alone at first");
    assert_eq!(hardest(&batches[20..]), Some(3));
    assert_eq!(batches[5], plan.batch(7, 0, 0, 5));
    assert!(plan.batch(7, 0, 0, 40).is_empty());
}

proptest! {
    #[test]
    fn an_epoch_holds_every_new_question_once_and_the_share_of_replay(
        chains in chains(), batch in 1usize..5, replay in prop_oneof![Just(0.0), 0.05f64..0.6], seed: u64, epoch in 0usize..3,
    ) {
        let cases = cases(&chains);
        let plan = Sampler::new(vec![phase(&[1], 0.0), phase(&[2, 3], replay)], &cases, batch).expect("valid");
        let mut fresh = Vec::new();
        let mut replayed = 0;
        let mut joined = 0;
        let steps = plan.steps_per_epoch(1);
        for step in 0..steps {
            let samples = plan.batch(seed, 1, epoch, step);
            prop_assert!(!samples.is_empty());
            let runs = 1 + samples.windows(2).filter(|pair| pair[0].case != pair[1].case).count();
            let distinct: BTreeSet<usize> = samples.iter().map(|sample| sample.case).collect();
            prop_assert_eq!(runs, distinct.len(), "the questions of a case stand together");
            let mut again: BTreeSet<usize> = BTreeSet::new();
            let mut own: BTreeSet<usize> = BTreeSet::new();
            for sample in samples {
                match chains[sample.case][sample.item] {
                    2 | 3 => { fresh.push(sample); own.insert(sample.case); }
                    1 => { again.insert(sample.case); }
                    stage => prop_assert!(false, "stage {} is not in the plan", stage),
                }
            }
            prop_assert!(own.len() + again.len() <= batch, "replay takes its share of the batch");
            joined += batch - own.len() - again.len();
            replayed += again.len();
        }
        let count = fresh.len();
        let unique: BTreeSet<SampleIndex> = fresh.into_iter().collect();
        let expected = chains.iter().flatten().filter(|stage| [2, 3].contains(*stage)).count();
        prop_assert_eq!((count, unique.len()), (expected, expected));
        let visits = chains.iter().filter(|chain| chain.contains(&2) || chain.contains(&3)).count();
        let due = (visits as f64 * replay / (1.0 - replay)).round() as usize;
        let pool = chains.iter().filter(|chain| chain.contains(&1)).count();
        prop_assert!(replayed <= due + 1 && (replayed + 1 >= due || pool < due), "{} of {}", replayed, due);
        prop_assert!(pool < due || joined < batch, "every batch but the last is full");
        prop_assert!(plan.batch(seed, 1, epoch, steps).is_empty());
    }

    #[test]
    fn visits_by_stage_hold_the_same_questions_as_single_stage_phases(chains in chains(), seed: u64) {
        let cases = cases(&chains);
        let epoch = |phases: Vec<Phase>| {
            let plan = Sampler::new(phases, &cases, 1).expect("valid");
            let steps = |phase| (0..plan.steps_per_epoch(phase)).map(move |step| (phase, step));
            let all: Vec<(usize, usize)> = (0..plan.phases().len()).flat_map(steps).collect();
            all.into_iter().map(|(phase, step)| plan.batch(seed, phase, 0, step)).collect::<Vec<_>>()
        };
        let joint = epoch(vec![Phase { visits: Visits::Stage, ..phase(&[1, 2, 3, 4], 0.0) }]);
        let apart = epoch((1..=4).map(|stage| phase(&[stage], 0.0)).collect());
        prop_assert_eq!(joint.len(), apart.len(), "as many visits");
        let sorted = |mut batches: Vec<Vec<SampleIndex>>| { batches.sort(); batches };
        prop_assert_eq!(sorted(joint), sorted(apart), "with the same questions");

        let balanced = epoch(vec![Phase { visits: Visits::RoundRobin, ..phase(&[1, 2, 3, 4], 0.0) }]);
        let stages: Vec<u8> = balanced.iter().map(|batch| chains[batch[0].case][batch[0].item]).collect();
        prop_assert_eq!(stages.len(), chains.iter().map(|chain| chain.iter().collect::<BTreeSet<_>>().len()).sum::<usize>());
        for turn in stages.chunks(4) {
            prop_assert_eq!(turn, &[1, 2, 3, 4][..turn.len()], "stages take turns");
        }
    }

    #[test]
    fn a_batch_depends_only_on_its_step(chains in chains(), seed: u64, step in 0usize..4, paced: bool) {
        let cases = cases(&chains);
        let visits = if paced { Visits::Competence } else { Visits::Case };
        let plan = || {
            let later = Phase { visits, num_train_epochs: Some(3.0), ..phase(&[2, 3, 4], 0.3) };
            Sampler::new(vec![phase(&[1], 0.0), later], &cases, 3).expect("valid")
        };
        // One plan makes other epochs in between, the other only this batch.
        let asked = plan();
        let batch = asked.batch(seed, 1, 2, step);
        let _ = (asked.batch(seed, 1, 1, step), asked.batch(seed, 0, 0, 0), asked.batch(seed ^ 1, 1, 2, step));
        prop_assert_eq!(&batch, &asked.batch(seed, 1, 2, step));
        prop_assert_eq!(batch, plan().batch(seed, 1, 2, step));
    }
}

#[test]
fn every_epoch_and_seed_has_its_own_order() {
    let cases = cases(&vec![vec![1]; 40]);
    let plan = Sampler::new(vec![phase(&[1], 0.0)], &cases, 40).expect("valid");
    let orders: BTreeSet<Vec<SampleIndex>> =
        [(0, 0), (0, 1), (1, 0), (1, 1)].map(|(seed, epoch)| plan.batch(seed, 0, epoch, 0)).into();
    assert_eq!(orders.len(), 4);
}

#[test]
fn replay_draws_every_case_once_before_any_case_twice() {
    let cases = cases(&vec![vec![1, 2, 2]; 12]);
    let plan = Sampler::new(vec![phase(&[1], 0.0), phase(&[2], 0.5)], &cases, 1).expect("valid");
    let mut times: BTreeMap<SampleIndex, usize> = BTreeMap::new();
    for step in 0..plan.steps_per_epoch(1) {
        for sample in plan.batch(3, 1, 0, step) {
            *times.entry(sample).or_default() += 1;
        }
    }
    // 12 visits for stage 2 come with 12 replayed visits, each to another case.
    let replayed: Vec<usize> = times.iter().filter(|(sample, _)| sample.item == 0).map(|(_, times)| *times).collect();
    assert_eq!(replayed.len(), 12);
    assert!(replayed.iter().all(|times| *times == 1));
}

#[test]
fn parts_of_epochs_are_rounded_up_to_steps() {
    let cases = cases(&vec![vec![1]; 10]);
    let steps = |epochs, max_steps| {
        let phase = Phase { num_train_epochs: epochs, max_steps, ..phase(&[1], 0.0) };
        Sampler::new(vec![phase], &cases, 4).expect("valid").steps(0)
    };
    assert_eq!([steps(Some(1.0), None), steps(Some(2.5), None), steps(None, Some(7)), steps(None, None)], [3, 8, 7, 3]);
}

#[test]
fn invalid_plans_are_refused() {
    let cases = cases(&[vec![1, 2]]);
    let message = |phases: Vec<Phase>| Sampler::new(phases, &cases, 1).expect_err("refused").to_string();
    assert!(message(vec![phase(&[5], 0.0)]).starts_with("curriculum.phase[0].stages: [5] are not valid stages"));
    assert!(message(vec![phase(&[3], 0.0)]).contains("no case has a question of [3]"));
    assert!(message(vec![phase(&[1], 0.2)]).starts_with("curriculum.phase[0].replay: there is nothing"));
    assert!(message(vec![Phase { max_steps: Some(1), ..phase(&[1], 0.0) }]).contains("together with num_train_epochs"));
    assert!(message(vec![Phase { num_train_epochs: Some(f64::NAN), ..phase(&[1], 0.0) }]).contains("is NaN"));
    assert!(serde_json::from_str::<Phase>(r#"{"name":"p","stages":[1],"replays":0.1}"#).is_err());
}
