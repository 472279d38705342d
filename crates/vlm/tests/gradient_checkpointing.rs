//! Gradients with and without checkpointing are the same, to the bit.

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use burn::tensor::Device;
use common::{copy_of, edit_json, facts, gradients_of, learn_everything, parity};
use stepwise_curriculum::conversation::{Conversation, Message};
use stepwise_curriculum::picture::load_picture;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::batch::{Batch, Example};
use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::reader::Reader;

/// A recorded conversation.
fn example(reader: &Reader, name: &str) -> Example {
    let recorded = &facts()["conversations"][name];
    let messages: Vec<Message> = serde_json::from_value(recorded["messages"].clone()).expect("messages");
    let images = recorded["images"].as_array().expect("images").iter().map(|image| {
        let path = parity().join("images").join(format!("{}.png", image.as_str().expect("a name")));
        Arc::new(reader.processor.prepare(&load_picture(&path).expect("a picture")).expect("tiles"))
    });
    let images = images.collect();
    Example { conversation: Conversation { messages }, images }
}

/// Terms of the loss and the sum of all gradients.
fn gradients(reader: &mut Reader, names: &[&str], checkpointing: bool) -> (Vec<f32>, BTreeMap<String, Vec<f32>>) {
    let examples: Vec<Example> = names.iter().map(|name| example(reader, name)).collect();
    let batch = Batch::new(&reader.processor, examples.iter(), true).expect("a batch");
    let (terms, parts) = reader.gradients(&batch, 0.125, checkpointing, &Pass::training(7));
    let mut sum: BTreeMap<String, Vec<f32>> = BTreeMap::new();
    for part in &parts {
        for (name, values) in gradients_of(&mut reader.model, part) {
            let held = sum.entry(name).or_insert_with(|| vec![0.0; values.len()]);
            held.iter_mut().zip(values).for_each(|(held, value)| *held += value);
        }
    }
    (terms, sum)
}

#[test]
fn checkpointed_gradients_are_those_of_one_pass() {
    // With dropout, whose masks are drawn again on the way back.
    let dropping = copy_of("tiny-lora-all", &[]);
    edit_json(&dropping.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    let adapters = [Some(parity().join("tiny-lora")), Some(dropping.path().to_path_buf()), None];
    for adapter in adapters {
        let mut reader = Reader::load(&parity().join("tiny"), &Device::flex()).expect("the tiny model");
        reader.processor.set_image_splitting(Some(false));
        match &adapter {
            Some(folder) => drop(load_adapter(&mut reader.model, folder).expect("an adapter")),
            None => learn_everything(&mut reader.model),
        }
        reader.refresh();
        for names in [&["multi_turn", "two_images"][..], &["text_only"]] {
            let (terms, whole) = gradients(&mut reader, names, false);
            let (again, parts) = gradients(&mut reader, names, true);
            assert_eq!(terms, again, "{adapter:?}");
            assert_eq!(whole.keys().collect::<Vec<_>>(), parts.keys().collect::<Vec<_>>(), "{adapter:?} {names:?}");
            assert!(!whole.is_empty());
            for (name, values) in &whole {
                assert_eq!(values, &parts[name], "{name} of {adapter:?}");
            }
        }
    }
}
