//! Every kind of fine-tuning on the tiny models of several families: training lowers the loss and moves only what is to be
//! trained, and a saved adapter or model gives the logits of the trained one.

use std::sync::Arc;

use burn::tensor::Device;
use stepwise_data::conversation::{Conversation, Message, Part, Role};
use stepwise_data::image::load_image;
use stepwise_testing::files::{family_fixture, family_fixtures, json};
use stepwise_testing::model::all_linear;
use stepwise_testing::model::parameters::{Values, parameters, set_trainable, trainable_parameters};
use stepwise_testing::model::recorded::References;
use stepwise_trainer::batches::examples::{MicroBatch, TrainingExample};
use stepwise_trainer::optim::adamw::{AdamW, AdamWConfig};
use stepwise_trainer::optim::part_rates::Rates;
use stepwise_trainer::optim::step::{StepOptions, step};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{InitLoraWeights, LoraConfig, Targets, attach, load_adapter, merge, save_adapter};
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::model::{ModelPart, save_model};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

/// Families of unlike image encoders and processors. All families times all kinds of training would take minutes; other tests
/// train every family.
const FAMILIES: [&str; 4] = ["qwen2_5_vl", "gemma3", "llava_next", "internvl"];

fn load(family: &str, precision: Precision) -> VlmPipeline {
    VlmPipeline::load_in(precision, &family_fixture(family).join("model"), &Device::flex()).expect(family)
}

/// Two questions about the images of the fixture.
fn examples(family: &str, pipeline: &VlmPipeline) -> Vec<EncodableExample> {
    let example = |(image, question, answer): (usize, &str, &str)| {
        let mut conversation = Conversation::default();
        conversation.push(Role::User, vec![Part::Image { index: 0 }, Part::text(question)]);
        let content = vec![Part::text(answer)];
        conversation.messages.push(Message { role: Role::Assistant, content, supervised: true });
        let picture = load_image(&family_fixture(family).join(format!("picture{image}.png"))).expect("an image");
        EncodableExample { conversation, images: vec![Arc::new(pipeline.processor.prepare(&picture).expect("tiles"))] }
    };
    [(0, "Which view is this?", "PA."), (1, "Is there a finding?", "Yes, at the base.")].map(example).into()
}

/// Returns a conversation as a training example.
fn training(family: &str, example: EncodableExample) -> TrainingExample {
    TrainingExample {
        example,
        stage: 1,
        condition: None,
        weight: 1.0,
        attack: None,
        scoring: None,
        name: family.to_owned(),
        images_of: family.to_owned(),
    }
}

/// One kind of training: what is attached, what is trained, and the settings of the steps.
#[derive(Clone)]
struct Kind {
    name: &'static str,
    precision: Precision,
    /// None is full fine-tuning.
    adapter: Option<LoraConfig>,
    frozen: &'static [ModelPart],
    loraplus_ratio: f64,
    gradient_checkpointing: bool,
}

fn plain(name: &'static str) -> Kind {
    Kind {
        name,
        precision: Precision::F32,
        adapter: Some(LoraConfig::new(4, 8.0, all_linear())),
        frozen: &[],
        loraplus_ratio: 1.0,
        gradient_checkpointing: false,
    }
}

fn kinds() -> Vec<Kind> {
    let lora = LoraConfig::new(4, 8.0, all_linear());
    let with = |name, config: LoraConfig| Kind { adapter: Some(config), ..plain(name) };
    let decoder = Targets::Pattern(r".*language_model.*\.(q_proj|v_proj)".to_owned());
    vec![
        plain("LoRA"),
        with("rsLoRA", LoraConfig { use_rslora: true, ..lora.clone() }),
        with("DoRA", LoraConfig { use_dora: true, ..lora.clone() }),
        with("PiSSA", LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..lora.clone() }),
        with("LoRA on the decoder", LoraConfig { target_modules: decoder, ..lora.clone() }),
        Kind { loraplus_ratio: 8.0, ..plain("LoRA+") },
        Kind { precision: Precision::Nf4 { double_quant: true, bf16: false }, ..plain("QLoRA") },
        Kind { precision: Precision::Bf16, ..plain("LoRA in bf16") },
        Kind { gradient_checkpointing: true, ..plain("LoRA with checkpointing") },
        Kind { frozen: &[ModelPart::Vision], ..plain("LoRA without the image encoder") },
        Kind { frozen: &[ModelPart::Decoder], ..plain("LoRA without the decoder") },
        Kind { adapter: None, ..plain("full") },
        Kind { adapter: None, gradient_checkpointing: true, ..plain("full with checkpointing") },
        Kind { adapter: None, frozen: &[ModelPart::Vision, ModelPart::Decoder], ..plain("the connector") },
    ]
}

impl Kind {
    fn may(&self, name: &str) -> bool {
        !self.frozen.contains(&ModelPart::of(name))
    }

    /// Loads the model of a family, ready for training.
    fn start(&self, family: &str) -> VlmPipeline {
        let mut pipeline = load(family, self.precision);
        match &self.adapter {
            Some(config) => drop(attach(&mut pipeline.model, config, 3, |name| self.may(name)).expect(self.name)),
            None => set_trainable(&mut pipeline.model, true, |name| self.may(name)),
        }
        pipeline.refresh();
        pipeline
    }

    /// Takes four steps. Returns the loss before each.
    fn train(&self, family: &str, pipeline: &mut VlmPipeline) -> Vec<f64> {
        let training: Vec<TrainingExample> =
            examples(family, pipeline).into_iter().map(|example| training(family, example)).collect();
        let micro = [MicroBatch::new(&pipeline.processor, &training, true, 4096).expect("encoded")];
        let config = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 };
        let mut optimizer = AdamW::new(config);
        let options = StepOptions {
            rates: Rates { loraplus_ratio: self.loraplus_ratio, ..Rates::same(1e-3) },
            max_grad_norm: 0.0,
            dropout_key: 0,
            gradient_checkpointing: self.gradient_checkpointing,
            objective_progress: 0.0,
        };
        let mut loss = || step(pipeline, &mut optimizer, &micro, options).expect(self.name).tally.loss();
        (0..4).map(|_| loss()).collect()
    }
}

/// Negative log-likelihoods of the supervised tokens.
fn losses(family: &str, pipeline: &mut VlmPipeline) -> Vec<f32> {
    pipeline.refresh();
    let examples = examples(family, pipeline);
    let batch = Batch::new(&pipeline.processor, &examples, true).expect("a batch");
    pipeline.losses(&batch, &Pass::ANSWER).1
}

fn apart(one: &[f32], other: &[f32]) -> f32 {
    assert_eq!(one.len(), other.len());
    one.iter().zip(other).map(|(one, other)| (one - other).abs()).fold(0.0, f32::max)
}

/// Asserts that exactly the parameters of `trainable` moved. Some have no gradient: layers after the feature layer.
fn assert_moved(at: &str, before: &Values, after: &Values, trainable: &Values) {
    let moved: Vec<&String> = before.keys().filter(|name| before[*name] != after[*name]).collect();
    assert!(moved.iter().all(|name| trainable.contains_key(*name)), "{at}: a frozen parameter moved");
    assert!(2 * moved.len() > trainable.len(), "{at}: {} of {} parameters moved", moved.len(), trainable.len());
}

/// The recorded conversation `img0` of a fixture.
fn recorded_example(family: &str, pipeline: &VlmPipeline) -> EncodableExample {
    let facts = &json(&family_fixture(family).join("meta.json"))["samples"]["img0"];
    let text = |field: &str| facts[field].as_str().map(str::to_owned);
    let mut conversation = Conversation::default();
    if let Some(system) = text("system") {
        conversation.push(Role::System, vec![Part::text(&system)]);
    }
    let question = Part::text(text("question").expect("a question"));
    conversation.push(Role::User, vec![Part::Image { index: 0 }, question]);
    let content = vec![Part::text(text("answer").expect("an answer"))];
    conversation.messages.push(Message { role: Role::Assistant, content, supervised: true });
    let picture = load_image(&family_fixture(family).join("picture0.png")).expect("an image");
    EncodableExample { conversation, images: vec![Arc::new(pipeline.processor.prepare(&picture).expect("tiles"))] }
}

/// Loss before and after a step of AdamW, and the values of the adapter after the step, in every fixture.
#[test]
fn a_step_equals_peft_and_torch() {
    let fixtures = family_fixtures();
    assert!(fixtures.len() >= 13, "{fixtures:?}");
    for family in &fixtures {
        let references = References::open(&format!("families/fixtures/{family}/io.safetensors"));
        let mut pipeline = load(family, Precision::F32);
        load_adapter(&mut pipeline.model, &family_fixture(family).join("adapter")).expect(family);
        pipeline.refresh();
        let example = recorded_example(family, &pipeline);
        let micro = [MicroBatch::new(&pipeline.processor, &[training(family, example)], true, 4096).expect("encoded")];
        let config = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.01 };
        let mut optimizer = AdamW::new(config);
        let options = StepOptions {
            rates: Rates::same(1e-3),
            max_grad_norm: 0.0,
            dropout_key: 0,
            gradient_checkpointing: false,
            objective_progress: 0.0,
        };
        let mut step = |loss: &str, pipeline: &mut VlmPipeline| {
            let found = step(pipeline, &mut optimizer, &micro, options).expect(family).tally.loss();
            let expected = f64::from(references.values(loss)[0]);
            assert!((found - expected).abs() <= 1e-4 * expected, "{family} {loss}: {found} against {expected}");
        };
        step("lora.loss0", &mut pipeline);
        let mut compared = 0;
        for (name, values) in trainable_parameters(&mut pipeline.model) {
            let key = format!("base_model.model.{}", name.replace(".weight", ".default.weight"));
            let after = references.values(&format!("lora.step1.{key}"));
            let gradient = references.values(&format!("lora.grad.{key}"));
            for ((mine, after), gradient) in values.iter().zip(&after).zip(&gradient) {
                // AdamW's steps have about the size of the learning rate even for tiny gradients, which are rounding noise.
                let is_near = (mine - after).abs() < 2e-5 || gradient.abs() <= 1e-5;
                assert!(is_near, "{family} {name}: {mine} against {after}");
            }
            compared += 1;
        }
        assert_eq!(compared, references.after("lora.step1.").count(), "{family}");
        step("lora.loss1", &mut pipeline);
    }
}

#[test]
fn every_kind_of_training_lowers_the_loss_and_moves_what_is_trained() {
    for family in FAMILIES {
        for kind in kinds() {
            let at = format!("{family}: {}", kind.name);
            let mut pipeline = kind.start(family);
            let trainable = trainable_parameters(&mut pipeline.model);
            let parts = trainable.keys().map(|name| ModelPart::of(name));
            assert!(parts.clone().count() > 0 && parts.into_iter().all(|part| !kind.frozen.contains(&part)), "{at}");
            let before = parameters(&mut pipeline.model);
            let losses = kind.train(family, &mut pipeline);
            assert!(losses.windows(2).all(|pair| pair[1] < pair[0]), "{at}: {losses:?}");
            assert_moved(&at, &before, &parameters(&mut pipeline.model), &trainable);
        }
    }
}

#[test]
fn checkpointing_and_smaller_numbers_change_the_losses_by_rounding_only() {
    for family in FAMILIES {
        let run = |kind: &Kind| kind.train(family, &mut kind.start(family));
        let expected = run(&plain("LoRA"));
        let differ = |kind: &Kind| {
            run(kind).iter().zip(&expected).map(|(one, other)| (one / other - 1.0).abs()).fold(0.0, f64::max)
        };
        // Packed products in bf16 round to 8 bits; four bits change the weights by up to a tenth of a block's largest one.
        for (kind, most) in [
            (Kind { gradient_checkpointing: true, ..plain("checkpointing") }, 1e-5),
            (Kind { precision: Precision::Bf16, ..plain("bf16") }, 0.02),
            (Kind { precision: Precision::Nf4 { double_quant: true, bf16: false }, ..plain("4 bits") }, 0.2),
        ] {
            let found = differ(&kind);
            assert!(found < most, "{family} {}: losses differ by {found}", kind.name);
        }
    }
}

#[test]
fn saved_adapters_and_models_give_the_logits_of_the_trained_ones() {
    for family in FAMILIES {
        for kind in kinds() {
            let at = format!("{family}: {}", kind.name);
            let mut pipeline = kind.start(family);
            kind.train(family, &mut pipeline);
            let trained = losses(family, &mut pipeline);
            let folder = tempfile::tempdir().expect("a folder");
            if let Some(config) = &kind.adapter {
                save_adapter(&mut pipeline.model, config, "base", folder.path()).expect("saved");
                let mut again = load(family, kind.precision);
                load_adapter(&mut again.model, folder.path()).expect("an adapter");
                let found = apart(&losses(family, &mut again), &trained);
                // PiSSA subtracts its initial weights from a base, which rounds again.
                assert!(found < if kind.name == "PiSSA" { 1e-4 } else { 1e-6 }, "{at}: adapter differs by {found}");
            }
            if kind.precision != Precision::F32 {
                continue;
            }
            merge(&mut pipeline.model);
            save_model(&mut pipeline.model, &family_fixture(family).join("model"), folder.path(), false)
                .expect("saved");
            let mut again = VlmPipeline::load(folder.path(), &Device::flex()).expect("loads");
            let found = apart(&losses(family, &mut again), &trained);
            assert!(found < 1e-4, "{at}: merged model differs by {found}");
        }
    }
}
