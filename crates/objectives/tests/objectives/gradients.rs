//! Every gradient against central differences of the formula.

use proptest::prelude::*;
use stepwise_objectives::{DpoLoss, Objectives, Question, VIEWS, View, Weight, Weighted};

use crate::{drawn, formulas};

const STEP: f64 = 1e-5;

/// Whether the loss has a kink near the question, where differences say nothing: at the corner of a hinge or the limit of
/// a divergence, and where two wrong options are nearly equally likely.
fn is_near_kink(objectives: &Objectives, name: &str, question: &Question, loss: f64) -> bool {
    match name {
        "dpo" | "simpo" => {
            let mut scores = question.under(View::Shown).per_token();
            scores.remove(question.shape.gold);
            scores.sort_by(f64::total_cmp);
            let hinge = objectives.dpo.is_some_and(|dpo| dpo.objective.loss_type == DpoLoss::Hinge);
            scores.windows(2).any(|two| two[1] - two[0] < 1e-3) || (hinge && loss < 1e-3)
        }
        "masked_kl" => (loss + objectives.masked_kl.expect("drawn").objective.kappa).abs() < 1e-3,
        _ => false,
    }
}

proptest! {
    #[test]
    fn every_gradient_equals_differences(question in drawn::question(), objectives in drawn::objectives()) {
        for one in objectives.terms(&question, 0.0) {
            if is_near_kink(&objectives, one.name, &question, one.term.loss) {
                continue;
            }
            for view in VIEWS {
                for option in 0..question.shape.options {
                    // The clean distribution is a constant of the consistency loss.
                    if (one.name, view) == ("consistency", View::Clean) {
                        prop_assert_eq!(one.term.gradient[view as usize][option], 0.0);
                        continue;
                    }
                    let at = |step: f64| {
                        let mut moved = question.clone();
                        moved.scores[view as usize].as_mut().expect("drawn").loglikelihoods[option] += step;
                        formulas::loss(&objectives, one.name, &moved)
                    };
                    let difference = (at(STEP) - at(-STEP)) / (2.0 * STEP);
                    let gradient = one.term.gradient[view as usize][option];
                    let error = (gradient - difference).abs();
                    prop_assert!(
                        error < 1e-5 * (1.0 + difference.abs()),
                        "{} {view:?} {option}: {gradient} against {difference}", one.name
                    );
                }
            }
        }
    }

    /// What raises an option on both images alike does not change `m + m'`. Without anchors and at equal margins, its
    /// gradient is zero.
    #[test]
    fn a_pair_without_anchors_gives_no_gradient_to_priors(question in drawn::question()) {
        let mut objectives = Objectives::default();
        let pair = stepwise_objectives::Pair { beta: 0.7, anchor: 0.0, symmetry: 0.0 };
        objectives.pair = Some(Weighted { weight: Weight::constant(1.0), objective: pair });
        if objectives.applying(&question.shape).is_empty() {
            return Ok(());
        }
        let (gold, other) = (question.shape.gold, question.shape.other_gold.expect("drawn"));
        // The other image's scores mirror the shown ones, so that both margins are equal.
        let mut question = question;
        let mut mirrored = question.under(View::Shown).clone();
        mirrored.loglikelihoods.swap(gold, other);
        mirrored.reference.as_mut().expect("drawn").swap(gold, other);
        question.scores[View::Other as usize] = Some(mirrored);
        let term = &objectives.terms(&question, 0.0)[0].term;
        for option in [gold, other] {
            let sum = term.gradient[View::Shown as usize][option] + term.gradient[View::Other as usize][option];
            prop_assert!(sum.abs() < 1e-12, "{sum}");
        }
    }
}
