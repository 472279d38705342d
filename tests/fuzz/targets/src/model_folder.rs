//! Fuzz target for the configuration and tokenizer files of a model folder.

use std::sync::Arc;

use burn::tensor::Device;
use image::RgbImage;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::processor::Processor;

use crate::support::{files, fixture, folder, refused, write};
use crate::template::conversation;

/// File names, in the order of their contents in the input. The tokenizer comes last because it is the longest.
pub const NAMES: [&str; 7] = [
    "config.json",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "chat_template.json",
    "tokenizer.json",
];

/// Loads a model folder of the files in `NAMES` and the weights of a tiny model, and encodes a conversation with an
/// image. Empty files are left out.
///
/// # Errors
/// When a file is refused, or files do not fit each other.
///
/// # Panics
/// When an error gives no advice.
pub fn model_folder(data: &[u8]) -> Result<(), String> {
    let place = folder();
    for (name, bytes) in NAMES.into_iter().zip(files::<{ NAMES.len() }>(data)) {
        if !bytes.is_empty() {
            write(place.path(), name, bytes);
        }
    }
    let weights = "model.safetensors";
    std::fs::copy(fixture("tiny").join(weights), place.path().join(weights)).expect("the tiny model's weights");
    // The processor is loaded even if the model is refused, so that both are fuzzed.
    let model = Vlm::load(place.path(), &Device::flex()).map_err(refused);
    let processor = Processor::from_folder(place.path()).map_err(refused)?;
    let picture = Arc::new(processor.prepare(&RgbImage::new(96, 40)).map_err(refused)?);
    let conversation = conversation();
    let example = EncodableExample { conversation, images: vec![picture] };
    let encoded = processor.encode(&example.conversation, &example.grids(), true).map_err(refused)?;
    let _ = processor.decode(&encoded.ids);
    let pipeline = VlmPipeline::new(model?, processor).map_err(refused)?;
    pipeline.encode(&example, true).map_err(refused)?;
    Ok(())
}
