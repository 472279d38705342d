//! Ten steps of each preference objective against TRL.

use std::sync::Arc;

use serde_json::Value;
use stepwise_objectives::{Dpo, DpoLoss, Objectives, Rejected, Simpo, Weight, Weighted};
use stepwise_testing::model::parameters::gradients_of;
use stepwise_testing::model::pipeline_with;
use stepwise_testing::model::recorded::facts;
use stepwise_trainer::batches::examples::TrainingExample;
use stepwise_trainer::objective::StepTotals;
use stepwise_trainer::optim::adamw::{AdamW, AdamWConfig};
use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::optim::step::{StepOptions, step};
use stepwise_vlm::nn::parameter::Pass;

use super::{packed, scored};

fn objectives(name: &str, recorded: &Value) -> Objectives {
    let number = |key: &str| recorded[key].as_f64().expect("a number");
    let mut objectives = Objectives { cross_entropy: Weight::constant(0.0), ..Objectives::default() };
    let (beta, rejected) = (number("beta"), Rejected::All);
    match name {
        "simpo" => {
            let simpo = Simpo { beta, gamma: number("gamma"), rejected };
            objectives.simpo = Some(Weighted { weight: Weight::constant(1.0), objective: simpo });
        }
        _ => {
            let loss_type = match name {
                "sigmoid" => DpoLoss::Sigmoid,
                "hinge" => DpoLoss::Hinge,
                "ipo" => DpoLoss::Ipo,
                other => panic!("no loss {other}"),
            };
            objectives.dpo =
                Some(Weighted { weight: Weight::constant(1.0), objective: Dpo { loss_type, beta, rejected } });
        }
    }
    objectives
}

#[test]
fn ten_steps_of_every_preference_equal_trl() {
    let recorded = facts("preferences.json");
    let number = |key: &str| recorded["settings"][key].as_f64().expect("a number");
    let (batch, accumulated) =
        (number("per_device_train_batch_size") as usize, number("gradient_accumulation_steps") as usize);
    for (name, curve) in recorded["losses"].as_object().expect("losses") {
        let objectives = Arc::new(objectives(name, curve));
        let mut pipeline = pipeline_with("tiny-lora");
        let rejected = recorded["rejected"].as_object().expect("answers").iter();
        let rejected = rejected.map(|(name, answer)| (name.as_str(), answer.as_str().expect("a text")));
        let all: Vec<TrainingExample> =
            rejected.map(|(name, wrong)| scored(&pipeline, name, &[wrong], &objectives)).collect();
        let mut examples = all.iter().cycle().cloned();
        let weight_decay = number("weight_decay");
        let mut optimizer = AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay });
        let losses = curve["losses"].as_array().expect("losses");
        for (index, loss) in losses.iter().enumerate() {
            let micro_batches: Vec<_> =
                (0..accumulated).map(|_| packed(&pipeline, examples.by_ref().take(batch).collect(), true)).collect();
            if index == 0 {
                let mut totals = StepTotals::default();
                let scored: Vec<_> =
                    micro_batches.iter().map(|micro| (micro, micro.scored.as_ref().expect("scored"))).collect();
                scored.iter().for_each(|(micro, scored)| scored.count(&micro.batch.layout, &mut totals));
                let mut sums = std::collections::BTreeMap::<String, Vec<f64>>::new();
                for (micro, scored) in scored {
                    let mut weigh = |logprobs: &[f32]| {
                        scored.weigh(&micro.batch.layout, logprobs, &totals, 0.0).expect("finite").weights
                    };
                    let parts = pipeline.reweighted_gradients(&micro.batch, &mut weigh, false, &Pass::training(0)).1;
                    for (name, values) in parts.iter().flat_map(|part| gradients_of(&mut pipeline.model, part)) {
                        let sum = sums.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                        sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += f64::from(value));
                    }
                }
                let gradient = curve["first_gradient"].as_object().expect("a gradient");
                assert_eq!(sums.len(), gradient.len());
                for (tensor, values) in &sums {
                    let norm = values.iter().map(|value| value * value).sum::<f64>().sqrt();
                    let theirs = &gradient[&format!("base_model.model.{tensor}")];
                    let [their_norm, their_sum] = [0, 1].map(|place| theirs[place].as_f64().expect("a number"));
                    assert!((norm - their_norm).abs() <= 1e-4 * their_norm, "{name} {tensor}: {norm}, {their_norm}");
                    let sum = values.iter().sum::<f64>();
                    let noise = 1e-4 * their_norm * (values.len() as f64).sqrt();
                    assert!((sum - their_sum).abs() <= noise, "{name} {tensor}: {sum} against {their_sum}");
                }
            }
            let options = StepOptions {
                rates: Rates::same(number("learning_rate")),
                max_grad_norm: number("max_grad_norm"),
                dropout_key: 0,
                gradient_checkpointing: false,
                objective_progress: 0.0,
            };
            let stepped = step(&mut pipeline, &mut optimizer, &micro_batches, options).expect("a step");
            let mine = *stepped.tally.objective_loss().values().next().expect("an objective");
            let (loss, at) = (loss.as_f64().expect("a loss"), format!("{name}, step {}", index + 1));
            assert!((mine - loss).abs() < 1e-4, "loss of {at}: {mine} against {loss}");
            let norm = curve["global_grad_norms"][index].as_f64().expect("a norm");
            let error = (stepped.grad_norm - norm).abs();
            assert!(error <= 1e-3 * norm + 1e-4, "norm of {at}: {} against {norm}", stepped.grad_norm);
        }
        assert_eq!(losses.len(), 10);
    }
}
