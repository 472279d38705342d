//! Helpers of the parity tests: reference values of `tests/parity` and the conversations they belong to.

#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use serde::Deserialize;
use serde_json::Value;
use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use stepwise_vlm::weights::SafetensorsSource;

/// Accepted deviation: largest difference divided by the largest magnitude of the reference.
pub const TOLERANCE: f32 = 1e-4;

/// Names of the recorded conversations.
pub const CONVERSATIONS: [&str; 8] =
    ["single", "split", "strip", "small", "small_unsplit", "two_images", "text_only", "multi_turn"];

/// A pass with gradients and without dropout, like PEFT's `eval` mode.
pub const GRADIENTS: Pass = Pass { adapters: true, gradients: true, dropout: None };

pub fn parity() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity")
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

/// Contents of `fixtures.json`.
pub fn facts() -> &'static Value {
    static FACTS: OnceLock<Value> = OnceLock::new();
    FACTS.get_or_init(|| json(&parity().join("fixtures.json")))
}

/// Tensors of `fixtures.safetensors`.
pub fn references() -> &'static SafetensorsSource {
    static TENSORS: OnceLock<SafetensorsSource> = OnceLock::new();
    let open = || SafetensorsSource::open(&[parity().join("fixtures.safetensors")], &Device::flex());
    TENSORS.get_or_init(|| open().expect("fixtures.safetensors"))
}

/// Returns the values of one recorded tensor.
pub fn reference(name: &str) -> Vec<f32> {
    references().any(name).expect(name).1
}

pub fn tiny() -> Vlm {
    Vlm::load(&parity().join("tiny"), &Device::flex()).expect("the tiny model")
}

/// Copies `folder` of the parity fixtures to a temporary folder, except the files named in `without`.
pub fn copy_of(folder: &str, without: &[&str]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(parity().join(folder)).expect("a folder") {
        let entry = entry.expect("a file");
        if !without.iter().any(|name| entry.file_name() == *name) {
            std::fs::copy(entry.path(), copy.path().join(entry.file_name())).expect("copied");
        }
    }
    copy
}

/// Changes a JSON file in place.
pub fn edit_json(path: &Path, edit: impl FnOnce(&mut Value)) {
    let mut value = json(path);
    edit(&mut value);
    std::fs::write(path, value.to_string()).expect("written");
}

pub fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.inner().into_data().try_to_vec().expect("f32 values")
}

pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

/// Returns the largest difference divided by the largest magnitude of `expected`.
pub fn deviation(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "as many values");
    let scale = expected.iter().fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    // `max` ignores NaN, so NaN is made infinite.
    differences.fold(0.0, |most: f32, next| if next.is_nan() { f32::INFINITY } else { most.max(next) }) / scale
}

#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let deviation = deviation(found, expected);
    assert!(deviation < tolerance, "{what}: relative deviation {deviation:e}, allowed {tolerance:e}");
}

/// One recorded conversation.
pub struct Case {
    pub name: &'static str,
    pub facts: &'static Value,
    pub ids: Vec<u32>,
    /// Indices of the tokens that are targets of the loss.
    pub supervised: Vec<usize>,
    pub tiles: usize,
}

impl Case {
    pub fn load(name: &'static str) -> Self {
        let facts = &facts()["conversations"][name];
        Self {
            name,
            facts,
            ids: list(&facts["input_ids"]),
            supervised: list(&facts["supervised"]),
            tiles: facts["tiles"].as_u64().expect("a number") as usize,
        }
    }

    pub fn all() -> Vec<Self> {
        CONVERSATIONS.map(Self::load).into()
    }

    /// Returns a tensor recorded for this conversation.
    pub fn reference(&self, part: &str) -> Vec<f32> {
        reference(&format!("{}.{part}", self.name))
    }

    /// Returns the normalised pixels, `[tiles, 3, 64, 64]`; `None` without images.
    pub fn pixels(&self) -> Option<Tensor<4>> {
        (self.tiles > 0).then(|| tensor(self.reference("pixel_values"), [self.tiles, 3, 64, 64]))
    }

    /// Computes the image features; `None` without images.
    pub fn features(&self, model: &Vlm, pass: &Pass) -> Option<Tensor<2>> {
        self.pixels().map(|pixels| model.connect(model.encode(pixels, None, pass), pass))
    }

    /// The conversation with its supervised tokens as targets of weight `weight`. Tiles are numbered from `first_tile`.
    pub fn sequence(&self, weight: f32, first_tile: usize) -> Sequence {
        let targets = self.supervised.iter().map(|index| Target { index: *index, weight }).collect();
        Sequence { targets, ..sequence(self.ids.clone(), first_tile) }
    }

    /// The whole conversation without targets.
    pub fn whole(&self) -> Sequence {
        sequence(self.ids.clone(), 0)
    }

    /// The conversation with targets weighted so that the loss is the mean over supervised tokens.
    pub fn mean_sequence(&self) -> Sequence {
        self.sequence(1.0 / self.supervised.len() as f32, 0)
    }

    /// The conversation up to the generation prompt of its last answer.
    pub fn prompt(&self) -> Sequence {
        sequence(list(&self.facts["prompt"]["input_ids"]), 0)
    }

    /// The prompt followed by each of the recorded options, whose tokens are the targets.
    pub fn options(&self) -> Vec<Sequence> {
        let prompt = self.prompt();
        let options = self.facts["prompt"]["options"].as_array().expect("options");
        options
            .iter()
            .map(|option| {
                let mut answered = prompt.clone();
                answered.ids.extend(list::<u32>(&option["token_ids"]));
                let added = prompt.ids.len()..answered.ids.len();
                answered.targets = added.map(|index| Target { index, weight: 1.0 }).collect();
                answered
            })
            .collect()
    }

    /// Logits of every token, `[tokens, vocabulary]`, flattened.
    pub fn logits(&self, model: &Vlm, pass: &Pass) -> Vec<f32> {
        let layout = PackedSequences::pack(&[self.whole()], false);
        let rows: Vec<usize> = (0..layout.rows()).collect();
        values(model.logits(&layout, self.features(model, pass), &rows, pass))
    }

    /// Mean loss over the supervised tokens, differentiable if `pass` keeps gradients.
    pub fn loss(&self, model: &Vlm, pass: &Pass) -> Tensor<1> {
        model.loss(&PackedSequences::pack(&[self.mean_sequence()], true), self.features(model, pass), pass)
    }
}

/// Tokens with their image spans. Each tile has four consecutive placeholders.
fn sequence(ids: Vec<u32>, first_tile: usize) -> Sequence {
    const IMAGE: u32 = 475;
    const FEATURES: usize = 4;
    let places: Vec<usize> = (0..ids.len()).filter(|place| ids[*place] == IMAGE).collect();
    let tiles = places
        .chunks(FEATURES)
        .enumerate()
        .map(|(tile, places)| {
            assert_eq!(places.len() - 1, places[FEATURES - 1] - places[0], "a tile is a run of placeholders");
            TileSpan { start: places[0], len: FEATURES, tile: first_tile + tile }
        })
        .collect();
    Sequence { ids, tiles, targets: Vec::new() }
}

pub fn list<T: for<'a> Deserialize<'a>>(value: &Value) -> Vec<T> {
    Vec::deserialize(value).expect("a list")
}

/// Makes every parameter trainable.
pub fn learn_everything(model: &mut Vlm) {
    struct Learn;
    impl ParameterVisitor for Learn {
        fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
            parameter.set_learning(true);
        }
    }
    model.visit(&mut Learn);
}

/// Returns the gradient of every parameter that has one, by name.
pub fn gradients_of(model: &mut Vlm, gradients: &Gradients) -> BTreeMap<String, Vec<f32>> {
    struct Collect<'a>(&'a Gradients, BTreeMap<String, Vec<f32>>);
    impl ParameterVisitor for Collect<'_> {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if let Some(gradient) = parameter.gradient(self.0) {
                self.1.insert(name.to_owned(), values(gradient));
            }
        }
    }
    let mut collect = Collect(gradients, BTreeMap::new());
    model.visit(&mut collect);
    collect.1
}
