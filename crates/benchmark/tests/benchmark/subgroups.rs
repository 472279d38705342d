//! Metrics by category, modality and data set.

use stepwise_benchmark::compare::{Side, compare};
use stepwise_benchmark::metrics::{endpoints, is_endpoint};
use stepwise_benchmark::mock::{BlindPrior, Planted, Policy, PolicyInput};
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_benchmark::summary::Summary;
use stepwise_data::case::Case;
use stepwise_testing::benchmark::constructed::{BALANCED, Looker, cases, evaluate};
use stepwise_testing::benchmark::suite::{parse_suite, suite};
use stepwise_testing::benchmark::values::{expect, expect_undefined, value};

const CONDITIONS: [(&str, &str); 3] = [
    ("clean", "kind = \"clean\""),
    ("swap_same", "kind = \"swap_same\"\ncontrol = \"clean\""),
    ("swap_near", "kind = \"swap_near\"\ncontrol = \"swap_same\""),
];

/// Constructed cases, half from each of two data sets and modalities. A modality holds all right answers of every
/// question, so that images can be exchanged within it.
fn mixed() -> Vec<Case> {
    let mut all = cases(4 * BALANCED);
    for case in &mut all[2 * BALANCED..] {
        case.modality = "mri".to_owned();
        case.source.dataset = "other set".to_owned();
    }
    all
}

fn outcomes(suite: &Suite, policy: impl Policy) -> Vec<Outcome> {
    let cases = mixed();
    evaluate(&Plan::new(suite, &cases), &mut Planted::new(&cases, policy)).outcomes
}

fn of(policy: impl Policy) -> Summary {
    let suite = suite("seed = 5", &CONDITIONS);
    Summary::new(&suite, &[], &outcomes(&suite, policy), None)
}

/// Mock model that looks at images of the modality `mri` only.
struct HalfBlind;

impl Policy for HalfBlind {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        if view.case.modality == "mri" { Looker.say(view) } else { BlindPrior.say(view) }
    }
}

/// Mock model that knows the right answer of every question with the own image as well as with any other: a prior
/// that is always right.
struct RightPrior;

impl Policy for RightPrior {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        view.gold()
    }
}

const SUBGROUPS: [&str; 8] = [
    "category_01",
    "category_09",
    "category_20",
    "category_25",
    "modality_ct",
    "modality_mri",
    "dataset_constructed",
    "dataset_other set",
];

#[test]
fn the_image_score_of_every_subgroup_separates_looking_from_priors() {
    let (looker, blind, prior) = (of(Looker), of(BlindPrior), of(RightPrior));
    for subgroup in SUBGROUPS {
        let id = format!("image_score:{subgroup}");
        expect(&looker, &id, 1.0);
        expect(&blind, &id, 0.5);
        expect(&prior, &id, 0.5);
        expect(&looker, &format!("image_score_control:{subgroup}"), 0.5);
        expect(&prior, &format!("accuracy:clean:{subgroup}"), 1.0);
    }
    for stage in 1..=4 {
        expect(&looker, &format!("image_score:stage_{stage}"), 1.0);
        expect(&looker, &format!("image_score_control:stage_{stage}"), 0.5);
    }
    assert_eq!(looker.estimate("image_score:category_02"), None, "no item has the category");
    let half = of(HalfBlind);
    expect(&half, "image_score:modality_mri", 1.0);
    expect(&half, "image_score:dataset_constructed", 0.5);
    let clean = value(&half, "accuracy:clean:modality_ct");
    assert!(clean < 1.0 && value(&half, "accuracy:clean:dataset_other set") == 1.0, "{clean}");
}

#[test]
fn a_metric_of_a_subgroup_can_be_a_primary_endpoint() {
    let primary = ["image_score:category_09", "image_score:modality_ct", "image_score:dataset_absent", "image_score"];
    let suite = suite(&format!("seed = 5\nprimary = {primary:?}"), &CONDITIONS);
    let (base, tuned) = (outcomes(&suite, BlindPrior), outcomes(&suite, Looker));
    let found = Summary::new(&suite, &[], &tuned, Some(&base));
    for id in &primary[..2] {
        let gain = found.gain(id).expect("compared");
        assert!(gain.value == Some(0.5) && found.metrics[*id].primary, "{id}: {gain:?}");
    }
    // One category is one question, which has no interval over other questions.
    let gain = found.gain("image_score:modality_ct").expect("compared");
    assert!(gain.p_adjusted.is_some() && gain.p_adjusted >= gain.p && gain.ci.is_some(), "{gain:?}");
    // A named subgroup without items is there, without a value.
    expect_undefined(&found, "image_score:dataset_absent");
    assert!(found.metrics["image_score:dataset_absent"].primary);

    let side = |name, outcomes| Side { name, checkpoint: None, outcomes, history: None };
    let both = compare(&suite, side("a", &base), side("b", &tuned), &[]).expect("comparable");
    assert_eq!(both.metrics["image_score:category_09"].difference.value, Some(0.5));
}

#[test]
fn endpoints_of_subgroups_need_a_metric_that_is_divided() {
    let whole = suite("seed = 5", &CONDITIONS);
    for id in ["image_score:category_10", "image_score_control:dataset_x", "accuracy:clean:modality_mri"] {
        assert!(is_endpoint(&whole, id), "{id}");
        assert!(!endpoints(&whole).contains(&id.to_owned()), "{id} depends on the cases");
    }
    for id in ["chain_accuracy:category_10", "image_score:category_", "image_score:organ_lung"] {
        let message = parse_suite(&format!("seed = 5\nprimary = [\"{id}\"]"), &CONDITIONS).expect_err(id).to_string();
        assert!(message.contains("is neither a condition nor a metric of this suite"), "{message}");
    }
    // Without exchanged images there is no image score.
    assert!(!is_endpoint(&suite("seed = 5", &CONDITIONS[..1]), "image_score:category_10"));
}

#[test]
fn metrics_are_a_list_in_json_and_maps_of_earlier_files_are_read() {
    let summary = of(Looker);
    let mut json = serde_json::to_value(&summary).expect("serialises");
    let list = json["metrics"].as_array().expect("a list").clone();
    assert_eq!(list.len(), summary.metrics.len());
    for id in ["image_score", "image_score_control", "image_score:category_09"] {
        let metric = list.iter().find(|metric| metric["id"] == id).unwrap_or_else(|| panic!("no {id}"));
        assert!(metric["value"].is_f64() && metric["n"].is_u64() && metric.get("ci").is_some(), "{metric}");
    }
    let earlier: serde_json::Map<String, serde_json::Value> = list
        .into_iter()
        .map(|mut metric| {
            let id = metric.as_object_mut().expect("an object").remove("id").expect("an id");
            (id.as_str().expect("text").to_owned(), metric)
        })
        .collect();
    json["metrics"] = earlier.into();
    assert_eq!(serde_json::from_value::<Summary>(json).expect("reads"), summary);
}
