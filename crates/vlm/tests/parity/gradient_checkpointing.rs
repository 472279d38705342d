//! Gradients with and without gradient checkpointing are bit-identical, whichever parts are frozen.

use stepwise_testing::files::{copy_of, edit_json, parity};
use stepwise_testing::model::parameters::{Values, gradients_of, set_trainable, shift};
use stepwise_testing::model::pipeline;
use stepwise_testing::model::recorded::example;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::fixtures::{assert_close, deviation};

/// Computes the terms of the loss and the sum of all gradient parts, by parameter name.
fn gradients(pipeline: &mut VlmPipeline, names: &[&str], checkpointing: bool) -> (Vec<f32>, Values) {
    let examples: Vec<EncodableExample> = names.iter().map(|name| example(pipeline, name)).collect();
    let batch = Batch::new(&pipeline.processor, examples.iter(), true).expect("a batch");
    let (terms, parts) = pipeline.gradients(&batch, 0.125, checkpointing, &Pass::training(7));
    let mut sum: Values = Values::new();
    for part in &parts {
        for (name, values) in gradients_of(&mut pipeline.model, part) {
            let held = sum.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            held.iter_mut().zip(values).for_each(|(held, value)| *held += value);
        }
    }
    (terms, sum)
}

/// Freezes all parameters of some parts.
fn freeze(model: &mut Vlm, parts: &[ModelPart]) {
    set_trainable(model, false, |name| parts.contains(&ModelPart::of(name)));
}

#[test]
fn gradients_with_checkpointing_equal_those_of_one_pass() {
    use ModelPart::{Connector, Decoder, Vision};
    // Dropout masks are drawn again in the backward pass, so one adapter has dropout.
    let dropping = copy_of(&parity().join("tiny-lora-all"), &[]);
    edit_json(&dropping.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    let adapters = [Some(parity().join("tiny-lora")), Some(dropping.path().to_path_buf()), None];
    let rests = [&[][..], &[Vision], &[Decoder], &[Connector], &[Vision, Connector], &[Vision, Decoder]];
    for (adapter, rests) in adapters.iter().flat_map(|adapter| rests.map(|rests| (adapter, rests))) {
        let mut pipeline = pipeline();
        match adapter {
            // This adapter is in the decoder only, so nothing would be trainable.
            Some(folder) if folder.ends_with("tiny-lora") && rests.contains(&Decoder) => continue,
            Some(folder) => drop(load_adapter(&mut pipeline.model, folder).expect("an adapter")),
            None => set_trainable(&mut pipeline.model, true, |_| true),
        }
        freeze(&mut pipeline.model, rests);
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
fn a_frozen_adapter_has_no_dropout_and_its_features_are_cached_apart_from_the_bases() {
    let dropping = copy_of(&parity().join("tiny-lora-all"), &[]);
    edit_json(&dropping.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    let mut pipeline = pipeline();
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
    freeze(&mut pipeline.model, &ModelPart::ALL);
    pipeline.refresh();
    let adapted = terms(&pipeline, Pass::ANSWER);
    assert_eq!(terms(&pipeline, Pass::training(1)), adapted);
    // Features cached for the adapted model must not be used for the base model, and vice versa.
    assert_close("the base", &terms(&pipeline, Pass::BASE), &untouched, 1e-5);
    assert!(deviation(&adapted, &untouched) > 1e-3);
    assert_eq!(terms(&pipeline, Pass::ANSWER), adapted);
    // After `refresh`, changed weights give changed features.
    shift(&mut pipeline.model, 0.1, |name| name.contains("connector") && name.contains("lora_B"));
    pipeline.refresh();
    assert_ne!(terms(&pipeline, Pass::ANSWER), adapted);
}
