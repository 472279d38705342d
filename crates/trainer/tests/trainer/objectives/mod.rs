//! Objectives on option log-likelihoods in optimiser steps: equality with TRL, independence of micro-batches, exact
//! gradients, attacks.

mod adversarial;
mod contrast;
mod gradients;
mod micro_batches;
mod trl;

use std::sync::Arc;

use stepwise_data::conversation::{Conversation, Part};
use stepwise_objectives::{
    ConditionalPreference, Consistency, Contrast, Dpo, DpoLoss, ExpectedReward, MaskedKl, Objectives, Pair, Prior,
    ProductOfExperts, Rejected, Simpo, Unlikelihood, View, Weight, Weighted,
};
use stepwise_testing::model::recorded::example;
use stepwise_trainer::batches::adversarial::PendingBatch;
use stepwise_trainer::batches::examples::{MicroBatch, TrainingExample};
use stepwise_trainer::objective::{OptionsToScore, Partner, ReferenceScores, Scoring};
use stepwise_trainer::optim::adamw::{AdamW, AdamWConfig};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::pipeline::VlmPipeline;

/// AdamW without weight decay.
fn adamw() -> AdamW {
    AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 })
}

/// The recorded conversation `name` as a training example, whose options are its last answer and `wrong`.
fn scored(pipeline: &VlmPipeline, name: &str, wrong: &[&str], objectives: &Arc<Objectives>) -> TrainingExample {
    let mut example = example(pipeline, name);
    let messages = &mut example.conversation.messages;
    // The last answer alone is supervised. Earlier answers belong to the prompt.
    let earlier = messages.len() - 1;
    messages[..earlier].iter_mut().for_each(|message| message.supervised = false);
    let question = Conversation { messages: messages[..earlier].to_vec() };
    let [Part::Text { text }] = &messages[earlier].content[..] else { panic!("the answer is a text") };
    let options = OptionsToScore {
        question,
        texts: [text.as_str()].iter().chain(wrong).map(|text| (*text).to_owned()).collect(),
        gold: 0,
        named: None,
        partner: None,
        views: Vec::new(),
        counts: None,
    };
    let scoring = Some(Scoring { objectives: Arc::clone(objectives), options: Some(options) });
    let name = name.to_owned();
    TrainingExample {
        images_of: name.clone(),
        example,
        stage: 1,
        condition: None,
        weight: 1.0,
        attack: None,
        scoring,
        name,
    }
}

fn options(example: &mut TrainingExample) -> &mut OptionsToScore {
    example.scoring.as_mut().expect("scored").options.as_mut().expect("options")
}

/// Examples to which all objectives apply: a pair, a question under a misleading hint, and one with its evidence masked.
fn examples(pipeline: &VlmPipeline, objectives: &Arc<Objectives>) -> Vec<TrainingExample> {
    let mut first = scored(pipeline, "single", &["MRI", "CT of the chest"], objectives);
    let mut second = first.clone();
    second.example.images = example(pipeline, "small").images;
    second.example.conversation = options(&mut second).question.clone().answered("MRI");
    options(&mut second).gold = 1;
    options(&mut first).partner = Some(Partner { is_before: false, gold: 1 });
    options(&mut second).partner = Some(Partner { is_before: true, gold: 0 });
    let mut hinted = scored(pipeline, "multi_turn", &["the lung"], objectives);
    options(&mut hinted).named = Some(1);
    let clean = options(&mut hinted).clone();
    let mut hint = clean.question.clone();
    hint.messages.last_mut().expect("a turn").content.push(Part::text("I think that it is the lung."));
    options(&mut hinted).question = hint.clone();
    hinted.example.conversation = hint.answered(&clean.texts[0]);
    let of_clean = EncodableExample { conversation: clean.question, images: hinted.example.images.clone() };
    options(&mut hinted).views.push((View::Clean, of_clean, clean.texts));
    let mut masked = scored(pipeline, "strip", &["yes"], objectives);
    let of_masked = OptionsToScore::clone(options(&mut masked));
    let images = example(pipeline, "split").images;
    let of_mask = EncodableExample { conversation: of_masked.question, images };
    options(&mut masked).views.push((View::Masked, of_mask, of_masked.texts));
    let mut all = vec![first, second, hinted, masked];
    for one in &mut all {
        let own = options(one);
        let mut question = own.question.clone();
        for message in &mut question.messages {
            message.content.retain(|part| matches!(part, Part::Text { .. }));
        }
        let blind = EncodableExample { conversation: question, images: Vec::new() };
        own.views.push((View::WithoutImage, blind, own.texts.clone()));
        own.counts = Some((1..=own.texts.len()).map(|count| (count as f64 / 6.0).ln()).collect());
    }
    all
}

/// All objectives with weights above 0, and cross-entropy.
fn all() -> Objectives {
    all_with(Weight::constant(0.5), Weight::constant(0.7))
}

/// Cross-entropy with the weight `cross_entropy`, and all objectives with the weight `others`.
fn all_with(cross_entropy: Weight, others: Weight) -> Objectives {
    fn one<T>(weight: Weight, objective: T) -> Option<Weighted<T>> {
        Some(Weighted { weight, objective })
    }
    Objectives {
        cross_entropy,
        dpo: one(others, Dpo { loss_type: DpoLoss::Ipo, beta: 0.3, rejected: Rejected::All }),
        simpo: one(others, Simpo { beta: 2.0, gamma: 0.5, rejected: Rejected::Likeliest }),
        unlikelihood: one(others, Unlikelihood {}),
        consistency: one(others, Consistency {}),
        expected_reward: one(others, ExpectedReward { mu: 1.0 }),
        product_of_experts: one(others, ProductOfExperts { prior: Prior::Counts, tau: 1.0 }),
        pair: one(others, Pair { beta: 0.1, anchor: 1.0, symmetry: 1e-4 }),
        conditional_preference: one(others, ConditionalPreference { beta: 0.1, anchor: 1.0 }),
        contrast: one(others, Contrast { beta: 0.1 }),
        masked_kl: one(others, MaskedKl { kappa: 5.0 }),
    }
}

/// Packs examples and adds the scores of the reference.
fn packed(pipeline: &VlmPipeline, examples: Vec<TrainingExample>, share: bool) -> MicroBatch {
    let pending = PendingBatch::new(&pipeline.processor, examples, share, 4096).expect("packs");
    pending.finish(pipeline, &mut ReferenceScores::default(), share, 4096).expect("scored")
}
