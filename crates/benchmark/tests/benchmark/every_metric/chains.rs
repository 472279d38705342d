//! Errors along the chain of stages.

use super::*;

/// Mock model that is right on the first two stages, gives the first description, and is right on the decision but not
/// on the name.
struct Falling;

impl Policy for Falling {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        match (view.item.stage, &view.item.answer) {
            (3, _) => BlindPrior.say(view),
            (4, Answer::Text { .. }) => view.wrong(),
            _ => view.gold(),
        }
    }
}

#[test]
fn the_fall_along_the_stages_is_corrected_for_chance() {
    // The first of three descriptions is right in 3 of 8 cases: (3/8 - 1/3) / (2/3). Half of stage 4 is right. Chance
    // there is 1/3 for choices and 0 for names, 1/6 on average: (1/2 - 1/6) / (5/6).
    let (third, fourth) = (1.0 / 16.0, 0.4);
    expect_all(
        &of(Falling),
        &[
            ("chance_corrected:stage_1", 1.0),
            ("chance_corrected:stage_2", 1.0),
            ("chance_corrected:stage_3", third),
            ("chance_corrected:stage_4", fourth),
            ("stage_fall", 1.0 - fourth),
            ("stage_largest_step", 1.0 - third),
            ("stage_slope", -0.3 - 0.1 + 0.1 * third + 0.3 * fourth),
            ("chain_accuracy", 0.0),
        ],
    );
}

/// Mock model that is right unless an answer in its context is wrong. Without context it is wrong about the presence of
/// a finding.
struct Builder;

impl Policy for Builder {
    fn say(&self, view: &PolicyInput<'_>) -> String {
        let lines = view.added_lines();
        let misled = view.case.chain.iter().any(|parent| {
            let asked = format!("- {} ", parent.question);
            let right = PolicyInput { item: parent, ..*view }.gold();
            lines.iter().any(|line| line.strip_prefix(&asked).is_some_and(|answer| answer != right))
        });
        let errs = lines.is_empty() && view.item.id == "present";
        if misled || errs { view.wrong() } else { view.gold() }
    }
}

#[test]
fn errors_propagate_through_the_answers_given_as_context() {
    let builder = of(Builder);
    expect_all(
        &builder,
        &[
            ("first_error:stage_2", 1.0),
            ("chain_accuracy", 0.0),
            ("right_for_the_wrong_reason", 1.0),
            // The context of the description is whether a mass is present. The context of conclusions is the
            // description, which is right.
            ("error_propagation:stage_2", 0.0),
            ("error_propagation:stage_3", 1.0),
            ("error_propagation:stage_4", 0.0),
            // There are four items of stage 2, one of stage 3 and two of stage 4.
            ("error_propagation", 1.0 / 7.0),
            ("poisoning", 1.0),
            // Questions of stage 2 build on the modality only, which no wrong earlier answer is about.
            ("poisoning:stage_4", 1.0),
            // With all earlier answers as context, conclusions fail because of stage 2 and not because of stage 3.
            ("stage_replacement:stage_2", 1.0),
            ("stage_replacement:stage_3", 0.0),
        ],
    );
    assert_eq!(builder.estimate("stage_replacement:stage_2").expect("known").n, 2 * CASES);
}
