use std::collections::{BTreeMap, BTreeSet};

use stepwise_testing::cases::synthetic;
use stepwise_testing::recipe::recipe_on;

use super::*;

fn run_plan(order: &str, cases: &[Case]) -> RunPlan {
    let order = if order.starts_with('[') { order.to_owned() } else { format!("\"{order}\"") };
    let train = "[train]\ngradient_accumulation_steps = 4\nnum_train_epochs = 2\n";
    let recipe = recipe_on(40, &format!("{train}[curriculum]\norder = {order}\n"));
    RunPlan::new(&recipe, cases).expect("a course")
}

/// Stages of the questions of each step.
fn stages(run_plan: &RunPlan, cases: &[Case]) -> Vec<Vec<u8>> {
    let of_step = |step| {
        let samples = run_plan.samples(run_plan.at(step));
        samples.iter().map(|sample| cases[sample.case].chain[sample.item].stage).collect()
    };
    (0..run_plan.total).map(of_step).collect()
}

#[test]
fn all_orders_take_equal_steps_and_show_their_stages() {
    let cases = synthetic(40);
    let mut totals = BTreeSet::new();
    for order in
        ["stepwise", "reverse", "cumulative", "shuffled", "round_robin", "competence", "random", "[3, 1]", "[4]"]
    {
        let run_plan = run_plan(order, &cases);
        totals.insert(run_plan.total);
        let steps = stages(&run_plan, &cases);
        assert!(steps.iter().all(|step| !step.is_empty()), "{order}");
        let quarter = |number: usize| -> BTreeSet<u8> {
            steps[number * steps.len() / 4..(number + 1) * steps.len() / 4].concat().into_iter().collect()
        };
        let quarters: Vec<Vec<u8>> = (0..4).map(|number| quarter(number).into_iter().collect()).collect();
        match order {
            "stepwise" => assert_eq!(quarters, [[1], [2], [3], [4]]),
            "reverse" => assert_eq!(quarters, [[4], [3], [2], [1]]),
            "cumulative" => assert_eq!(quarters, [&[1][..], &[1, 2], &[1, 2, 3], &[1, 2, 3, 4]]),
            "competence" => assert!(!quarters[0].contains(&4) && quarters[3] == [1, 2, 3, 4], "{quarters:?}"),
            "[3, 1]" => assert_eq!(quarters, [[3], [3], [1], [1]]),
            "random" => assert!(quarters.iter().all(|stages| stages.len() == 1)),
            "[4]" => assert!(quarters.iter().all(|stages| stages == &[4])),
            _ => assert!(quarters.iter().all(|stages| stages == &[1, 2, 3, 4]), "{order}"),
        }
    }
    assert_eq!(totals.len(), 1, "{totals:?}");
}

#[test]
fn stepwise_and_shuffled_show_every_question_equally_often() {
    let cases = synthetic(40);
    let counts = |order: &str| {
        let run_plan = run_plan(order, &cases);
        let mut counts: BTreeMap<SampleIndex, usize> = BTreeMap::new();
        (0..run_plan.total).flat_map(|step| run_plan.samples(run_plan.at(step))).for_each(|sample| {
            *counts.entry(sample).or_default() += 1;
        });
        counts
    };
    // Each of the 40 cases has all four stages, and 40 is a multiple of the batch size.
    let shuffled = counts("shuffled");
    assert_eq!(shuffled, counts("stepwise"));
    assert!(shuffled.values().all(|times| *times == 2), "twice in two epochs");
}

#[test]
fn a_phase_that_is_cut_moves_the_others_up() {
    let cases = synthetic(40);
    let mut run_plan = run_plan("stepwise", &cases);
    assert_eq!((run_plan.total, run_plan.phase_end(3), run_plan.phase_end(79)), (80, 20, 80));
    run_plan.cut(1, 10);
    assert_eq!((run_plan.total, run_plan.phase_end(25), run_plan.at(30).phase), (70, 30, 2));
    assert_eq!((run_plan.at(29).phase, run_plan.at(29).ends_epoch, run_plan.epochs), (1, true, 7));
}

#[test]
fn a_warm_up_or_early_advance_without_room_is_refused() {
    let cases = synthetic(40);
    let refused = |curriculum: &str, every: u32| {
        let train = format!("[train]\nwarmup_steps = 4\n[benchmark]\nevery = {every}\n");
        let recipe = recipe_on(40, &format!("{train}[curriculum]\n{curriculum}"));
        RunPlan::new(&recipe, &cases).err().map(|error| error.to_string())
    };
    assert_eq!(
        refused("lr_schedule_per_phase = false\n[[curriculum.phase]]\nmax_steps = 4\n", 1).as_deref(),
        Some("train.warmup_steps: a warm-up of 4 steps, and the run has 4 -> lower it, or lengthen the run")
    );
    let phase = |epochs: u32| {
        format!(
            "lr_schedule_per_phase = false\n[[curriculum.phase]]\nnum_train_epochs = {epochs}\nearly_advance = {{ metric = \"accuracy:clean\", \
             at_least = 0.5 }}\n[[curriculum.phase]]\nname = \"last\"\nnum_train_epochs = 2\n"
        )
    };
    for (epochs, every, is_refused) in [(1, 1, true), (2, 1, false), (2, 2, true), (3, 2, false)] {
        let said = refused(&phase(epochs), every);
        let expected = "curriculum.phase[0].early_advance: no epoch before the last one of the phase is evaluated";
        assert_eq!(said.is_some(), is_refused, "{epochs} {every} {said:?}");
        assert!(said.as_ref().is_none_or(|said| said.starts_with(expected)), "{said:?}");
    }
}

#[test]
fn a_schedule_of_a_weight_over_a_single_step_is_refused() {
    let cases = synthetic(40);
    let refused = |lines: &str| RunPlan::new(&recipe_on(40, lines), &cases).err().map(|error| error.to_string());
    let phases = |first: u32, objective: &str| {
        format!(
            "[train]\nwarmup_ratio = 0\n[[curriculum.phase]]\nstages = [1]\nmax_steps = {first}\n{objective}\n\
             [[curriculum.phase]]\nstages = [2]\nmax_steps = 3\n"
        )
    };
    let of_phase = "objective = { simpo = { weight = { from = 0, to = 1 } } }";
    let advice = "write the weight as a number, or lengthen the training";
    assert_eq!(
        refused(&phases(1, of_phase)),
        Some(format!(
            "curriculum.phase[0].objective: the weight of `simpo` has a schedule, and the phase has a single step -> {advice}"
        ))
    );
    assert_eq!(refused(&phases(2, of_phase)), None);
    assert_eq!(refused(&phases(1, "objective = { simpo = {} }")), None);
    let of_run = "[objective]\ncross_entropy = { from = 1, to = 0.5 }\n";
    assert_eq!(refused(&format!("{}{of_run}", phases(1, ""))), None, "the schedule spans the run of four steps");
    let single = format!("[train]\nmax_steps = 1\nwarmup_ratio = 0\n{of_run}");
    assert_eq!(
        refused(&single),
        Some(format!(
            "curriculum.phase[0].objective: the weight of `cross_entropy` has a schedule, and the run has a single step -> {advice}"
        ))
    );
}

#[test]
fn a_phase_ends_its_epoch_where_its_steps_end() {
    let cases = synthetic(40);
    let run_plan = run_plan("cumulative", &cases);
    let ends: Vec<(usize, u32, u64)> = (0..run_plan.total)
        .map(|step| run_plan.at(step))
        .filter(|place| place.ends_epoch)
        .map(|place| (place.phase, place.epochs_before, place.phase_step + 1))
        .collect();
    // 80 steps, 20 per phase. An epoch of the first phase has 10 steps, of the last phase 40.
    assert_eq!(ends, [(0, 0, 10), (0, 1, 20), (1, 2, 20), (2, 3, 20), (3, 4, 20)]);
    assert_eq!((run_plan.total, run_plan.epochs), (80, 5));
    assert_eq!(run_plan.beginning(2), run_plan.at(40));
}
