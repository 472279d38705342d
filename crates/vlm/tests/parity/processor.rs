//! The processor, compared with transformers, tokenizers and Pillow.

use burn::tensor::{Device, Tensor, TensorData};
use image::RgbImage;
use safetensors::SafeTensors;
use serde::Deserialize;
use serde_json::Value;
use stepwise_data::conversation::{Conversation, Message};
use stepwise_data::image::sha256_hex;
use stepwise_testing::files::{copy_of, edit_json, parity, real, tiny};
use stepwise_testing::model::recorded;
use stepwise_vlm::images::grid::{ImageGrid, Tiles};
use stepwise_vlm::images::resize::{Resample, resize};
use stepwise_vlm::processor::{Encoded, Processor, ProcessorError};
use stepwise_vlm::values_of;

use crate::fixtures::{facts, list};

fn picture(name: &str) -> RgbImage {
    image::open(parity().join("images").join(format!("{name}.png"))).expect(name).to_rgb8()
}

/// A recorded conversation, as both fixture files hold it.
#[derive(Deserialize)]
struct Recorded {
    images: Vec<String>,
    do_image_splitting: bool,
    messages: Vec<Message>,
    #[serde(default)]
    generation_prompt: bool,
    grid: Vec<[usize; 2]>,
    input_ids: Vec<u32>,
    supervised: Vec<usize>,
}

impl Recorded {
    fn conversation(&self) -> Conversation {
        Conversation { messages: self.messages.clone() }
    }

    fn tiles(&self, processor: &Processor) -> Vec<Tiles> {
        self.images.iter().map(|name| processor.tiles(&picture(name)).expect("cut")).collect()
    }

    /// Encodes and compares everything but the pixels.
    fn check(&self, processor: &Processor, name: &str) -> Encoded {
        let grids: Vec<ImageGrid> = self.tiles(processor).iter().map(|tiles| tiles.grid).collect();
        let cut: Vec<[usize; 2]> = grids.iter().map(|grid| [grid.rows, grid.columns]).collect();
        assert_eq!(cut, self.grid, "{name}");
        let encoded = processor.encode(&self.conversation(), &grids, self.generation_prompt).expect(name);
        assert_eq!(encoded.ids, self.input_ids, "{name}");
        let supervised: Vec<usize> = (0..encoded.ids.len()).filter(|index| encoded.supervised[*index]).collect();
        assert_eq!(supervised, self.supervised, "{name}");
        // Every placeholder belongs to exactly one span, and spans hold only placeholders.
        let image = placeholder(processor);
        let spanned: Vec<usize> = encoded.images.iter().flat_map(|span| span.start..span.start + span.len).collect();
        let placeholders: Vec<usize> = (0..encoded.ids.len()).filter(|index| encoded.ids[*index] == image).collect();
        assert_eq!(spanned, placeholders, "{name}");
        let numbered: Vec<_> = encoded.images.iter().map(|span| (span.image, span.tile)).collect();
        let expected: Vec<_> = grids
            .iter()
            .enumerate()
            .flat_map(|(image, grid)| (0..grid.tiles()).map(move |tile| (image, tile)))
            .collect();
        assert_eq!(numbered, expected, "{name}");
        encoded
    }
}

fn placeholder(processor: &Processor) -> u32 {
    processor.token_id("<image>").expect("a token")
}

#[test]
fn the_tiny_folder_gives_the_same_ids_and_pixels() {
    let file = std::fs::read(parity().join("fixtures.safetensors")).expect("fixtures");
    let tensors = SafeTensors::deserialize(&file).expect("fixtures");
    let conversations = facts()["conversations"].clone();
    for (name, value) in conversations.as_object().expect("conversations") {
        let folder = copy_of(&tiny(), &["model.safetensors"]);
        if let Some(size) = value.get("size") {
            edit_json(&folder.path().join("preprocessor_config.json"), |config| config["size"] = size.clone());
        }
        let recorded = Recorded::deserialize(value).expect(name);
        let mut processor = Processor::from_folder(folder.path()).expect(name);
        processor.set_image_splitting(Some(recorded.do_image_splitting));
        recorded.check(&processor, name);
        let tiles = recorded.tiles(&processor);
        if tiles.is_empty() {
            continue;
        }
        let bytes: Vec<u8> = tiles.iter().flat_map(|tiles| tiles.bytes.clone()).collect();
        let unit =
            TensorData::new(processor.values().unit(&bytes), [bytes.len() / tiles[0].grid.tile_values(), 3, 64, 64]);
        let values = values_of(processor.values().normalise(Tensor::from_data(unit, &Device::flex())));
        let tensor = tensors.tensor(&format!("{name}.pixel_values")).expect(name);
        let expected: Vec<f32> = tensor
            .data()
            .chunks_exact(4)
            .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]))
            .collect();
        assert!(values == expected, "{name}: pixels differ");
        check_prompt(&recorded, value, &processor, name);
    }
}

/// Checks the prompt of the last answer, and options in place of the answer.
fn check_prompt(recorded: &Recorded, value: &Value, processor: &Processor, name: &str) {
    let mut conversation = recorded.conversation();
    conversation.messages.pop();
    let options = value["prompt"]["options"].as_array().expect("options");
    // The chat template writes the space between the prompt and an answer.
    let texts: Vec<String> =
        options.iter().map(|option| option["text"].as_str().expect("text").trim_start().to_owned()).collect();
    let grids: Vec<ImageGrid> = recorded.tiles(processor).iter().map(|tiles| tiles.grid).collect();
    let (prompt, answers) = processor.encode_options(&conversation, &grids, &texts).expect(name);
    assert_eq!(prompt.ids, list::<u32>(&value["prompt"]["input_ids"]), "{name}");
    assert!(!prompt.supervised.iter().enumerate().any(|(index, on)| *on && !recorded.supervised.contains(&index)));
    for (option, answer) in options.iter().zip(&answers) {
        assert_eq!(*answer, list::<u32>(&option["token_ids"]), "{name}: {}", option["text"]);
        assert_eq!(processor.decode(answer), option["text"].as_str().expect("text").trim_start());
    }
}

#[test]
fn both_folder_layouts_give_the_same_processor() {
    let folder = tempfile::tempdir().expect("a folder");
    for (from, file) in [
        ("tiny", "tokenizer.json"),
        ("tiny-new-layout", "tokenizer_config.json"),
        ("tiny-new-layout", "processor_config.json"),
        ("tiny-new-layout", "chat_template.jinja"),
        ("tiny-new-layout", "generation_config.json"),
    ] {
        std::fs::copy(parity().join(from).join(file), folder.path().join(file)).expect(file);
    }
    let newer = Processor::from_folder(folder.path()).expect("newer");
    let older = Processor::from_folder(&tiny()).expect("older");
    assert_eq!(newer.digest(), older.digest());
    assert_eq!(newer.ends(), older.ends());
    assert_eq!(newer.values(), older.values());
}

#[test]
fn the_real_folder_gives_the_same_ids_and_pixels() {
    let Some(folder) = real("models/smolvlm-256m-instruct") else { return };
    let mut processor = Processor::from_folder(&folder).expect("loads");
    let cases = recorded::facts("real_folder.json")["cases"].clone();
    for case in cases.as_array().expect("cases") {
        let name = case["name"].as_str().expect("name");
        let recorded = Recorded::deserialize(case).expect(name);
        processor.set_image_splitting(Some(recorded.do_image_splitting));
        if name == "special_in_text" {
            // Transformers encodes this text as special tokens. Stepwise refuses it.
            let refused = processor.encode(&recorded.conversation(), &[], recorded.generation_prompt);
            assert!(matches!(refused, Err(ProcessorError::SpecialToken { .. })), "{refused:?}");
            continue;
        }
        recorded.check(&processor, name);
        if let Some(pixels) = case.get("pixels") {
            let bytes: Vec<u8> = recorded.tiles(&processor).iter().flat_map(|tiles| tiles.bytes.clone()).collect();
            assert_eq!(sha256_hex(&bytes), pixels["sha256"].as_str().expect("a digest"), "{name}");
        }
    }
}

#[test]
fn lanczos_resizing_equals_pillow() {
    let file = std::fs::read(parity().join("lanczos.safetensors")).expect("fixtures");
    let tensors = SafeTensors::deserialize(&file).expect("fixtures");
    assert!(tensors.len() > 5);
    for (name, tensor) in tensors.tensors() {
        let (source, size) = name.split_once('.').expect("a size");
        let (width, height) = size.split_once('x').expect("a size");
        let (width, height) = (width.parse().expect("a width"), height.parse().expect("a height"));
        let resized = resize(&picture(source), width, height, Resample::Lanczos);
        assert!(resized.as_raw() == tensor.data(), "{name}");
    }
}
