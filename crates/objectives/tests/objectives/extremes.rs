//! Ties, a single option, very long options, scores far apart, and scores that are not finite.

use stepwise_objectives::{
    Dpo, DpoLoss, Objective, Objectives, Question, Rejected, Scores, Shape, Simpo, Unlikelihood, View, Weight, Weighted,
};

fn shown(loglikelihoods: &[f64], tokens: usize) -> Question {
    let mut shape = Shape { options: loglikelihoods.len(), ..Shape::default() };
    shape.views[View::Shown as usize] = true;
    let mut question = Question { shape, ..Question::default() };
    question.scores[View::Shown as usize] = Some(Scores {
        loglikelihoods: loglikelihoods.to_vec(),
        tokens: vec![tokens; loglikelihoods.len()],
        reference: Some(vec![-1.0; loglikelihoods.len()]),
    });
    question
}

fn all() -> Objectives {
    let dpo = Dpo { loss_type: DpoLoss::Sigmoid, beta: 0.1, rejected: Rejected::All };
    let simpo = Simpo { beta: 2.0, gamma: 0.5, rejected: Rejected::Likeliest };
    Objectives {
        dpo: Some(Weighted { weight: Weight::constant(1.0), objective: dpo }),
        simpo: Some(Weighted { weight: Weight::constant(1.0), objective: simpo }),
        unlikelihood: Some(Weighted { weight: Weight::constant(1.0), objective: Unlikelihood {} }),
        ..Objectives::default()
    }
}

#[test]
fn a_single_option_has_nothing_to_be_preferred_to() {
    assert!(all().terms(&shown(&[-1.0], 2), 0.0).is_empty());
}

#[test]
fn equal_options_share_the_gradient_or_the_first_takes_it() {
    let question = shown(&[-2.0, -2.0, -2.0], 2);
    let terms = all().terms(&question, 0.0);
    let of = |name: &str| terms.iter().find(|one| one.name == name).expect("applies").term.gradient[0].clone();
    assert_eq!(of("dpo")[1], of("dpo")[2]);
    assert!(of("simpo")[1] > 0.0 && of("simpo")[2] == 0.0, "the first of equals is the likeliest");
}

#[test]
fn losses_of_very_unlikely_and_very_long_options_are_finite() {
    let mut question = shown(&[-1e6, -1e-6, -3e5, -2.0, -2.0], 100_000);
    question.shape.named = Some(1);
    for one in all().terms(&question, 0.0) {
        assert!(one.term.loss.is_finite(), "{}", one.name);
        assert!(one.term.gradient.iter().flatten().all(|value| value.is_finite()), "{}", one.name);
    }
    // All probability lies on the named option: 1 - P is far below the precision of 1, and its logarithm is known.
    let mut certain = shown(&[-1000.0, 0.0], 1);
    certain.shape.named = Some(1);
    let term = Unlikelihood {}.term(&certain);
    assert!((term.loss - 1000.0).abs() < 1e-9);
    assert!((term.gradient[0][1] - 1.0).abs() < 1e-9);
}

#[test]
fn scores_that_are_not_finite_are_refused_with_their_option() {
    for value in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        let error = shown(&[-1.0, value], 1).check().expect_err("not finite");
        assert_eq!((error.option, error.what), (1, "log-likelihood"));
        assert!(error.to_string().starts_with("the log-likelihood of option 2 is "), "{error}");
        let mut question = shown(&[-1.0, -2.0], 1);
        question.scores[0].as_mut().expect("shown").reference = Some(vec![value, 0.0]);
        assert_eq!(question.check().expect_err("not finite").what, "log-likelihood under the base");
        question = shown(&[-1.0, -2.0], 1);
        question.prior = Some(vec![value]);
        assert_eq!(question.check().expect_err("not finite").what, "prior");
    }
    assert_eq!(shown(&[-1.0, 0.0], 1).check(), Ok(()));
}
