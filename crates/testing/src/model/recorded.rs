//! Recorded conversations and tensors of the parity fixtures.

use std::sync::Arc;

use burn::tensor::Device;
use serde_json::Value;
use stepwise_data::conversation::Conversation;
use stepwise_data::image::load_image;
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::weights::SafetensorsSource;

use crate::files::{json, parity};

/// Reads the JSON file with the path `file` below the parity fixtures.
///
/// # Panics
/// When the file cannot be read or is not JSON.
#[must_use]
pub fn facts(file: &str) -> Value {
    json(&parity().join(file))
}

/// Tensors of a safetensors file of the parity fixtures, recorded from the reference implementation.
pub struct References(SafetensorsSource);

impl References {
    /// Opens the safetensors file with the path `file` below the parity fixtures.
    ///
    /// # Panics
    /// When the file cannot be read or is malformed.
    #[must_use]
    pub fn open(file: &str) -> Self {
        Self(SafetensorsSource::open(&[parity().join(file)], &Device::flex()).expect(file))
    }

    /// Returns the values of the tensor `name` in row order.
    ///
    /// # Panics
    /// When there is no such tensor, or it cannot be read.
    #[must_use]
    #[track_caller]
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.get(name).unwrap_or_else(|| panic!("no tensor {name}"))
    }

    /// Returns the values of the tensor `name` in row order; None when there is no such tensor or it cannot be read.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<f32>> {
        self.0.any(name).ok().map(|(_, values)| values)
    }

    /// Returns, in the order of the names, the part after `prefix` of every tensor name that starts with it.
    pub fn after<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.names().filter_map(move |name| name.strip_prefix(prefix))
    }
}

/// Returns the conversation `name` recorded in `fixtures.json` of the parity fixtures as an example for `pipeline`,
/// with images cut into tiles by its processor.
///
/// # Panics
/// When there is no such conversation, or an image cannot be read.
#[must_use]
pub fn example(pipeline: &VlmPipeline, name: &str) -> EncodableExample {
    let recorded = &facts("fixtures.json")["conversations"][name];
    let messages = serde_json::from_value(recorded["messages"].clone()).expect("messages");
    let images = recorded["images"].as_array().expect("images").iter().map(|image| {
        let path = parity().join("images").join(format!("{}.png", image.as_str().expect("a name")));
        Arc::new(pipeline.processor.prepare(&load_image(&path).expect("an image")).expect("tiles"))
    });
    EncodableExample { conversation: Conversation { messages }, images: images.collect() }
}
