//! Vision-language model: image encoder, connector and decoder.

mod checkpointed;
mod decoding;
mod encoder_blocks;
mod encoding;
mod hidden_states;
mod part;
mod save;

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::{Device, Int, Tensor};
use stepwise_data::io::bounded;
use stepwise_ops::{Precision, row_of};

use crate::decoder::{Decoder, DecoderInput, DecoderPlan, Deepstack};
use crate::encoder::Encoder;
use crate::families::AnyEncoder;
use crate::fault::Fault;
use crate::misplaced::{Wanted, misplaced};
use crate::nn::layers::Linear;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError, computes_in_bf16};
use crate::packed_sequences::PackedSequences;
use crate::weights::SafetensorsSource;

pub use crate::decoder::config::DecoderConfig;
pub use crate::encoder::EncoderShape;
pub use crate::families::ModelConfig;
pub use crate::model_config::ConfigError;
pub(crate) use checkpointed::{Seen, Weights};
pub use encoder_blocks::EncoderBlocks;
pub(crate) use encoder_blocks::is_adapted;
pub(crate) use encoding::{EncoderInput, by_tile};
pub use part::ModelPart;
pub use save::save_model;

/// Errors of loading a model folder.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The folder does not exist or has no `config.json`, or `config.json` cannot be read.
    #[error(transparent)]
    Folder(#[from] Fault),
    /// `config.json` is malformed or describes an unsupported model.
    #[error("{path}: {error} -> {}", error.advice())]
    Config {
        /// Path of the file.
        path: String,
        /// Problem in the file, without the path.
        error: ConfigError,
    },
    /// The weights are missing, malformed, or do not match the config.
    #[error(transparent)]
    Weights(#[from] WeightError),
    /// Weights in bf16 were requested on a device that does not compute in bf16.
    #[error(
        "{device}: the device does not compute in bf16 -> leave `bf16` out, or set `load_in_4bit`, which computes in f32 \
         on this device"
    )]
    Precision {
        /// Burn's name of the device.
        device: String,
    },
}

/// Vision-language model on one device: image encoder, connector and decoder.
#[derive(Clone, Debug)]
pub struct Vlm {
    config: ModelConfig,
    encoder: AnyEncoder,
    decoder: Decoder,
    device: Device,
}

impl Vlm {
    /// Builds the model that `config` describes with the weights of `source`, on the device of `source`. All parameters
    /// are frozen.
    ///
    /// # Errors
    /// When a tensor is missing, cannot be read, or has another shape than the config requires.
    pub fn build(config: ModelConfig, source: &mut dyn Source) -> Result<Self, WeightError> {
        Ok(Self {
            encoder: AnyEncoder::read(source, &config)?,
            decoder: Decoder::read(source, &config.text)?,
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

    /// Loads a model like [`Vlm::load`], with the weights of linear layers stored and multiplied in `precision`. Weights
    /// are read and converted one tensor at a time. On devices other than the CPU, embedding table and output head are in
    /// bf16 if products are. NF4 on a device that does not compute in bf16 computes in f32.
    ///
    /// # Errors
    /// Errors of [`Vlm::load`], and when `precision` is bf16 and the device does not compute in bf16.
    pub fn load_in(precision: Precision, folder: &Path, device: &Device) -> Result<Self, LoadError> {
        Self::check_precision(precision, device)?;
        let config = Self::load_config(folder)?;
        let mut source = SafetensorsSource::open_model(folder, &config, device)?.held_in(precision);
        source.check(&config)?;
        Ok(Self::build(config, &mut source)?)
    }

    /// Checks that `device` supports weights in `precision`, as [`Vlm::load_in`] does.
    pub(crate) fn check_precision(precision: Precision, device: &Device) -> Result<(), LoadError> {
        if precision == Precision::Bf16 && *device != Device::flex() && !computes_in_bf16(precision, device) {
            return Err(LoadError::Precision { device: format!("{:?}", device.as_dispatch()) });
        }
        Ok(())
    }

    /// Reads and checks `config.json` of a Hugging Face folder, without the weights.
    ///
    /// # Errors
    /// When the file is missing, malformed, or describes an unsupported model.
    pub fn load_config(folder: &Path) -> Result<ModelConfig, LoadError> {
        let path = folder.join("config.json");
        if !path.is_file() {
            return Err(misplaced(folder, Wanted::Model).into());
        }
        let text = bounded::text(&path).map_err(|error| {
            Fault::new(&path, error, "copy or download the model folder again, and check its read permissions")
        })?;
        ModelConfig::from_json(&text).map_err(|error| LoadError::Config { path: path.display().to_string(), error })
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

    /// Input of the decoder's first layer for a layout, `[rows, text width]`: token embeddings, with image features in place
    /// of image tokens. `features` are outputs of [`Vlm::image_features`]; None without images.
    fn embed(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        let features = features.map(|features| leading(features, self.config.text.hidden_size));
        self.merged(&layout.ids, &layout.features, features, pass)
    }

    /// Input of the decoder for a layout; `rows` are the rows that its last layer returns, None means all.
    fn input(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        rows: Option<&[i64]>,
        pass: &Pass,
    ) -> DecoderInput {
        let deepstack = self.deepstack(layout, features.as_ref(), rows);
        DecoderInput { x: self.embed(layout, features, pass), deepstack }
    }

    fn deepstack(
        &self,
        layout: &PackedSequences,
        features: Option<&Tensor<2>>,
        rows: Option<&[i64]>,
    ) -> Option<Deepstack> {
        Deepstack::new(features, self.config.text.hidden_size, &layout.features, rows)
    }

    fn merged(&self, ids: &[u32], places: &[Option<usize>], features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        let words: Vec<i64> =
            ids.iter().zip(places).filter(|(_, place)| place.is_none()).map(|(id, _)| i64::from(*id)).collect();
        let count = words.len();
        let embeddings = self.decoder.embed(self.indices(words), pass);
        if count == ids.len() {
            return embeddings;
        }
        let features = features.expect("a layout with images needs image features");
        let mut word = 0;
        let order: Vec<i64> = places
            .iter()
            .map(|place| match place {
                Some(feature) => (count + feature) as i64,
                None => {
                    word += 1;
                    word as i64 - 1
                }
            })
            .collect();
        Tensor::cat(vec![embeddings, features], 0).select(0, self.indices(order))
    }

    fn indices(&self, values: Vec<i64>) -> Tensor<1, Int> {
        row_of(values, &self.device)
    }

    /// Hidden states of the given rows before the final norm, `[rows.len(), text width]`.
    fn hidden_of(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        rows: Vec<i64>,
        pass: &Pass,
    ) -> Tensor<2> {
        let plan = DecoderPlan::of(&self.config.text, layout, &self.device);
        let input = self.input(layout, features, Some(&rows), pass);
        self.decoder.forward(input, &plan, None, Some(self.indices(rows)), pass)
    }

    /// Normalised hidden states of the row of each prediction, `[predictions, text width]`.
    fn predicting(&self, layout: &PackedSequences, features: Option<Tensor<2>>, pass: &Pass) -> Tensor<2> {
        let rows = layout.predictions.iter().map(|prediction| prediction.row as i64).collect();
        self.decoder.normalise(self.hidden_of(layout, features, rows, pass), pass)
    }

    /// Returns the weighted sum of negative log-likelihoods over the layout's predictions, shape `[1]`, in
    /// nats. The weights are [`Prediction::weight`](crate::packed_sequences::Prediction::weight); `features`
    /// are as in [`Vlm::hidden_states`].
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

    /// Returns [`Vlm::losses`] with weights that depend on the log-probabilities. `weigh` maps the log-probabilities of
    /// the layout's predictions, in nats, to one weight per prediction; the layout's own weights are ignored. The
    /// weights are constants in the gradient.
    ///
    /// # Panics
    /// When `weigh` returns another number of weights, or the layout contains images and `features` is None.
    #[must_use]
    pub fn reweighted_losses(
        &self,
        layout: &PackedSequences,
        features: Option<Tensor<2>>,
        pass: &Pass,
        weigh: impl FnOnce(&[f32]) -> Vec<f32>,
    ) -> (Tensor<1>, Vec<f32>) {
        reweighted(self.predicting(layout, features, pass), self.decoder.head(pass), layout, weigh)
    }

    /// Returns the natural log-probability of each of the layout's predictions, in order and without a graph.
    /// `features` are as in [`Vlm::hidden_states`].
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
        let hidden = self.decoder.normalise(self.hidden_of(layout, features, rows, pass), pass);
        stepwise_ops::token_logprobs(hidden, self.decoder.head(pass), &asked)
    }

    /// Returns the next-token logits of the given rows of the layout (from 0, in any order),
    /// `[rows.len(), vocabulary]`. `features` are as in [`Vlm::hidden_states`].
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
        self.logits_of(self.hidden_of(layout, features, rows, pass), pass)
    }

    fn logits_of(&self, hidden: Tensor<2>, pass: &Pass) -> Tensor<2> {
        stepwise_ops::linear(self.decoder.normalise(hidden, pass), self.decoder.head(pass), None)
    }

    /// Calls `visitor` for every parameter, adapters included, in the order image encoder, connector, decoder.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.encoder.visit(visitor);
        self.decoder.visit(visitor);
    }

    /// Freezes the parameters behind the last layer of the image encoder whose output becomes features, adapters and trained
    /// copies included: no gradient reaches them, and PyTorch leaves parameters without a gradient as they are. Returns how
    /// many of them were trainable.
    pub fn freeze_behind_features(&mut self) -> usize {
        let mut names = Trainable(Vec::new());
        self.visit(&mut names);
        names.0.retain(|name| self.encoder.is_behind_features(name));
        let count = names.0.len();
        if count > 0 {
            self.visit(&mut Frozen(names.0.into_iter().collect()));
        }
        count
    }

    /// Returns every linear layer that can have an adapter, in the order image encoder, connector, decoder. The output
    /// head is not among them.
    pub fn linears(&mut self) -> Vec<&mut Linear> {
        let mut linears = self.encoder.linears();
        linears.extend(self.decoder.linears());
        linears
    }
}

/// Collects the names of trainable parameters.
struct Trainable(Vec<String>);

impl ParameterVisitor for Trainable {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if parameter.learns() {
            self.0.push(name.to_owned());
        }
    }
}

/// Freezes the parameters with these names.
struct Frozen(BTreeSet<String>);

impl ParameterVisitor for Frozen {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if self.0.contains(name) {
            parameter.set_learning(false);
        }
    }
}

/// Cross-entropy of the layout's predictions, from their hidden states `[predictions, text width]`, with weights that
/// `weigh` makes from their log-probabilities.
pub(super) fn reweighted(
    hidden: Tensor<2>,
    head: Tensor<2>,
    layout: &PackedSequences,
    weigh: impl FnOnce(&[f32]) -> Vec<f32>,
) -> (Tensor<1>, Vec<f32>) {
    let tokens: Vec<u32> = layout.predictions.iter().map(|prediction| prediction.token).collect();
    let asked: Vec<(usize, u32)> = tokens.iter().copied().enumerate().collect();
    let logprobs = stepwise_ops::token_logprobs(hidden.clone(), head.clone(), &asked);
    stepwise_ops::cross_entropy(hidden, head, &tokens, &weigh(&logprobs))
}

/// Returns the first `columns` columns of `x`.
pub(crate) fn leading(x: Tensor<2>, columns: usize) -> Tensor<2> {
    if x.dims()[1] == columns { x } else { x.narrow(1, 0, columns) }
}
