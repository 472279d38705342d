//! Comparison of optimiser steps with PEFT and torch: losses, gradient norms, parameters after steps, accumulation.

use serde_json::Value;
use stepwise_recipe::lr_schedule::{LrScheduler, Warmup};
use stepwise_testing::files::parity;
use stepwise_testing::model::parameters::{set_trainable, trainable_parameters};
use stepwise_testing::model::recorded::{References, example, facts};
use stepwise_testing::model::{pipeline, pipeline_in, pipeline_with};
use stepwise_trainer::batches::examples::{MicroBatch, TrainingExample};
use stepwise_trainer::optim::adamw::{AdamW, AdamWConfig};
use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::optim::step::{StepOptions, Stepped, step};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::OPTIONS;

/// Prefix of parameter names in PEFT's files.
const PREFIX: &str = "base_model.model.";

/// Returns a recorded conversation as a training example.
fn training_example(pipeline: &VlmPipeline, name: &str) -> TrainingExample {
    let example = example(pipeline, name);
    TrainingExample {
        example,
        stage: 1,
        condition: None,
        weight: 1.0,
        attack: None,
        scoring: None,
        name: name.to_owned(),
        images_of: name.to_owned(),
    }
}

/// Returns the conversation with a recorded name as a training example.
fn named(pipeline: &VlmPipeline, name: &Value) -> TrainingExample {
    training_example(pipeline, name.as_str().expect("a name"))
}

fn micro_batch(pipeline: &VlmPipeline, examples: &[TrainingExample]) -> MicroBatch {
    MicroBatch::new(&pipeline.processor, examples, true, 4096).expect("encodes")
}

fn optimizer() -> AdamW {
    AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 })
}

fn near(what: &str, mine: f64, recorded: &Value, tolerance: f64) {
    let recorded = recorded.as_f64().expect("a number");
    assert!((mine - recorded).abs() <= tolerance * recorded.abs(), "{what}: {mine} against {recorded}");
}

/// Asserts that every trainable parameter NAME with a recorded tensor `{after}NAME` equals that tensor within
/// `tolerance`, a small fraction of one step, where the reference gradient `{gradients}NAME` is not noise. Returns the
/// number of compared parameters.
fn compare_parameters(
    model: &mut Vlm,
    references: &References,
    [after, gradients]: [&str; 2],
    tolerance: f32,
) -> usize {
    let mut compared = 0;
    for (name, values) in trainable_parameters(model) {
        let Some(after) = references.get(&format!("{after}{name}")) else { continue };
        let gradient = references.values(&format!("{gradients}{name}"));
        for ((mine, after), gradient) in values.iter().zip(&after).zip(&gradient) {
            // AdamW's steps have about the size of the learning rate even for tiny gradients, which are rounding noise.
            if gradient.abs() > 1e-5 {
                assert!((mine - after).abs() < tolerance, "{name}: {mine} against {after}");
            }
        }
        compared += 1;
    }
    compared
}

#[test]
fn three_lora_steps_equal_peft_and_torch() {
    let facts = facts("fixtures.json");
    let references = References::open("fixtures.safetensors");
    for (which, folder) in [("lora", "tiny-lora"), ("lora_all", "tiny-lora-all")] {
        let recorded = &facts["training"][which];
        let mut pipeline = pipeline_with(folder);
        let micro_batches = [micro_batch(&pipeline, &[named(&pipeline, &recorded["conversation"])])];
        let mut optimizer = optimizer();
        for index in 0..3 {
            let Stepped { tally, grad_norm } =
                step(&mut pipeline, &mut optimizer, &micro_batches, OPTIONS).expect("a step");
            near("loss", tally.loss(), &recorded["losses"][index], 1e-4);
            near("gradient norm", grad_norm, &recorded["global_grad_norms"][index], 1e-3);
            if index != 1 {
                let after = format!("{which}.step.{}.{PREFIX}", index + 1);
                let gradients = format!("{which}.grad.{PREFIX}");
                let compared = compare_parameters(&mut pipeline.model, &references, [&after, &gradients], 2e-5);
                assert_eq!(compared, 2 * recorded["targets"].as_array().expect("targets").len());
            }
        }
        let last = step(&mut pipeline, &mut optimizer, &micro_batches, OPTIONS).expect("a step").tally;
        near("loss after three steps", last.loss(), &recorded["losses"][3], 1e-4);
    }
}

/// DoRA, `modules_to_save`, LoRA+ with PEFT's groups, and a learning rate for each part.
#[test]
fn three_steps_of_every_kind_equal_peft_and_torch() {
    let facts = facts("variants.json");
    let references = References::open("variants.safetensors");
    let number = |value: &Value| value.as_f64().expect("a number");
    let same = Rates::same(number(&facts["adamw"]["lr"]));
    let plus = Rates { loraplus_ratio: number(&facts["loraplus_lr_ratio"]), ..same };
    let parts = Rates {
        vision: number(&facts["rates"]["vision_model"]),
        connector: number(&facts["rates"]["connector"]),
        decoder: number(&facts["rates"]["text_model"]),
        loraplus_ratio: 1.0,
    };
    for (kind, record, rates, tensors) in [
        ("dora", "dora.adamw", same, 27),
        ("dora", "dora.loraplus", plus, 27),
        ("saved", "saved.adamw", same, 19),
        ("saved", "saved.loraplus", plus, 19),
        ("saved", "saved.rates", parts, 19),
    ] {
        let recorded = &facts[record]["losses"];
        let mut pipeline = pipeline_with(&format!("tiny-lora-{kind}"));
        let micro_batches = [micro_batch(&pipeline, &[named(&pipeline, &facts["conversation"])])];
        let (mut optimizer, options) = (optimizer(), StepOptions { rates, ..OPTIONS });
        for index in 0..4 {
            let loss = step(&mut pipeline, &mut optimizer, &micro_batches, options).expect("a step").tally.loss();
            near(record, loss, &recorded[index], 1e-4);
            if [0, 2].contains(&index) {
                let after = format!("{record}.step.{}.{PREFIX}", index + 1);
                let gradients = format!("{kind}.grad.{PREFIX}");
                let tolerance = 2e-5 * rates.loraplus_ratio as f32;
                let compared = compare_parameters(&mut pipeline.model, &references, [&after, &gradients], tolerance);
                assert_eq!(compared, tensors, "{record}");
            }
        }
    }
}

/// Loss over supervised tokens, accumulation, clipping, AdamW and the schedule with warm-up together.
#[test]
fn ten_steps_equal_the_curve_of_trl() {
    let recorded = facts("sft.json");
    let settings = &recorded["settings"];
    let number = |key: &str| settings[key].as_f64().expect("a number");
    let whole = |key: &str| settings[key].as_u64().expect("a whole number");
    let scheduler: LrScheduler = serde_json::from_value(settings["lr_scheduler_type"].clone()).expect("a schedule");
    let warmup = Warmup::Steps(whole("warmup_steps"));
    let (batch, accumulated) = (whole("per_device_train_batch_size"), whole("gradient_accumulation_steps"));

    let mut pipeline = pipeline_with("tiny-lora");
    let taught = recorded["taught"].as_array().expect("names").iter().map(|name| {
        let mut example = named(&pipeline, name);
        // TRL supervises the completion, here the last answer. Earlier answers belong to the prompt.
        let messages = &mut example.example.conversation.messages;
        let earlier = messages.len() - 1;
        messages[..earlier].iter_mut().for_each(|message| message.supervised = false);
        example
    });
    let taught: Vec<TrainingExample> = taught.collect();
    let mut examples = taught.iter().cycle().cloned();
    let weight_decay = number("weight_decay");
    let mut optimizer = AdamW::new(AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay });
    let losses = recorded["losses"].as_array().expect("losses");
    for (index, loss) in losses.iter().enumerate() {
        let micro_batches = (0..accumulated)
            .map(|_| micro_batch(&pipeline, &examples.by_ref().take(batch as usize).collect::<Vec<_>>()))
            .collect::<Vec<_>>();
        let total = losses.len() as u64;
        let learning_rate = number("learning_rate") * scheduler.factor(index as u64, warmup.steps(total), total);
        near("learning rate", learning_rate, &recorded["learning_rates"][index], 1e-12);
        let options =
            StepOptions { rates: Rates::same(learning_rate), max_grad_norm: number("max_grad_norm"), ..OPTIONS };
        let Stepped { tally, grad_norm } =
            step(&mut pipeline, &mut optimizer, &micro_batches, options).expect("a step");
        let (mine, loss) = (tally.loss(), loss.as_f64().expect("a loss"));
        assert!((mine - loss).abs() < 1e-4, "loss of step {}: {mine} against {loss}", index + 1);
        near("gradient norm", grad_norm, &recorded["global_grad_norms"][index], 1e-3);
    }
    assert_eq!(losses.len(), 10);
}

#[test]
fn a_step_on_a_four_bit_base_equals_qlora() {
    let references = References::open("qlora.safetensors");
    let precision = Precision::Nf4 { double_quant: true, bf16: false };
    let mut pipeline = pipeline_in(precision);
    load_adapter(&mut pipeline.model, &parity().join("tiny-lora")).expect("the adapter");
    pipeline.refresh();
    let micro_batches = [micro_batch(&pipeline, &[training_example(&pipeline, "multi_turn")])];
    step(&mut pipeline, &mut optimizer(), &micro_batches, OPTIONS).expect("a step");
    let names = ["step.1.", "grad."].map(|start| format!("{start}{PREFIX}"));
    let compared = compare_parameters(&mut pipeline.model, &references, names.each_ref().map(String::as_str), 2e-5);
    assert_eq!(compared, 28);
}

#[test]
fn a_full_fine_tuning_step_equals_torch() {
    let facts = facts("fixtures.json");
    let recorded = &facts["training"]["full"];
    let references = References::open("fixtures.safetensors");
    let mut pipeline = pipeline();
    set_trainable(&mut pipeline.model, true, |_| true);
    pipeline.refresh();
    let example = named(&pipeline, &recorded["conversation"]);
    // The reference also decays norms and biases. Stepwise does not, like Hugging Face's Trainer: a difference of 1e-5.
    let mut optimizer = optimizer();
    let micro_batches = [micro_batch(&pipeline, &[example])];
    let first = step(&mut pipeline, &mut optimizer, &micro_batches, OPTIONS).expect("a step");
    near("loss", first.tally.loss(), &recorded["losses"][0], 1e-4);
    near("gradient norm", first.grad_norm, &recorded["global_grad_norm"], 1e-4);
    let compared = compare_parameters(&mut pipeline.model, &references, ["full.step.1.", "full.grad."], 2e-5);
    assert_eq!(compared, 9);
}

/// Guards against averaging the loss over micro-batches instead of supervised tokens.
#[test]
fn accumulation_counts_every_supervised_token_equally() {
    let facts = facts("fixtures.json");
    let recorded = &facts["training"]["accumulated"];
    let fresh = || {
        let pipeline = pipeline_with("tiny-lora");
        let examples = ["multi_turn", "two_images"].map(|name| training_example(&pipeline, name));
        (pipeline, examples)
    };
    let run = |micro_batches: &dyn Fn([TrainingExample; 2]) -> Vec<Vec<TrainingExample>>| {
        let (mut pipeline, examples) = fresh();
        let micro_batches: Vec<MicroBatch> =
            micro_batches(examples).iter().map(|examples| micro_batch(&pipeline, examples)).collect();
        step(&mut pipeline, &mut optimizer(), &micro_batches, OPTIONS).expect("a step")
    };
    let apart = run(&|[a, b]| vec![vec![a], vec![b]]);
    let together = run(&|[a, b]| vec![vec![a, b]]);
    let (apart_loss, together_loss) = (apart.tally.loss(), together.tally.loss());
    near("loss", apart_loss, &recorded["loss"], 1e-4);
    near("gradient norm", apart.grad_norm, &recorded["global_grad_norm"], 1e-3);
    assert!((apart_loss - together_loss).abs() < 1e-6 * apart_loss, "{apart_loss} against {together_loss}");
    assert!((apart.grad_norm - together.grad_norm).abs() < 1e-5 * apart.grad_norm);
}

/// Eight training examples in eight micro-batches or in one give the same step.
#[test]
fn eight_micro_batches_of_one_equal_one_of_eight() {
    let names = ["single", "multi_turn", "strip", "two_images", "small", "text_only", "split", "single"];
    let after = |each: usize| {
        let mut pipeline = pipeline_with("tiny-lora");
        let examples = names.map(|name| training_example(&pipeline, name));
        let micro_batches: Vec<MicroBatch> =
            examples.chunks(each).map(|examples| micro_batch(&pipeline, examples)).collect();
        assert_eq!(micro_batches.len(), names.len() / each);
        let stepped = step(&mut pipeline, &mut optimizer(), &micro_batches, OPTIONS).expect("a step");
        (stepped, trainable_parameters(&mut pipeline.model).into_values().flatten().collect::<Vec<f32>>())
    };
    let ((apart, moved_apart), (together, moved_together)) = (after(1), after(8));
    assert_eq!(apart.tally.tokens(), together.tally.tokens());
    let (loss, norm) = (apart.tally.loss(), apart.grad_norm);
    assert!((loss - together.tally.loss()).abs() <= 1e-6 * loss, "{loss} against {}", together.tally.loss());
    assert!((norm - together.grad_norm).abs() <= 1e-6 * norm, "{norm} against {}", together.grad_norm);
    assert_eq!(moved_apart.len(), moved_together.len());
    let furthest = moved_apart.iter().zip(&moved_together).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(furthest <= 1e-6, "a parameter differs by {furthest}");
}
