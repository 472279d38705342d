//! Gradients with and without gradient checkpointing are bit-identical, whichever parts are frozen.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;
use stepwise_data::conversation::{Conversation, Message};
use stepwise_data::image::load_picture;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::idefics3::ModelPart;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::pipeline::VlmPipeline;

use common::{assert_close, copy_of, deviation, edit_json, facts, gradients_of, learn_everything, parity};

/// A recorded conversation as an example.
fn example(pipeline: &VlmPipeline, name: &str) -> EncodableExample {
    let recorded = &facts()["conversations"][name];
    let messages: Vec<Message> = serde_json::from_value(recorded["messages"].clone()).expect("messages");
    let images = recorded["images"].as_array().expect("images").iter().map(|image| {
        let path = parity().join("images").join(format!("{}.png", image.as_str().expect("a name")));
        Arc::new(pipeline.processor.prepare(&load_picture(&path).expect("an image")).expect("tiles"))
    });
    let images = images.collect();
    EncodableExample { conversation: Conversation { messages }, images }
}

/// Computes the terms of the loss and the sum of all gradient parts, by parameter name.
fn gradients(
    pipeline: &mut VlmPipeline,
    names: &[&str],
    checkpointing: bool,
) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let examples: Vec<EncodableExample> = names.iter().map(|name| example(pipeline, name)).collect();
    let batch = Batch::new(&pipeline.processor, examples.iter(), true).expect("a batch");
    let (terms, parts) = pipeline.gradients(&batch, 0.125, checkpointing, &Pass::training(7));
    let mut sum: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for part in &parts {
        for (name, values) in gradients_of(&mut pipeline.model, part) {
            let held = sum.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            held.iter_mut().zip(values).for_each(|(held, value)| *held += value);
        }
    }
    (terms, sum)
}

/// Freezes all parameters of some parts.
struct Rest<'a>(&'a [ModelPart]);

impl ParameterVisitor for Rest<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if self.0.contains(&ModelPart::of(name)) {
            parameter.set_learning(false);
        }
    }
}

#[test]
fn checkpointed_gradients_are_those_of_one_pass() {
    use ModelPart::{Connector, Decoder, Vision};
    // Dropout masks are drawn again in the backward pass, so one adapter has dropout.
    let dropping = copy_of("tiny-lora-all", &[]);
    edit_json(&dropping.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    let adapters = [Some(parity().join("tiny-lora")), Some(dropping.path().to_path_buf()), None];
    let rests = [&[][..], &[Vision], &[Decoder], &[Connector], &[Vision, Connector], &[Vision, Decoder]];
    for (adapter, rests) in adapters.iter().flat_map(|adapter| rests.map(|rests| (adapter, rests))) {
        let mut pipeline = VlmPipeline::load(&parity().join("tiny"), &Device::flex()).expect("the tiny model");
        pipeline.processor.set_image_splitting(Some(false));
        match adapter {
            // This adapter is in the decoder only, so nothing would be trainable.
            Some(folder) if folder.ends_with("tiny-lora") && rests.contains(&Decoder) => continue,
            Some(folder) => drop(load_adapter(&mut pipeline.model, folder).expect("an adapter")),
            None => learn_everything(&mut pipeline.model),
        }
        pipeline.model.visit(&mut Rest(rests));
        pipeline.refresh();
        for names in [&["multi_turn", "two_images"][..], &["text_only"]] {
            let at = format!("{names:?} of {adapter:?} without {rests:?}");
            let (terms, whole) = gradients(&mut pipeline, names, false);
            let (again, parts) = gradients(&mut pipeline, names, true);
            assert_eq!(terms, again, "{at}");
            assert_eq!(whole.keys().collect::<Vec<_>>(), parts.keys().collect::<Vec<_>>(), "{at}");
            assert_eq!(whole.is_empty(), names == ["text_only"] && rests.contains(&Decoder), "{at}");
            assert!(!whole.keys().any(|name| rests.contains(&ModelPart::of(name))), "{at}");
            for (name, values) in &whole {
                assert_eq!(values, &parts[name], "{name}, {at}");
            }
        }
    }
}

#[test]
fn an_adapter_that_rests_drops_nothing_and_what_it_sees_is_remembered_while_it_is_on() {
    let dropping = copy_of("tiny-lora-all", &[]);
    edit_json(&dropping.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    let mut pipeline = VlmPipeline::load(&parity().join("tiny"), &Device::flex()).expect("the tiny model");
    pipeline.processor.set_image_splitting(Some(false));
    let base = {
        let examples = [example(&pipeline, "two_images")];
        Batch::new(&pipeline.processor, examples.iter(), true).expect("a batch")
    };
    let terms = |pipeline: &VlmPipeline, pass: Pass| pipeline.losses(&base, &pass).1;
    let untouched = terms(&pipeline, Pass::ANSWER);
    load_adapter(&mut pipeline.model, dropping.path()).expect("an adapter");
    pipeline.refresh();
    assert_ne!(
        terms(&pipeline, Pass::training(1)),
        terms(&pipeline, Pass::training(2)),
        "a trainable adapter uses dropout"
    );
    pipeline.model.visit(&mut Rest(&ModelPart::ALL));
    pipeline.refresh();
    let adapted = terms(&pipeline, Pass::ANSWER);
    assert_eq!(terms(&pipeline, Pass::training(1)), adapted);
    // Features cached for the adapted model must not be used for the base model, and vice versa.
    assert_close("the base", &terms(&pipeline, Pass::BASE), &untouched, 1e-5);
    assert!(deviation(&adapted, &untouched) > 1e-3);
    assert_eq!(terms(&pipeline, Pass::ANSWER), adapted);
    // After `refresh`, changed weights give changed features.
    pipeline.model.visit(&mut Nudge);
    pipeline.refresh();
    assert_ne!(terms(&pipeline, Pass::ANSWER), adapted);
}

/// Changes the connector's adapter.
struct Nudge;

impl ParameterVisitor for Nudge {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if name.contains("connector") && name.contains("lora_B") {
            parameter.replace(parameter.values() + 0.1);
        }
    }
}
