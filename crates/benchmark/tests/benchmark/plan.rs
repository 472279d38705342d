//! Plans: no item is dropped without a count, and the plan does not depend on the order of the cases.

use std::collections::BTreeSet;

use serde_json::json;
use stepwise_benchmark::mock::Oracle;
use stepwise_benchmark::model::{Query, QueryImage};
use stepwise_benchmark::plan::{Plan, PlanEntry};
use stepwise_benchmark::subset::OUTSIDE;
use stepwise_data::case::Case;
use stepwise_testing::benchmark::constructed::{cases, recorded};
use stepwise_testing::benchmark::suite::{suite, suite_of, uncapped};

#[test]
fn every_item_is_asked_or_counted_under_a_reason() {
    let (suite, cases) = (uncapped(), cases(6));
    let plan = Plan::new(&suite, &cases);
    for (c, condition) in suite.conditions.iter().enumerate() {
        let asked = plan.entries.iter().filter(|entry| entry.condition == c).count();
        let skipped: usize = plan.skipped[c].values().sum();
        assert_eq!(asked + skipped, 24, "{}", condition.id);
    }
    let reasons = |id: &str| {
        let c = suite.conditions.iter().position(|condition| condition.id == id).expect("known");
        plan.skipped[c].clone()
    };
    let masked = [("no evidence region", 6), ("the outline of the mask would show the answer", 6)];
    assert_eq!(reasons("region_mask").into_iter().collect::<Vec<_>>(), masked);
    assert_eq!(reasons("permutation").into_iter().collect::<Vec<_>>(), [("only a choice has options to reorder", 6)]);
}

#[test]
fn items_outside_a_subset_are_counted() {
    let mut cases = cases(6);
    for case in cases.iter_mut().step_by(2) {
        case.modality = "mr".to_owned();
    }
    let suite = suite(
        "seed = 1\nsubset = { stages = [1, 2, 3] }",
        &[
            ("clean", "kind = \"clean\""),
            ("blank", "kind = \"blank\"\nsubset = { stages = [3, 4], modalities = [\"ct\"] }"),
            ("nothing", "kind = \"blank\"\nsubset = { categories = [\"of no item\"] }"),
        ],
    );
    let plan = Plan::new(&suite, &cases);
    let of = |condition: usize| plan.entries.iter().filter(move |entry| entry.condition == condition);
    let all: usize = cases.iter().map(|case| case.chain.len()).sum();
    for condition in 0..3 {
        let skipped: usize = plan.skipped[condition].values().sum();
        assert_eq!(of(condition).count() + skipped, all, "{condition}");
    }
    let stage = |entry: &PlanEntry| plan.item(*entry).1.stage;
    assert!(of(0).all(|entry| stage(entry) <= 3) && of(0).any(|entry| stage(entry) == 3));
    assert!(of(1).all(|entry| stage(entry) == 3 && plan.item(*entry).0.modality == "ct"));
    let expected = cases.iter().filter(|case| case.modality == "ct").flat_map(|case| &case.chain);
    assert_eq!(of(1).count(), expected.filter(|item| item.stage == 3).count());
    assert_eq!(plan.skipped[2], [(OUTSIDE, all)].into());
    // Cases without questions do not count towards the limit on cases.
    let suite = suite_of("seed = 1\nmax_cases = 2\nsubset = { modalities = [\"ct\"] }", &["clean"]);
    let plan = Plan::new(&suite, &cases);
    assert_eq!(plan.chosen.len(), 2);
    assert!(plan.chosen.iter().all(|case| cases[*case].modality == "ct"));
}

#[test]
fn evidence_that_fills_most_of_an_image_is_not_masked() {
    let suite = uncapped();
    let skipped = |side: u32| {
        let mut cases = cases(1);
        let region = json!({"id": "r", "image": "i", "label": "finding", "kind": "box", "box": [0, 0, side, side], "role": "finding"});
        cases[0].regions = vec![serde_json::from_value(region).expect("a region")];
        let plan = Plan::new(&suite, &cases);
        let mask = suite.conditions.iter().position(|condition| condition.id == "region_mask").expect("asked");
        plan.skipped[mask].clone()
    };
    // Grown by 4 pixels, the region covers 49 x 49 of 64 x 64 pixels, or 50 x 50, which is more than 60 %.
    let always = [("no evidence region", 1), ("the outline of the mask would show the answer", 1)];
    assert_eq!(skipped(45), always.into());
    let large = ("the evidence covers too much of the picture", 2);
    assert_eq!(skipped(46), always.into_iter().chain([large]).collect());
}

#[test]
fn a_condition_and_its_control_have_the_same_items_under_a_cap() {
    let (mut suite, cases) = (uncapped(), cases(12));
    for condition in &mut suite.conditions {
        condition.max_items = Some(8);
    }
    let plan = Plan::new(&suite, &cases);
    let items = |id: &str| -> BTreeSet<(usize, usize)> {
        let of = |entry: &&PlanEntry| suite.conditions[entry.condition].id == id;
        plan.entries.iter().filter(of).map(|entry| (entry.case, entry.item)).collect()
    };
    assert_eq!(items("region_mask").len(), 8);
    assert_eq!(items("region_mask"), items("random_mask"));
    assert_eq!(items("fgsm"), items("random_sign"));
    // Stages 3 and 4 have the same number of items; the question of stage 2 is about presence, which a mark would show.
    for (item, count) in [(1, 0), (2, 4), (3, 4)] {
        assert_eq!(items("cue_true").iter().filter(|(_, of)| *of == item).count(), count);
    }
}

#[test]
fn a_plan_does_not_depend_on_the_order_of_the_cases() {
    let suite = uncapped();
    let key = |query: &Query| (query.case_id.clone(), query.item_id.clone(), query.condition.clone());
    let sorted = |cases: &[Case]| {
        let mut queries = recorded(&suite, cases, Oracle).0;
        queries.sort_by_key(key);
        queries
    };
    let forward = cases(6);
    let backward: Vec<Case> = forward.iter().rev().cloned().collect();
    for (a, b) in sorted(&forward).iter().zip(sorted(&backward)) {
        assert_eq!(key(a), key(&b));
        assert_eq!((&a.conversation, &a.ask), (&b.conversation, &b.ask));
        match (&a.images[0], &b.images[0]) {
            (QueryImage::Image(a), QueryImage::Image(b)) => assert!(a == b),
            _ => panic!("nothing is attacked here"),
        }
    }
}
