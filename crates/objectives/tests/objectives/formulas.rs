//! Every loss, written once more by its formula and without care for overflow.

use proptest::prelude::*;
use stepwise_objectives::{DpoLoss, Objectives, Question, Rejected, Scores, View};

use crate::drawn;

/// `-log sigmoid(x)`.
fn logistic(x: f64) -> f64 {
    (1.0 + (-x).exp()).ln()
}

/// Probabilities of the options by log-likelihood per token.
fn probabilities(scores: &Scores) -> Vec<f64> {
    let exps = scores.loglikelihoods.iter().zip(&scores.tokens).map(|(s, n)| (s / *n as f64).exp()).collect::<Vec<_>>();
    exps.iter().map(|one| one / exps.iter().sum::<f64>()).collect()
}

fn divergence(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| p * (p / q).ln()).sum()
}

fn rejected(question: &Question, rejected: Rejected) -> Vec<usize> {
    let scores = question.under(View::Shown);
    let wrong: Vec<usize> = (0..question.shape.options).filter(|option| *option != question.shape.gold).collect();
    let score = |option: usize| scores.loglikelihoods[option] / scores.tokens[option] as f64;
    match rejected {
        Rejected::All => wrong,
        Rejected::Named => question.shape.named.into_iter().collect(),
        Rejected::Likeliest => {
            let most = wrong.iter().map(|option| score(*option)).fold(f64::NEG_INFINITY, f64::max);
            wrong.into_iter().find(|option| score(*option) == most).into_iter().collect()
        }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Loss of the objective `name` at `question`.
pub fn loss(objectives: &Objectives, name: &str, question: &Question) -> f64 {
    let [shown, clean, other, blind, masked] =
        [View::Shown, View::Clean, View::Other, View::WithoutImage, View::Masked].map(|view| question.under(view));
    let g = question.shape.gold;
    let (s, n) = (&shown.loglikelihoods, &shown.tokens);
    let r = shown.reference.as_ref().expect("drawn");
    let f = |scores: &Scores, option: usize| {
        scores.loglikelihoods[option] - scores.reference.as_ref().expect("drawn")[option]
    };
    match name {
        "dpo" => {
            let dpo = objectives.dpo.expect("drawn").objective;
            let of = |h: usize| {
                let d = (s[g] - r[g]) - (s[h] - r[h]);
                match dpo.loss_type {
                    DpoLoss::Sigmoid => logistic(dpo.beta * d),
                    DpoLoss::Hinge => (1.0 - dpo.beta * d).max(0.0),
                    DpoLoss::Ipo => {
                        let d = (s[g] - r[g]) / n[g] as f64 - (s[h] - r[h]) / n[h] as f64;
                        (d - 1.0 / (2.0 * dpo.beta)).powi(2)
                    }
                }
            };
            mean(&rejected(question, dpo.rejected).into_iter().map(of).collect::<Vec<_>>())
        }
        "simpo" => {
            let simpo = objectives.simpo.expect("drawn").objective;
            let of = |h: usize| logistic(simpo.beta * (s[g] / n[g] as f64 - s[h] / n[h] as f64) - simpo.gamma);
            mean(&rejected(question, simpo.rejected).into_iter().map(of).collect::<Vec<_>>())
        }
        "unlikelihood" => {
            let named = question.shape.named.expect("named");
            let others = probabilities(shown).into_iter().enumerate().filter(|(option, _)| *option != named);
            // The sum of the others keeps digits that 1 - P(named) loses.
            -others.map(|(_, p)| p).sum::<f64>().ln()
        }
        "consistency" => divergence(&probabilities(clean), &probabilities(shown)),
        "expected_reward" => {
            let p = probabilities(shown);
            let mu = objectives.expected_reward.expect("drawn").objective.mu;
            question.shape.named.map_or(0.0, |named| mu * p[named]) - p[g]
        }
        "product_of_experts" => {
            let tau = objectives.product_of_experts.expect("drawn").objective.tau;
            let prior = question.prior.as_ref().expect("drawn");
            let both: Vec<f64> = probabilities(shown).iter().zip(prior).map(|(p, b)| p * (tau * b).exp()).collect();
            -(both[g] / both.iter().sum::<f64>()).ln()
        }
        "pair" => {
            let pair = objectives.pair.expect("drawn").objective;
            let h = question.shape.other_gold.expect("drawn");
            let (m, m2) = (f(shown, g) - f(shown, h), f(other, h) - f(other, g));
            logistic(pair.beta * m)
                + logistic(pair.beta * m2)
                + pair.anchor * (logistic(pair.beta * f(shown, g)) + logistic(pair.beta * f(other, h)))
                + pair.symmetry * (m - m2).powi(2)
        }
        "conditional_preference" => {
            let objective = objectives.conditional_preference.expect("drawn").objective;
            logistic(objective.beta * (f(shown, g) - f(other, g)))
                + objective.anchor * logistic(objective.beta * f(shown, g))
        }
        "contrast" => {
            let beta = objectives.contrast.expect("drawn").objective.beta;
            let h = question.shape.other_gold.expect("drawn");
            logistic(beta * (f(shown, g) - f(blind, g)))
                + logistic(beta * (f(blind, g) - f(other, g)))
                + logistic(beta * (f(other, h) - f(blind, h)))
                + logistic(beta * (f(blind, h) - f(shown, h)))
        }
        "masked_kl" => {
            let kappa = objectives.masked_kl.expect("drawn").objective.kappa;
            -divergence(&probabilities(shown), &probabilities(masked)).min(kappa)
        }
        other => panic!("no formula of {other}"),
    }
}

proptest! {
    #[test]
    fn every_loss_equals_its_formula(question in drawn::question(), objectives in drawn::objectives()) {
        for one in objectives.terms(&question, 0.0) {
            let formula = loss(&objectives, one.name, &question);
            let error = (one.term.loss - formula).abs();
            prop_assert!(error < 1e-9 * (1.0 + formula.abs()), "{}: {} against {formula}", one.name, one.term.loss);
        }
    }
}

#[test]
fn every_objective_applies_to_some_question() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let drawn = (drawn::question(), drawn::objectives()).new_tree(&mut runner).expect("drawn");
        let (question, objectives) = proptest::strategy::ValueTree::current(&drawn);
        let names: Vec<&str> = objectives.terms(&question, 0.0).iter().map(|one| one.name).collect();
        assert_eq!(names, objectives.applying(&question.shape), "what applies does not depend on scores");
        seen.extend(names);
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), {
        let mut all = Objectives::NAMES.to_vec();
        all.sort_unstable();
        all
    });
}
