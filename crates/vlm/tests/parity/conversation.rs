//! Recorded conversations of the parity fixtures.

use burn::tensor::Tensor;
use serde_json::Value;
use stepwise_testing::model::parameters::{read, tensor};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};

use crate::fixtures::{facts, list, references};

/// Names of the recorded conversations.
pub const CONVERSATIONS: [&str; 8] =
    ["single", "split", "strip", "small", "small_unsplit", "two_images", "text_only", "multi_turn"];

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
        references().values(&format!("{}.{part}", self.name))
    }

    /// Returns the normalised pixels, `[tiles, 3, 64, 64]`; `None` without images.
    pub fn pixels(&self) -> Option<Tensor<4>> {
        (self.tiles > 0).then(|| tensor(self.reference("pixel_values"), [self.tiles, 3, 64, 64]))
    }

    /// Computes the image features; `None` without images.
    pub fn features(&self, model: &Vlm, pass: &Pass) -> Option<Tensor<2>> {
        self.pixels().map(|pixels| model.image_features(&[pixels], pass))
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
        read(model.logits(&layout, self.features(model, pass), &rows, pass))
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
            let first = (first_tile + tile) * FEATURES;
            TileSpan { start: places[0], len: FEATURES, first, axes: None }
        })
        .collect();
    Sequence { ids, tiles, targets: Vec::new() }
}

/// Loads the conversation `single`.
pub fn single() -> Case {
    Case::load("single")
}

/// Returns the logits that predict the supervised tokens of `single`.
pub fn predicted(model: &Vlm, pass: &Pass) -> Vec<f32> {
    let case = single();
    let rows: Vec<usize> = case.supervised.iter().map(|place| place - 1).collect();
    let layout = PackedSequences::pack(&[case.mean_sequence()], true);
    read(model.logits(&layout, case.features(model, pass), &rows, pass))
}
