//! Metrics on mock models whose values are known in advance.

use stepwise_benchmark::mock::{BlindPrior, HintFollower, LastOption, Oracle, Planted, Policy, Unparsable};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::summary::Summary;
use stepwise_testing::benchmark::constructed::{BALANCED, LUCK, Looker, cases, evaluate};
use stepwise_testing::benchmark::evaluate::summary;
use stepwise_testing::benchmark::suite::uncapped;
use stepwise_testing::benchmark::values::{expect, expect_undefined, value};

fn of(policy: impl Policy) -> Summary {
    let (suite, cases) = (uncapped(), cases(BALANCED));
    let plan = Plan::new(&suite, &cases);
    summary(&plan, &evaluate(&plan, &mut Planted::new(&cases, policy)), None)
}

#[test]
fn an_oracle_is_always_right_and_relies_on_nothing() {
    let oracle = of(Oracle);
    for condition in oracle.conditions.iter().filter(|condition| condition.n > 0) {
        assert_eq!((condition.right, condition.accuracy), (condition.n, Some(1.0)), "{}", condition.id);
    }
    for id in ["chain_accuracy", "first_error:none", "robust_accuracy", "worst_case_accuracy", "all_orders_accuracy"] {
        expect(&oracle, id, 1.0);
    }
    for id in [
        "hint_reliance",
        "misleading_susceptibility",
        "adoption",
        "capture",
        "visual_reliance_blank",
        "visual_reliance_swap",
        "image_sensitivity",
        "region_grounding",
        "cue_gain",
        "cue_harm",
        "stage_slope",
        "stage_fall",
        "attack_success:hint_minus",
        "flip_rate:permutation",
        "first_error:stage_1",
    ] {
        expect(&oracle, id, 0.0);
    }
    expect(&oracle, "prior_following", 1.0);
    // No answer was wrong before, so no answer can be repaired.
    expect_undefined(&oracle, "repair");
    expect_undefined(&oracle, "hint_discrimination");
    for stage in 1..=4 {
        expect(&oracle, &format!("chance_corrected:stage_{stage}"), 1.0);
    }
}

#[test]
fn a_blind_prior_has_chance_accuracy_and_no_visual_reliance() {
    let blind = of(BlindPrior);
    // The first option is right for 1 of 4, 1 of 2, 1 of 3 and 1 of 2 cases. This is chance, so K is zero at
    // every stage.
    for (stage, chance) in [(1, 1.0 / 4.0), (2, 1.0 / 2.0), (3, 1.0 / 3.0), (4, 1.0 / 2.0)] {
        expect(&blind, &format!("accuracy:clean:stage_{stage}"), chance);
        expect(&blind, &format!("chance_corrected:stage_{stage}"), 0.0);
    }
    for id in
        ["visual_reliance_blank", "visual_reliance_swap", "image_sensitivity", "hint_reliance", "capture", "repair"]
    {
        expect(&blind, id, 0.0);
    }
    for id in ["stage_slope", "stage_fall", "region_grounding", "cue_gain", "misleading_susceptibility"] {
        expect(&blind, id, 0.0);
    }
    expect(&blind, "prior_following", 1.0);
    // The same answer with every image: the prior of a question cancels.
    expect(&blind, "image_score", 0.5);
    // Only case 0 is right at all stages: 0 mod 4, 2, 3 and 2.
    expect(&blind, "chain_accuracy", 1.0 / 12.0);
    expect(&blind, "chain_prefix:stage_1", 3.0 / 12.0);
    // Cases 0, 4 and 8 are even, so the second stage is never the first to fail. Cases 4 and 8 fail in the third.
    for (place, share) in [("stage_1", 9.0), ("stage_2", 0.0), ("stage_3", 2.0), ("stage_4", 0.0), ("none", 1.0)] {
        expect(&blind, &format!("first_error:{place}"), share / 12.0);
    }
    expect(&blind, "chain_conditional:stage_3", 1.0 / 3.0);
    expect(&blind, "chain_conditional:stage_4", 1.0);
}

#[test]
fn a_looker_falls_to_chance_without_the_image() {
    let looker = of(Looker);
    expect(&looker, "accuracy:clean", 1.0);
    // Without the image only the prior is left, the first option. It is right on 3, 4 and 6 of 12 items of questions one,
    // three and four. Of question two the items with the answer no are left out, and the prior is right on all six others.
    let prior = (3.0 + 6.0 + 4.0 + 6.0) / 42.0;
    expect(&looker, "visual_reliance_blank", 1.0 - prior);
    expect(&looker, "prior_following", prior);
    // Another patient's image shows another answer, and the looker gives that answer.
    expect(&looker, "visual_reliance_swap", 1.0);
    expect(&looker, "image_sensitivity", 1.0);
    expect(&looker, "image_score", 1.0);
    // With covered evidence only the prior is left on questions three and four; question two is about presence, which the
    // cover would show. With an equal area covered elsewhere all are right.
    expect(&looker, "region_grounding", 1.0 - (1.0 / 3.0 + 1.0 / 2.0) / 2.0);
    expect(&looker, "accuracy:random_mask", 1.0);
    expect(&looker, "cue_gain", 0.0);
    expect(&looker, "cue_harm", 0.0);
    expect(&looker, "hint_reliance", 0.0);
}

#[test]
fn a_hint_follower_gains_by_right_hints_and_loses_by_wrong_ones() {
    let follower = of(HintFollower(BlindPrior));
    expect(&follower, "accuracy:hint_zero", LUCK);
    expect(&follower, "accuracy:hint_plus", 1.0);
    expect(&follower, "accuracy:hint_minus", 0.0);
    expect(&follower, "hint_reliance", 1.0 - LUCK);
    expect(&follower, "misleading_susceptibility", LUCK);
    expect(&follower, "capture", 1.0);
    expect(&follower, "repair", 1.0);
    // A model that follows every hint does not discriminate right from wrong hints.
    expect(&follower, "hint_discrimination", 0.0);
    expect(&follower, "attack_success:hint_minus", 1.0);
    let followed = follower.conditions.iter().find(|condition| condition.id == "hint_minus").expect("asked");
    assert_eq!(followed.followed, followed.n);

    let seeing = of(HintFollower(Looker));
    expect(&seeing, "hint_reliance", 0.0);
    expect(&seeing, "misleading_susceptibility", 1.0);
    expect(&seeing, "adoption", 1.0);
}

#[test]
fn choosing_the_last_option_gives_flips_and_a_position_bias() {
    let last = of(LastOption);
    // Only orders that leave the last option last keep the answer.
    assert!(value(&last, "flip_rate:permutation") > 0.5);
    // Choices with 4, 3 and 2 options are asked in two orders each, and the chosen position is always the last.
    // Compared with equal shares, position 1 is off by -(1/4 + 1/3 + 1/2) / 3, position 2 by (-1/4 - 1/3 + 1/2) / 3,
    // position 3 by (-1/4 + 2/3) / 2, and position 4 by 3/4.
    expect(&last, "position_bias", 0.75 + (1.0 / 4.0 + 1.0 / 3.0 + 1.0 / 2.0) / 3.0);
    // Answers depend on positions only, so hints have no effect.
    expect(&last, "hint_reliance", 0.0);
    expect(&last, "misleading_susceptibility", 0.0);
}

#[test]
fn unparsable_replies_are_wrong_and_follow_nothing() {
    let silent = of(Unparsable);
    for condition in silent.conditions.iter().filter(|condition| condition.n > 0) {
        assert_eq!((condition.unparsed, condition.followed, condition.right), (condition.n, 0, 0), "{}", condition.id);
    }
    expect(&silent, "accuracy:clean", 0.0);
    expect(&silent, "adoption", 0.0);
    // Two unparsed replies do not count as the same answer.
    expect(&silent, "prior_following", 0.0);
    expect_undefined(&silent, "capture");
    expect_undefined(&silent, "attack_success:hint_minus");
    expect(&silent, "repair", 0.0);
}

#[test]
fn gains_over_the_base_are_paired_and_tested() {
    let (suite, cases) = (uncapped(), cases(24));
    let plan = Plan::new(&suite, &cases);
    let base = evaluate(&plan, &mut Planted::new(&cases, HintFollower(Looker)));
    let tuned = evaluate(&plan, &mut Planted::new(&cases, Looker));
    let gain = summary(&plan, &tuned, Some(&base));
    let of = |id: &str| gain.gain(id).unwrap_or_else(|| panic!("no gain of {id}"));
    // Four questions are fewer than twelve patients. All agree, so the interval allows a share of unseen questions.
    let unseen = 1.0 - 0.025f64.powf(1.0 / 4.0);
    for (id, value, ci) in
        [("accuracy:clean", 0.0, [-unseen, unseen]), ("accuracy:hint_minus", 1.0, [1.0 - 2.0 * unseen, 1.0])]
    {
        let found = of(id);
        let is_near = found.ci.is_some_and(|found| found.iter().zip(ci).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(found.value == Some(value) && is_near, "{id}: {found:?}");
    }
    assert_eq!(of("misleading_susceptibility").value, Some(-1.0));
    assert_eq!(of("attack_success_both_right:hint_minus").value, Some(-1.0));
    // One of the four applicable attacks (wrong hint, order, wrong cue, noise) goes from all wrong to all right.
    assert_eq!(of("mean_attacked_accuracy").value, Some(0.25));
    assert_eq!(gain.metrics["robust_accuracy"].base.and_then(|base| base.value), Some(0.0));
    let hint = gain.conditions.iter().find(|condition| condition.id == "hint_minus").expect("asked");
    let tests = hint.gain_vs_base.expect("paired");
    assert_eq!((tests.only_tuned_right, tests.only_base_right, tests.estimate.n), (96, 0, 96));
    // All answers to all questions improve: p is the smallest that four questions allow. Holm's correction covers two
    // answered primary conditions.
    assert_eq!(tests.estimate.p, Some(2.0 / 16.0));
    assert_eq!(tests.estimate.p_adjusted, Some(4.0 / 16.0));
    let json = serde_json::to_string(&gain).expect("serialises");
    assert_eq!(serde_json::from_str::<Summary>(&json).expect("reads back"), gain);
}
