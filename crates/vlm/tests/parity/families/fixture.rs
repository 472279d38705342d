//! Fixtures of model families: a tiny random model with the structure of its family, and what transformers and PEFT
//! compute with it. `tests/parity/families` makes them.

use std::path::PathBuf;
use std::sync::Arc;

use burn::tensor::Device;
use image::RgbImage;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use stepwise_data::conversation::{Conversation, Message, Part, Role};
use stepwise_data::image::load_image;
use stepwise_testing::files::{family_fixture, family_fixtures, json};
use stepwise_vlm::batch::EncodableExample;
use stepwise_vlm::pipeline::VlmPipeline;

/// Conversations that every fixture has: one image, another image with a system turn, two images, no image; and the tall
/// image of some fixtures.
const CONVERSATIONS: [&str; 5] = ["img0", "img1", "two", "text", "tall"];

/// The conversation whose gradients are recorded.
pub const FIRST: &str = "img0";

/// Fixture of one family.
pub struct Fixture {
    pub name: String,
    pub folder: PathBuf,
    pub meta: Value,
    tensors: Vec<u8>,
}

/// Returns the fixtures of `tests/parity/families/fixtures`, and those of the folder that the environment variable
/// STEPWISE_FAMILY_FIXTURES names.
pub fn fixtures() -> Vec<Fixture> {
    let mut folders: Vec<PathBuf> = family_fixtures().iter().map(|name| family_fixture(name)).collect();
    if let Some(more) = std::env::var_os("STEPWISE_FAMILY_FIXTURES") {
        let found = std::fs::read_dir(more).expect("a folder").map(|entry| entry.expect("an entry").path());
        folders.extend(found.filter(|path| path.join("io.safetensors").is_file()));
    }
    folders.into_iter().map(Fixture::open).collect()
}

/// Returns the fixtures that record the conversation `key`; at least one does.
pub fn fixtures_with(key: &str) -> Vec<Fixture> {
    let found: Vec<Fixture> = fixtures().into_iter().filter(|fixture| fixture.has(key)).collect();
    assert!(!found.is_empty(), "no fixture records {key}");
    found
}

impl Fixture {
    fn open(folder: PathBuf) -> Self {
        let tensors = std::fs::read(folder.join("io.safetensors")).expect("tensors");
        let name = folder.file_name().expect("a name").to_string_lossy().into_owned();
        Self { name, meta: json(&folder.join("meta.json")), tensors, folder }
    }

    /// Loads the model with its processor, under the settings with which the processor of transformers made a conversation.
    pub fn pipeline_of(&self, key: &str) -> VlmPipeline {
        let (model, changed) = (self.folder.join("model"), tempfile::tempdir().expect("a folder"));
        for entry in std::fs::read_dir(&model).expect("a folder").map(|entry| entry.expect("an entry")) {
            std::fs::copy(entry.path(), changed.path().join(entry.file_name())).expect("copied");
        }
        let mut settings = json(&model.join("preprocessor_config.json"));
        let stated = self.meta["samples"][key]["processor_settings"]["images_kwargs"].as_object().expect("settings");
        stated.iter().for_each(|(name, value)| settings[name] = value.clone());
        std::fs::write(changed.path().join("preprocessor_config.json"), settings.to_string()).expect("written");
        VlmPipeline::load(changed.path(), &Device::flex()).expect(&self.name)
    }

    /// Loads the model with its processor.
    pub fn pipeline(&self) -> VlmPipeline {
        VlmPipeline::load(&self.folder.join("model"), &Device::flex()).expect(&self.name)
    }

    /// Returns shape and values of a tensor as f32; None if it is not recorded.
    pub fn get(&self, name: &str) -> Option<(Vec<usize>, Vec<f32>)> {
        let tensors = SafeTensors::deserialize(&self.tensors).expect("tensors");
        let view = tensors.tensor(name).ok()?;
        let four = view.data().chunks_exact(4).map(|four| [four[0], four[1], four[2], four[3]]);
        let values = match view.dtype() {
            Dtype::F32 => four.map(f32::from_le_bytes).collect(),
            Dtype::I32 => four.map(|bytes| i32::from_le_bytes(bytes) as f32).collect(),
            Dtype::U8 => view.data().iter().map(|byte| f32::from(*byte)).collect(),
            other => panic!("{name}: {other:?}"),
        };
        Some((view.shape().to_vec(), values))
    }

    /// Returns the values of a tensor.
    #[track_caller]
    pub fn values(&self, name: &str) -> Vec<f32> {
        self.get(name).unwrap_or_else(|| panic!("{}: no tensor {name}", self.name)).1
    }

    /// Returns the values of a tensor of whole numbers.
    #[track_caller]
    pub fn whole(&self, name: &str) -> Vec<i64> {
        self.values(name).into_iter().map(|value| value as i64).collect()
    }

    /// Returns the names of all tensors that begin with `start`, without it.
    pub fn after(&self, start: &str) -> Vec<String> {
        let tensors = SafeTensors::deserialize(&self.tensors).expect("tensors");
        let mut names: Vec<String> =
            tensors.names().into_iter().filter_map(|name| name.strip_prefix(start)).map(str::to_owned).collect();
        names.sort();
        names
    }

    /// Returns the conversations of the fixture that need no other settings than the folder's.
    pub fn conversations(&self) -> impl Iterator<Item = &'static str> {
        CONVERSATIONS.into_iter().filter(|key| self.has(key))
    }

    fn has(&self, key: &str) -> bool {
        self.meta["samples"].get(key).is_some()
    }

    /// Returns whether a recorded activation is the output of an encoder layer behind the last one whose output becomes
    /// features. Such layers are not computed.
    pub fn is_behind_features(&self, key: &str, part: &str) -> bool {
        let Some(block) = part.strip_prefix("vis_block").and_then(|number| number.parse::<i64>().ok()) else {
            return false;
        };
        let stated = &json(&self.folder.join("model/config.json"))["vision_feature_layer"];
        let layers = stated.as_array().map_or(std::slice::from_ref(stated), Vec::as_slice);
        let blocks = self.after(&format!("{key}.act.vis_block")).len() as i64;
        // Layers count from 1, because 0 is the input of the first one.
        let count = |layer: &Value| match layer.as_i64().unwrap_or(-1) {
            layer @ 0.. => layer,
            layer => blocks + 1 + layer,
        };
        layers.iter().all(|layer| count(layer) <= block)
    }

    /// Returns a conversation with its images, with or without its answer.
    pub fn example(&self, pipeline: &VlmPipeline, key: &str, answered: bool) -> EncodableExample {
        let facts = &self.meta["samples"][key];
        let text = |field: &str| facts[field].as_str().map(str::to_owned);
        let first = usize::from(key == "img1");
        let sizes = facts["sizes"].as_array().expect("sizes");
        let count = sizes.len();
        let mut conversation = Conversation::default();
        if let Some(system) = text("system") {
            conversation.push(Role::System, vec![Part::text(&system)]);
        }
        let shown = (0..count).map(|index| Part::Image { index });
        conversation.push(Role::User, shown.chain([Part::text(text("question").expect("a question"))]).collect());
        if answered {
            let content = vec![Part::text(text("answer").expect("an answer"))];
            conversation.messages.push(Message { role: Role::Assistant, content, supervised: true });
        }
        let images = (0..count).map(|place| {
            let load = |name: &str| load_image(&self.folder.join(format!("picture{name}.png"))).ok();
            let size = |picture: &RgbImage| serde_json::json!([picture.width(), picture.height()]);
            // Some conversations show an image of their own, which has another size.
            let picture = ["", "-tall", "-crops"]
                .iter()
                .filter_map(|own| load(&if own.is_empty() { (first + place).to_string() } else { (*own).to_owned() }))
                .find(|picture| size(picture) == sizes[place]);
            Arc::new(pipeline.processor.prepare(&picture.expect("an image of the recorded size")).expect("prepared"))
        });
        EncodableExample { conversation, images: images.collect() }
    }
}
