//! The whole model on another backend, with Burn's operations instead of the CPU's kernels, computes as on the CPU.
#![allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.

use burn::tensor::Device;
use stepwise_data::conversation::Role;
use stepwise_testing::files::{parity, tiny};
use stepwise_testing::model::parameters::{Values, gradients_of, parameters, set_trainable};
use stepwise_testing::model::recorded::example;
use stepwise_testing::model::{attach_new, lora, pipeline_on};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{InitLoraWeights, LoraConfig, load_adapter, merge};
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::model::ModelPart;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::pixel_gradient::PixelObjective;

use crate::fixtures::{TOLERANCE, assert_close};

/// A pipeline on the CPU and an equal one on another backend.
pub type Both = [VlmPipeline; 2];

fn both(precision: Precision) -> Both {
    [Device::flex(), Device::ndarray()].map(|device| pipeline_on(&device, precision))
}

/// Changes both pipelines in the same way.
fn change(both: &mut Both, change: impl Fn(&mut VlmPipeline)) {
    for pipeline in both {
        change(pipeline);
        pipeline.refresh();
    }
}

/// Both pipelines with a newly initialised adapter of `config` whose matrices are random.
fn adapted(precision: Precision, config: &LoraConfig) -> Both {
    let mut both = both(precision);
    change(&mut both, |pipeline| drop(attach_new(&mut pipeline.model, config)));
    both
}

pub fn random() -> LoraConfig {
    LoraConfig { init_lora_weights: InitLoraWeights::Random, ..lora() }
}

/// Terms of the loss of `examples` and the sum of all gradient parts, by parameter name.
pub fn step(pipeline: &mut VlmPipeline, examples: &[EncodableExample], checkpointing: bool) -> (Vec<f32>, Values) {
    let batch = Batch::new(&pipeline.processor, examples.iter(), true).expect("a batch");
    let (terms, parts) = pipeline.gradients(&batch, 0.125, checkpointing, &Pass::training(7));
    let mut sum = Values::new();
    for part in &parts {
        for (name, values) in gradients_of(&mut pipeline.model, part) {
            let held = sum.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            held.iter_mut().zip(values).for_each(|(held, value)| *held += value);
        }
    }
    (terms, sum)
}

/// Asserts that terms of the loss and gradients of two recorded conversations agree.
fn assert_same(what: &str, both: &mut Both) {
    assert_same_of(what, both, |pipeline| ["multi_turn", "two_images"].map(|name| example(pipeline, name)).into());
}

/// Asserts that terms of the loss and gradients of `examples` agree, with and without gradient checkpointing.
pub fn assert_same_of(what: &str, both: &mut Both, examples: impl Fn(&VlmPipeline) -> Vec<EncodableExample>) {
    for checkpointing in [false, true] {
        let [(terms, gradients), (there, of_there)] = both.each_mut().map(|pipeline| {
            let examples = examples(pipeline);
            step(pipeline, &examples, checkpointing)
        });
        assert_close(what, &there, &terms, TOLERANCE);
        assert_eq!(gradients.keys().collect::<Vec<_>>(), of_there.keys().collect::<Vec<_>>(), "{what}");
        assert!(!gradients.is_empty(), "{what}: something is trained");
        assert_same_gradients(what, &of_there, &gradients);
    }
}

/// Asserts that the gradients `found` contain all `expected` ones.
pub fn assert_same_gradients(what: &str, found: &Values, expected: &Values) {
    let largest = expected.values().flatten().fold(0.0_f32, |most, value| most.max(value.abs()));
    for (name, values) in expected {
        // Gradients that are zero in exact arithmetic are rounding errors of the large ones.
        let most = values.iter().fold(largest * 1e-3, |most, value| most.max(value.abs()));
        for (value, found) in values.iter().zip(&found[name]) {
            assert!((value - found).abs() <= TOLERANCE * most, "{what}, {name}: {found} for {value}");
        }
    }
}

#[test]
fn every_tuning_gives_the_losses_and_gradients_of_the_cpu() {
    let dora = LoraConfig { use_dora: true, ..random() };
    let pissa = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..lora() };
    let rslora = LoraConfig { use_rslora: true, ..random() };
    let kinds = [("LoRA", random()), ("rsLoRA", rslora), ("DoRA", dora), ("PiSSA", pissa)];
    for (name, config) in kinds {
        assert_same(name, &mut adapted(Precision::F32, &config));
    }
    let mut saved = both(Precision::F32);
    change(&mut saved, |pipeline| {
        drop(load_adapter(&mut pipeline.model, &parity().join("tiny-lora-saved")).expect("an adapter"));
    });
    assert_same("modules_to_save", &mut saved);
}

#[test]
fn training_of_whole_parts_gives_the_losses_and_gradients_of_the_cpu() {
    for parts in [&ModelPart::ALL[..], &[ModelPart::Vision], &[ModelPart::Connector]] {
        let mut both = both(Precision::F32);
        change(&mut both, |pipeline| {
            set_trainable(&mut pipeline.model, true, |name| parts.contains(&ModelPart::of(name)));
        });
        assert_same(&format!("{parts:?}"), &mut both);
    }
}

#[test]
fn four_bits_give_the_losses_and_gradients_of_the_cpu() {
    for (double_quant, config) in [(false, random()), (true, LoraConfig { use_dora: true, ..random() })] {
        // The other backend has no bf16, so it computes in f32 as the CPU does here.
        let [here, there] = [false, true].map(|bf16| Precision::Nf4 { double_quant, bf16 });
        let mut both = [pipeline_on(&Device::flex(), here), pipeline_on(&Device::ndarray(), there)];
        change(&mut both, |pipeline| drop(attach_new(&mut pipeline.model, &config)));
        let [values, of_there] = both.each_mut().map(|pipeline| parameters(&mut pipeline.model));
        for (name, values) in &values {
            assert_close(name, &of_there[name], values, 1e-6);
        }
        assert_same("four bits", &mut both);
        change(&mut both, |pipeline| merge(&mut pipeline.model));
        let [merged, of_there] = both.each_mut().map(|pipeline| parameters(&mut pipeline.model));
        for (name, values) in &merged {
            assert_close(&format!("merged {name}"), &of_there[name], values, 1e-5);
        }
    }
}

#[test]
fn a_weight_in_four_bits_can_become_trainable() {
    let precision = Precision::Nf4 { double_quant: true, bf16: false };
    let mut both = both(precision);
    change(&mut both, |pipeline| set_trainable(&mut pipeline.model, true, |name| name.ends_with("q_proj.weight")));
    assert_same("trainable weights", &mut both);
}

/// Precisions that the other backend has.
pub const PRECISIONS: [Precision; 2] = [Precision::F32, Precision::Nf4 { double_quant: true, bf16: false }];

fn options() -> Vec<String> {
    ["yes", "no", "a red circle"].map(str::to_owned).into()
}

/// Asserts that log-likelihoods of options and generated answers to `questions` agree.
pub fn assert_same_answers(what: &str, both: &Both, questions: impl Fn(&VlmPipeline) -> Vec<EncodableExample>) {
    let [scores, of_there] = both.each_ref().map(|pipeline| {
        let asked: Vec<_> = questions(pipeline).into_iter().map(|question| (question, options())).collect();
        let scores = pipeline.score(&asked, &Pass::ANSWER).expect("scores");
        scores.into_iter().flatten().map(|score| score.loglikelihood as f32).collect::<Vec<f32>>()
    });
    assert!(!scores.is_empty(), "{what}: something is scored");
    assert_close(&format!("{what}, scores"), &of_there, &scores, TOLERANCE);
    let [here, there] = both.each_ref().map(|pipeline| {
        let generate = |question: &EncodableExample| pipeline.generate(question, 12, &Pass::ANSWER).expect("an answer");
        questions(pipeline).iter().map(generate).collect::<Vec<_>>()
    });
    for (place, (here, there)) in here.iter().zip(&there).enumerate() {
        let what = format!("{what}, answer {place}");
        assert_eq!(there.ids, here.ids, "{what}");
        assert_close(&what, &there.logprobs, &here.logprobs, TOLERANCE);
    }
}

/// Asserts that values and pixel gradients of both kinds of objectives agree. All `questions` have an image.
pub fn assert_same_slopes(what: &str, both: &Both, questions: impl Fn(&VlmPipeline) -> Vec<EncodableExample>) {
    let objectives = [
        PixelObjective::Nll { target: "a red circle".to_owned() },
        PixelObjective::Margin { options: options(), gold: 1 },
    ];
    for objective in objectives {
        let [here, there] = both.each_ref().map(|pipeline| {
            let asked: Vec<_> = questions(pipeline).into_iter().map(|question| (question, objective.clone())).collect();
            pipeline.pixel_gradients(&asked, &Pass::ANSWER).expect("gradients")
        });
        assert!(!here.is_empty(), "{what}: something is differentiated");
        for (place, (here, there)) in here.iter().zip(&there).enumerate() {
            let what = format!("{what}, question {place}, {objective:?}");
            let apart = (there.value - here.value).abs();
            assert!(
                apart <= f64::from(TOLERANCE) * here.value.abs().max(1.0),
                "{what}: {} for {}",
                there.value,
                here.value
            );
            assert_eq!(there.gradient.len(), here.gradient.len(), "{what}");
            let most = here.gradient.iter().fold(0.0_f32, |most, slope| most.max(slope.abs()));
            assert!(most > 0.0, "{what}: the answer depends on the pixels");
            for (slope, there) in here.gradient.iter().zip(&there.gradient) {
                assert!((slope - there).abs() <= TOLERANCE * most, "{what}: {there} for {slope}, at most {most}");
            }
        }
    }
}

#[test]
fn options_and_answers_equal_those_of_the_cpu() {
    for precision in PRECISIONS {
        let both = adapted(precision, &random());
        let questions =
            |pipeline: &VlmPipeline| ["single", "two_images", "text_only"].map(|name| question(pipeline, name)).into();
        assert_same_answers(&format!("{precision:?}"), &both, questions);
    }
}

#[test]
fn pixel_gradients_equal_those_of_the_cpu() {
    for precision in PRECISIONS {
        let both = adapted(precision, &random());
        let questions =
            |pipeline: &VlmPipeline| ["single", "two_images", "split"].map(|name| question(pipeline, name)).into();
        assert_same_slopes(&format!("{precision:?}"), &both, questions);
    }
}

/// A recorded conversation up to its last answer.
fn question(pipeline: &VlmPipeline, name: &str) -> EncodableExample {
    let mut example = example(pipeline, name);
    while example.conversation.messages.last().is_some_and(|last| last.role == Role::Assistant) {
        example.conversation.messages.pop();
    }
    example
}

#[test]
fn bf16_is_refused_where_the_device_has_none() {
    let refused = VlmPipeline::load_in(Precision::Bf16, &tiny(), &Device::ndarray()).err().expect("refused");
    let message = refused.to_string();
    assert!(message.contains("does not compute in bf16 -> leave `bf16` out, or set `load_in_4bit`"), "{message}");
}
