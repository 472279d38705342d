//! Random questions and random parameters of all objectives.

use proptest::collection::vec;
use proptest::prelude::*;
use stepwise_objectives::{
    ConditionalPreference, Consistency, Contrast, Dpo, DpoLoss, ExpectedReward, MaskedKl, Objectives, Pair, Prior,
    ProductOfExperts, Question, Rejected, Scores, Shape, Simpo, Unlikelihood, VIEWS, Weight, Weighted,
};

/// A question with all views, 1 to 7 options of 1 to 400 tokens; equal scores are frequent.
pub fn question() -> impl Strategy<Value = Question> {
    (1usize..=7).prop_flat_map(|options| {
        let score = prop_oneof![Just(-2.0), -30.0..0.0];
        let scores =
            (vec(score.clone(), options), vec(prop_oneof![1usize..6, Just(400)], options), vec(score, options));
        let scores = scores.prop_map(|(loglikelihoods, tokens, reference)| Scores {
            loglikelihoods,
            tokens,
            reference: Some(reference),
        });
        let places = (0..options, 0..options, 0..options);
        (vec(scores, VIEWS.len()), places, vec(-6.0..0.0, options)).prop_map(
            move |(scores, (gold, other, named), prior)| {
                let mut all = scores.into_iter();
                Question {
                    shape: Shape {
                        options,
                        gold,
                        other_gold: Some(other),
                        named: (named != gold).then_some(named),
                        is_second: false,
                        views: [true; VIEWS.len()],
                    },
                    scores: VIEWS.map(|_| all.next()),
                    prior: Some(prior),
                }
            },
        )
    })
}

/// All objectives with random parameters and weights of 1.
pub fn objectives() -> impl Strategy<Value = Objectives> {
    let loss_type = prop_oneof![Just(DpoLoss::Sigmoid), Just(DpoLoss::Hinge), Just(DpoLoss::Ipo)];
    let rejected = prop_oneof![Just(Rejected::All), Just(Rejected::Likeliest), Just(Rejected::Named)];
    (loss_type, rejected, 0.05..3.0f64, 0.0..2.0f64).prop_map(|(loss_type, rejected, beta, other)| Objectives {
        cross_entropy: Weight::constant(0.0),
        dpo: one(Dpo { loss_type, beta, rejected }),
        simpo: one(Simpo { beta, gamma: other, rejected }),
        unlikelihood: one(Unlikelihood {}),
        consistency: one(Consistency {}),
        expected_reward: one(ExpectedReward { mu: other }),
        product_of_experts: one(ProductOfExperts { prior: Prior::Counts, tau: beta }),
        pair: one(Pair { beta, anchor: other, symmetry: 0.01 * other }),
        conditional_preference: one(ConditionalPreference { beta, anchor: other }),
        contrast: one(Contrast { beta }),
        masked_kl: one(MaskedKl { kappa: beta }),
    })
}

fn one<T>(objective: T) -> Option<Weighted<T>> {
    Some(Weighted { weight: Weight::constant(1.0), objective })
}
