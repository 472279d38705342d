//! SmolVLM / Idefics3 model: image encoder, connector and decoder.

pub(crate) mod checkpointed;
pub mod config;
mod connector;
mod decoder;
mod save;
mod vision;

use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use stepwise_ops::{AttentionPlan, Precision, Segment};

use crate::nn::source::{Source, WeightError};
use crate::packed_sequences::PackedSequences;
use crate::weights::SafetensorsSource;
pub use save::save_model;

use crate::nn::layers::Linear;
use crate::nn::parameter::{ParameterVisitor, Pass};
use config::{ConfigError, ModelConfig};
use connector::Connector;
use decoder::{Decoder, Kept};
use vision::VisionTower;

/// Errors of loading a model folder.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder does not exist or has no `config.json`.
    #[error(
        "{folder}: no config.json found -> pass a Hugging Face folder with config.json, tokenizer.json and model.safetensors"
    )]
    Absent {
        /// Path of the folder.
        folder: String,
    },
    /// `config.json` cannot be read.
    #[error("{path}: {error} -> copy or download the model folder again, and check its read permissions")]
    File {
        /// Path of the file.
        path: String,
        /// Error of the operating system.
        error: std::io::Error,
    },
    /// `config.json` is malformed or describes an unsupported model.
    #[error("{path}: {error} -> pass the complete folder of a SmolVLM or Idefics3 model")]
    Config {
        /// Path of the file.
        path: String,
        /// Problem in the file, without the path.
        error: ConfigError,
    },
    /// The weights are missing, malformed, or do not match the config.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

/// Vision-language model (SmolVLM or Idefics3) on one device: image encoder, connector and decoder.
#[derive(Clone, Debug)]
pub struct Vlm {
    config: ModelConfig,
    vision: VisionTower,
    connector: Connector,
    decoder: Decoder,
    device: Device,
}

/// Part of a model, by which parameters are frozen and adapters are selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModelPart {
    /// Image encoder.
    Vision,
    /// Connector: pixel shuffle and projection between image encoder and decoder.
    Connector,
    /// Language model with embeddings and output head.
    Decoder,
}

impl ModelPart {
    /// All parts in the order of computation.
    pub const ALL: [Self; 3] = [Self::Vision, Self::Connector, Self::Decoder];

    /// Returns the name of the part in tables: `vision`, `connector` or `decoder`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vision => "vision",
            Self::Connector => "connector",
            Self::Decoder => "decoder",
        }
    }

    /// Returns the part that the parameter with this Hugging Face name belongs to. Names outside vision model and
    /// connector belong to the decoder.
    #[must_use]
    pub fn of(name: &str) -> Self {
        if name.starts_with("model.vision_model.") {
            Self::Vision
        } else if name.starts_with("model.connector.") {
            Self::Connector
        } else {
            Self::Decoder
        }
    }
}

impl Vlm {
    /// Builds the model that `config` describes with the weights of `source`, on the device of `source`. All parameters
    /// are frozen.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than the config requires.
    pub fn build(config: ModelConfig, source: &mut dyn Source) -> Result<Self, WeightError> {
        Ok(Self {
            vision: VisionTower::read(source, &config.vision)?,
            connector: Connector::read(source, &config)?,
            decoder: Decoder::read(source, &config)?,
            device: source.device().clone(),
            config,
        })
    }

    /// Loads a model from `config.json` and the safetensors of a Hugging Face folder, with weights in f32. All
    /// parameters are frozen.
    ///
    /// # Errors
    /// When a file is missing or malformed, the config is not supported, or the weights do not match it.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, LoadError> {
        Self::load_in(Precision::F32, folder, device)
    }

    /// Loads a model like [`Vlm::load`], with the weights of linear layers stored and multiplied in `precision`. The
    /// precision only applies to the CPU; other devices use f32.
    ///
    /// # Errors
    /// Errors of [`Vlm::load`].
    pub fn load_in(precision: Precision, folder: &Path, device: &Device) -> Result<Self, LoadError> {
        let config = Self::load_config(folder)?;
        Ok(Self::build(config, &mut SafetensorsSource::open_model(folder, device)?.held_in(precision))?)
    }

    /// Reads and checks `config.json` of a Hugging Face folder, without the weights.
    ///
    /// # Errors
    /// When the file is missing, malformed, or describes an unsupported model.
    pub fn load_config(folder: &Path) -> Result<ModelConfig, LoadError> {
        let path = folder.join("config.json");
        let name = path.display().to_string();
        if !path.is_file() {
            return Err(LoadError::Absent { folder: folder.display().to_string() });
        }
        let text =
            stepwise_data::io::bounded::text(&path).map_err(|error| LoadError::File { path: name.clone(), error })?;
        ModelConfig::from_json(&text).map_err(|error| LoadError::Config { path: name, error })
    }

    /// Returns the architecture of the model.
    #[must_use]
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// Returns the device of the model's tensors.
    #[must_use]
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Returns outputs of the image encoder, `[tiles * patches, vision width]`, for normalised pixels
    /// `[tiles, channels, height, width]`. `valid` holds for each tile and patch whether it contains image rather than
    /// padding; None means that all do.
    #[must_use]
    pub fn encode(&self, pixels: Tensor<4>, valid: Option<&[Vec<bool>]>, pass: &Pass) -> Tensor<2> {
        self.vision.forward(pixels, valid, pass)
    }

    /// Returns patch plus position embeddings, the input of the image encoder's first layer:
    /// `[tiles * patches, vision width]`. The arguments are those of [`Vlm::encode`].
    #[must_use]
    pub fn embed_patches(&self, pixels: Tensor<4>, valid: Option<&[Vec<bool>]>, pass: &Pass) -> Tensor<2> {
        self.vision.embed(pixels, valid, pass)
    }

    /// Returns image features for the decoder, `[tiles * features_per_tile, text width]`. `encoded` is an output of
    /// [`Vlm::encode`] for whole tiles, `[tiles * patches, vision width]`.
    #[must_use]
    pub fn connect(&self, encoded: Tensor<2>, pass: &Pass) -> Tensor<2> {
        self.connector.forward(encoded, self.config.vision.patches_per_side(), pass)
    }

    /// Returns the decoder's input for a layout, `[rows, text width]`: token embeddings, with image features in place
    /// of image tokens. `features` are outputs of [`Vlm::connect`]; None without images.
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn embed(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        self.merged(&layout.ids, &layout.features, features, pass)
    }

    fn merged(
        &self,
        ids: &[u32],
        places: &[Option<(usize, usize)>],
        features: Option<Tensor<2>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let words: Vec<i64> =
            ids.iter().zip(places).filter(|(_, place)| place.is_none()).map(|(id, _)| i64::from(*id)).collect();
        let count = words.len();
        let embeddings = self.decoder.embeddings.weight.read(pass).select(0, self.indices(words));
        if count == ids.len() {
            return embeddings;
        }
        let features = features.expect("a layout with images needs image features");
        let per_tile = self.config.features_per_tile();
        let mut word = 0;
        let order: Vec<i64> = places
            .iter()
            .map(|place| match place {
                Some((tile, feature)) => (count + tile * per_tile + feature) as i64,
                None => {
                    word += 1;
                    word as i64 - 1
                }
            })
            .collect();
        Tensor::cat(vec![embeddings, features], 0).select(0, self.indices(order))
    }

    fn indices(&self, values: Vec<i64>) -> Tensor<1, Int> {
        let length = values.len();
        Tensor::from_data(TensorData::new(values, [length]), &self.device)
    }

    /// Returns the hidden states of all rows before the final norm, `[rows, text width]`. `features` are as
    /// in [`Vlm::embed`].
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn hidden(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        self.hidden_of(layout, features, None, pass)
    }

    /// [`Vlm::hidden`] of the given rows only, `[rows.len(), text width]`; None means all rows.
    fn hidden_of(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        rows: Option<Vec<i64>>,
        pass: &Pass,
    ) -> Tensor<2> {
        let plan = Arc::new(AttentionPlan::new(&layout.segments, true, 0));
        let angles = self.decoder.angles(&layout.positions, &self.device);
        let rows = rows.map(|rows| self.indices(rows));
        self.decoder.forward(self.embed(layout, features, pass), &angles, &plan, None, rows, pass)
    }

    /// Normalised hidden states of the row of each prediction, `[predictions, text width]`.
    fn predicting(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        let rows = layout.predictions.iter().map(|prediction| prediction.row as i64).collect();
        self.decoder.normalise(self.hidden_of(layout, features, Some(rows), pass), pass)
    }

    /// Returns the weighted sum of negative log-likelihoods over the layout's predictions, shape `[1]`, in
    /// nats. The weights are [`Prediction::weight`](crate::packed_sequences::Prediction::weight); `features`
    /// are as in [`Vlm::embed`].
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn loss(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<1> {
        self.losses(layout, features, pass).0
    }

    /// Returns [`Vlm::loss`] and the unweighted negative log-likelihood of each prediction, in nats and in the order
    /// of `layout.predictions`.
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn losses(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> (Tensor<1>, Vec<f32>) {
        let tokens: Vec<u32> = layout.predictions.iter().map(|prediction| prediction.token).collect();
        let weights: Vec<f32> = layout.predictions.iter().map(|prediction| prediction.weight).collect();
        stepwise_ops::cross_entropy(self.predicting(layout, features, pass), self.decoder.head(pass), &tokens, &weights)
    }

    /// Returns [`Vlm::loss`] with weights that depend on the log-probabilities. `weigh` maps the log-probabilities of
    /// the layout's predictions, in nats, to one weight per prediction; the layout's own weights are ignored. The
    /// weights are constants in the gradient.
    ///
    /// # Panics
    /// When `weigh` returns another number of weights, or the layout contains images and `features` is None.
    #[must_use]
    pub fn reweighted_loss(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        pass: &Pass,
        weigh: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> Tensor<1> {
        let tokens: Vec<u32> = layout.predictions.iter().map(|prediction| prediction.token).collect();
        let (hidden, head) = (self.predicting(layout, features, pass), self.decoder.head(pass));
        let asked: Vec<(usize, u32)> = tokens.iter().copied().enumerate().collect();
        let logprobs = stepwise_ops::token_logprobs(hidden.clone(), head.clone(), &asked);
        stepwise_ops::cross_entropy(hidden, head, &tokens, &weigh(&logprobs)).0
    }

    /// Returns the natural log-probability of each of the layout's predictions, in order and without a graph.
    /// `features` are as in [`Vlm::embed`].
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn logprobs(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Vec<f32> {
        // Several predictions can come from the same row, for example the options of one question.
        let mut rows: Vec<usize> = layout.predictions.iter().map(|prediction| prediction.row).collect();
        rows.sort_unstable();
        rows.dedup();
        let place = |row: usize| rows.binary_search(&row).expect("every row is in the list");
        let asked: Vec<(usize, u32)> = layout.predictions.iter().map(|p| (place(p.row), p.token)).collect();
        let rows = rows.iter().map(|row| *row as i64).collect();
        let hidden = self.decoder.normalise(self.hidden_of(layout, features, Some(rows), pass), pass);
        stepwise_ops::token_logprobs(hidden, self.decoder.head(pass), &asked)
    }

    /// Returns the next-token logits of the given rows of the layout (from 0, in any order),
    /// `[rows.len(), vocabulary]`. `features` are as in [`Vlm::embed`].
    ///
    /// # Panics
    /// When the layout contains images and `features` is None.
    #[must_use]
    pub fn logits(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        rows: &[usize],
        pass: &Pass,
    ) -> Tensor<2> {
        let rows = rows.iter().map(|row| *row as i64).collect();
        self.logits_of(self.hidden_of(layout, features, Some(rows), pass), pass)
    }

    fn logits_of(&self, hidden: Tensor<2>, pass: &Pass) -> Tensor<2> {
        stepwise_ops::linear(self.decoder.normalise(hidden, pass), self.decoder.head(pass), None)
    }

    /// Starts generation after the one sequence of `layout`. Returns the state and the first logits, `[1, vocabulary]`.
    /// `features` are as in [`Vlm::embed`].
    ///
    /// # Panics
    /// When the layout has another number of segments than one, or contains images and `features` is None.
    pub(crate) fn decode(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        pass: Pass,
    ) -> (Decoding<'_>, Tensor<2>) {
        assert!(layout.segments.len() == 1, "generation continues one sequence");
        let mut decoding = Decoding { model: self, kept: Vec::new(), tokens: 0, pass };
        let x = self.embed(layout, features, &pass);
        let logits = decoding.advance(x);
        (decoding, logits)
    }

    /// Calls `visitor` for every parameter, adapters included, in the order image encoder, connector, decoder.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.vision.visit(visitor);
        self.connector.visit(visitor);
        self.decoder.visit(visitor);
    }

    /// Returns every linear layer that can have an adapter, in the order image encoder, connector, decoder. The output
    /// head is not among them.
    pub fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears = Vec::new();
        for layer in &mut self.vision.layers {
            linears.extend([&mut layer.q, &mut layer.k, &mut layer.v, &mut layer.out, &mut layer.fc1, &mut layer.fc2]);
        }
        linears.push(&mut self.connector.projection);
        for layer in &mut self.decoder.layers {
            linears.extend([&mut layer.q, &mut layer.k, &mut layer.v, &mut layer.o]);
            linears.extend([&mut layer.gate, &mut layer.up, &mut layer.down]);
        }
        linears
    }
}

/// State of token-by-token generation: one sequence with cached keys and values of its tokens.
pub(crate) struct Decoding<'a> {
    model: &'a Vlm,
    kept: Kept,
    tokens: usize,
    pass: Pass,
}

impl Decoding<'_> {
    /// Appends `token` and returns the logits after it, `[1, vocabulary]`.
    pub fn next(&mut self, token: u32) -> Tensor<2> {
        let x = self.model.merged(&[token], &[None], None, &self.pass);
        self.advance(x)
    }

    fn advance(&mut self, x: Tensor<2>) -> Tensor<2> {
        let (past, new) = (self.tokens, x.dims()[0]);
        self.tokens += new;
        let whole = [Segment { len: self.tokens, parent: None, silent: false }];
        let plan = Arc::new(AttentionPlan::new(&whole, true, past));
        let positions: Vec<u32> = (past..self.tokens).map(|position| position as u32).collect();
        let decoder = &self.model.decoder;
        let angles = decoder.angles(&positions, &self.model.device);
        let hidden = decoder.forward(x, &angles, &plan, Some(&mut self.kept), None, &self.pass);
        self.model.logits_of(hidden.narrow(0, new - 1, 1), &self.pass)
    }
}
