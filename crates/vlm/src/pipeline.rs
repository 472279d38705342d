//! A model with its processor: computes losses, gradients, option scores and generated answers for conversations
//! with images.

use std::path::Path;
use std::sync::Mutex;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use sha2::{Digest, Sha256};
use stepwise_data::io::digest::hex;
use stepwise_ops::Precision;

use crate::batch::{Batch, EncodableExample, TileRef, TileSet};
use crate::feature_cache::{FeatureCache, FeatureLimits, folder_name};
use crate::generate::{Generated, generate};
use crate::model::{LoadError, ModelPart, Seen, Vlm, Weights};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::processor::{Encoded, PreparedPixels, Processor, ProcessorError};

/// Rows (tokens or patches) of one forward pass in inference: enough to use all cores, small enough for any memory.
pub(crate) const ROWS_AT_ONCE: usize = 4096;

/// Tokens that [`VlmPipeline::score`] collects before a forward pass; the last question may add more. A prefix that
/// several questions share counts for each of them and takes one set of decoder rows.
pub const SCORED_TOKENS: usize = 4 * ROWS_AT_ONCE;

/// Patches of the tiles that are encoded together for the cache of image features on devices other than the CPU, at most.
/// A tile with more patches is encoded alone.
pub const TILE_ROWS: usize = 4 * ROWS_AT_ONCE;

/// Errors of loading a model with its processor and of computing with them.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The model cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The processor cannot be loaded, or an input cannot be encoded.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// Model and processor disagree about tiles or tokens, as described in the field.
    #[error("{0} -> take model, tokenizer and processor files from one folder")]
    Mismatch(String),
    /// A question with its answer has more tokens than the model has positions.
    #[error(
        "the question has {tokens} tokens with its answer, max_position_embeddings of the model is {positions} -> shorten it, or lower the image's size"
    )]
    TooLong {
        /// Number of tokens.
        tokens: usize,
        /// `max_position_embeddings` of the model.
        positions: usize,
    },
    /// The model computes values that are not numbers (NaN), although its weights are numbers: a value overflows, or the
    /// configuration does not fit the weights.
    #[error(
        "the outputs of the model are not numbers (NaN) -> check weights and configuration of the model and its adapter, or train with a lower `learning_rate`"
    )]
    NotANumber,
    /// A pixel gradient is undefined for this input, for the reason in the field.
    #[error("{0}")]
    NoGradient(&'static str),
}

/// Model and the processor of the same folder.
pub struct VlmPipeline {
    /// Model with its adapters. Call [`VlmPipeline::refresh`] after changing it, because image features are cached.
    pub model: Vlm,
    /// Processor: tokenizer, chat template and image preprocessing.
    pub processor: Processor,
    sight: Sight,
}

/// How image features are obtained.
enum Sight {
    /// Image encoder and connector are frozen, so features are cached.
    Remembered {
        cache: Mutex<FeatureCache>,
        /// Whether adapters or trained copies affect the features. Then only features with adapters on are cached.
        adapted: bool,
    },
    /// Features may change from step to step, so they are computed each time.
    Anew {
        /// Whether the image encoder is trainable, and not only the connector.
        encoder_learns: bool,
    },
}

impl VlmPipeline {
    /// Loads a Hugging Face folder with weights in f32, all of them frozen.
    ///
    /// # Errors
    /// When a file is missing or malformed, a setting is not supported, or model and processor do not fit each other.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, PipelineError> {
        Self::load_in(Precision::F32, folder, device)
    }

    /// Loads a folder like [`VlmPipeline::load`], with the frozen weights of linear layers stored and multiplied in
    /// `precision`, as [`Vlm::load_in`] does.
    ///
    /// # Errors
    /// Errors of [`VlmPipeline::load`], and when `precision` is bf16 and the device does not compute in bf16.
    pub fn load_in(precision: Precision, folder: &Path, device: &Device) -> Result<Self, PipelineError> {
        let model = Vlm::load_in(precision, folder, device)?;
        Self::new(model, Processor::from_folder(folder)?)
    }

    /// Combines a model and its processor, with the image-feature cache of [`VlmPipeline::refresh`].
    ///
    /// # Errors
    /// When they belong to different families, differ in the size of a tile or its number of tokens, or the tokenizer has
    /// ids beyond the model's vocabulary.
    pub fn new(model: Vlm, processor: Processor) -> Result<Self, PipelineError> {
        processor.fits(model.config()).map_err(PipelineError::Mismatch)?;
        let mut pipeline = Self { model, processor, sight: Sight::Anew { encoder_learns: false } };
        pipeline.refresh();
        Ok(pipeline)
    }

    /// Encodes one example. With `answering`, the text ends with the template's generation prompt.
    ///
    /// # Errors
    /// Errors of [`Processor::encode`].
    pub fn encode(&self, example: &EncodableExample, answering: bool) -> Result<Encoded, PipelineError> {
        Ok(self.processor.encode(&example.conversation, &example.grids(), answering)?)
    }

    /// Returns the loss, the weighted sum of negative log-likelihoods of all predicted tokens, `[1]`, and the
    /// unweighted negative log-likelihood of each predicted token, in nats.
    #[must_use]
    pub fn losses(&self, batch: &Batch, pass: &Pass) -> (Tensor<1>, Vec<f32>) {
        self.model.losses(&batch.layout, self.features(&batch.tiles, pass), pass)
    }

    /// Returns the negative log-likelihood of each predicted token, in nats, and the gradients of `share` times their
    /// weighted sum, as parts to be added. Without `gradient_checkpointing` there is one part, or none when no
    /// trainable parameter took part. With `gradient_checkpointing` (Chen et al. 2016), the forward pass keeps only the
    /// inputs of the model's blocks, and the backward pass gives several parts.
    #[must_use]
    pub fn gradients(
        &self,
        batch: &Batch,
        share: f64,
        gradient_checkpointing: bool,
        pass: &Pass,
    ) -> (Vec<f32>, Vec<Gradients>) {
        if !gradient_checkpointing {
            let (loss, terms) = self.losses(batch, pass);
            // Without images, nothing has a gradient if only the image encoder is trainable.
            let gradients = loss.is_tracked().then(|| (loss * share).backward());
            return (terms, gradients.into_iter().collect());
        }
        self.checkpointed(batch, Weights::Share(share), pass)
    }

    /// Returns what [`VlmPipeline::gradients`] returns, for the loss with the weights that `weigh` makes. `weigh` is called
    /// once with the log-probabilities of all predictions, in nats, and returns one weight for each; the weights are
    /// constants in the gradient. With the derivatives of a function of the log-probabilities, negated, as weights, the
    /// gradients are those of the function.
    ///
    /// # Panics
    /// When `weigh` returns another number of weights.
    #[must_use]
    pub fn reweighted_gradients(
        &self,
        batch: &Batch,
        weigh: &mut dyn FnMut(&[f32]) -> Vec<f32>,
        gradient_checkpointing: bool,
        pass: &Pass,
    ) -> (Vec<f32>, Vec<Gradients>) {
        if gradient_checkpointing {
            return self.checkpointed(batch, Weights::Made(weigh), pass);
        }
        let features = self.features(&batch.tiles, pass);
        let (loss, terms) = self.model.reweighted_losses(&batch.layout, features, pass, weigh);
        let gradients = loss.is_tracked().then(|| loss.backward());
        (terms, gradients.into_iter().collect())
    }

    fn checkpointed(&self, batch: &Batch, weights: Weights<'_>, pass: &Pass) -> (Vec<f32>, Vec<Gradients>) {
        let seen = match (&self.sight, batch.tiles()) {
            (Sight::Remembered { .. }, _) | (_, 0) => Seen::Features(self.features(&batch.tiles, pass)),
            (Sight::Anew { encoder_learns }, _) => {
                Seen::Pixels { pixels: self.pixels(&batch.tiles.tiles), encoder_learns: *encoder_learns }
            }
        };
        self.model.checkpointed(&batch.layout, seen, weights, pass)
    }

    /// Checks that the model has positions for `tokens` tokens.
    pub(crate) fn fits(&self, tokens: usize) -> Result<(), PipelineError> {
        let positions = self.model.config().text.max_position_embeddings;
        if tokens > positions { Err(PipelineError::TooLong { tokens, positions }) } else { Ok(()) }
    }

    /// Generates an answer to one example by greedy decoding, with at most `max_new_tokens` tokens. The answer ends
    /// earlier after an end token of the processor ([`Processor::ends`]), which is included, or where
    /// the model has no position left.
    ///
    /// # Errors
    /// Errors of [`Processor::encode`], [`PipelineError::TooLong`] where there is no position for an answer, and
    /// [`PipelineError::NotANumber`].
    pub fn generate(
        &self,
        example: &EncodableExample,
        max_new_tokens: usize,
        pass: &Pass,
    ) -> Result<Generated, PipelineError> {
        let encoded = self.encode(example, true)?;
        self.fits(encoded.ids.len() + 1)?;
        let left = self.model.config().text.max_position_embeddings.saturating_sub(encoded.ids.len());
        let max_new_tokens = max_new_tokens.min(left);
        let mut tiles = TileSet::default();
        let prompt = tiles.sequence(&encoded, &example.images, encoded.ids.clone(), Vec::new());
        let features = self.features(&tiles, pass);
        let generated = generate(&self.model, &prompt, features, self.processor.ends(), max_new_tokens, *pass);
        // Without a number among the logits, no token is likelier than negative infinity.
        match generated.logprobs.iter().all(|logprob| logprob.is_finite()) {
            true => Ok(generated),
            false => Err(PipelineError::NotANumber),
        }
    }

    /// Returns the features of all tiles of a set, as of [`Vlm::image_features`]; `None` for no tiles. If image encoder and connector are frozen, each tile is encoded once and cached. Attacked pixels are never cached.
    pub(crate) fn features(&self, set: &TileSet, pass: &Pass) -> Option<Tensor<2>> {
        if set.tiles.is_empty() {
            return None;
        }
        let cache = match &self.sight {
            Sight::Remembered { cache, adapted } if pass.adapters || !adapted => cache,
            _ => return Some(self.encode_tiles(&set.tiles, pass)),
        };
        let quiet = Pass { gradients: false, dropout: None, ..*pass };
        let mut cache = cache.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut found: Vec<Option<Tensor<2>>> =
            set.tiles.iter().map(|tile| cache.get(&tile.digest(), self.model.device())).collect();
        let missing: Vec<usize> = (0..found.len()).filter(|place| found[*place].is_none()).collect();
        for places in self.encoded_together(&set.tiles, &missing) {
            let tiles: Vec<TileRef> = places.iter().map(|place| set.tiles[*place].clone()).collect();
            let features = self.encode_tiles(&tiles, &quiet);
            let mut start = 0;
            for (tile, place) in tiles.iter().zip(places) {
                let count = self.processor.tile_features(tile.prepared.grid);
                let features = features.clone().narrow(0, start, count);
                start += count;
                if matches!(tile.prepared.pixels, PreparedPixels::Cut(_)) {
                    cache.insert(tile.digest(), &features);
                }
                found[place] = Some(features);
            }
        }
        Some(Tensor::cat(found.into_iter().flatten().collect(), 0))
    }

    /// Divides `missing`, places in `tiles`, into runs that are encoded together. On the CPU each tile is encoded alone,
    /// because rounding depends on the sizes of matrix products: its features must not depend on which other tiles were
    /// missing. On other devices a run has at most [`TILE_ROWS`] patches, or one tile.
    fn encoded_together(&self, tiles: &[TileRef], missing: &[usize]) -> Vec<Vec<usize>> {
        let most = if *self.model.device() == Device::flex() { 0 } else { TILE_ROWS };
        let patches = |place: usize| {
            let [height, width] = tiles[place].size();
            self.model.config().vision.patches(height, width)
        };
        let mut runs: Vec<Vec<usize>> = Vec::new();
        let mut rows = 0;
        for place in missing {
            rows += patches(*place);
            match runs.last_mut() {
                Some(run) if rows <= most => run.push(*place),
                _ => {
                    rows = patches(*place);
                    runs.push(vec![*place]);
                }
            }
        }
        runs
    }

    fn encode_tiles(&self, tiles: &[TileRef], pass: &Pass) -> Tensor<2> {
        self.model.image_features(&self.pixels(tiles), pass)
    }

    /// Returns normalised pixels, one tensor `[tiles, 3, height, width]` for neighbouring tiles of one size.
    fn pixels(&self, tiles: &[TileRef]) -> Vec<Tensor<4>> {
        let of_one_size = tiles.chunk_by(|one, other| one.size() == other.size());
        of_one_size
            .map(|tiles| {
                let [height, width] = tiles[0].size();
                let size = 3 * height * width;
                let mut values = Vec::with_capacity(tiles.len() * size);
                for TileRef { prepared, tile } in tiles {
                    let range = tile * size..(tile + 1) * size;
                    match &prepared.pixels {
                        PreparedPixels::Cut(tiles) => values.extend(self.processor.values().unit(&tiles.bytes[range])),
                        PreparedPixels::Unit(unit) => values.extend_from_slice(&unit[range]),
                    }
                }
                let unit = TensorData::new(values, [tiles.len(), 3, height, width]);
                self.processor.values().normalise(Tensor::from_data(unit, self.model.device()))
            })
            .collect()
    }

    /// Decides again whether image features can be cached, and clears the cache. Call it whenever adapters are
    /// attached, weights change, or parameters become trainable or frozen. Features are cached in up to 1 GiB of memory
    /// and not on disk.
    pub fn refresh(&mut self) {
        self.remember(&FeatureLimits::default());
    }

    /// Does the same as [`VlmPipeline::refresh`], with other limits of the cache. Nothing is cached if the image
    /// encoder or the connector is trainable. Features that depend on adapters are cached in memory only, and only for
    /// passes with adapters on.
    pub fn remember(&mut self, limits: &FeatureLimits) {
        let digest = limits.folder.is_some().then(|| Sha256::new_with_prefix(self.processor.digest()));
        let mut seeing = Seeing { encoder_learns: false, connector_learns: false, adapted: false, digest };
        self.model.visit(&mut seeing);
        let Seeing { encoder_learns, connector_learns, adapted, digest } = seeing;
        self.sight = if encoder_learns || connector_learns {
            Sight::Anew { encoder_learns }
        } else {
            // Another run will not have the same trained weights, so a cache on disk would be useless.
            let folder = limits.folder.clone().filter(|_| !adapted);
            let digest = digest.map_or_else(String::new, |digest| hex(&digest.finalize()));
            let model = folder_name(&digest, self.model.device());
            let cache = FeatureCache::new(&FeatureLimits { folder, ..limits.clone() }, &model);
            Sight::Remembered { cache: Mutex::new(cache), adapted }
        };
    }
}

/// Collects facts about image encoder and connector: whether they are trainable or adapted, and a digest of
/// their weights.
struct Seeing {
    encoder_learns: bool,
    connector_learns: bool,
    /// Whether there are adapters, or trained copies of modules (`modules_to_save`).
    adapted: bool,
    digest: Option<Sha256>,
}

impl ParameterVisitor for Seeing {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        match ModelPart::of(name) {
            ModelPart::Vision => self.encoder_learns |= parameter.learns(),
            ModelPart::Connector => self.connector_learns |= parameter.learns(),
            ModelPart::Decoder => return,
        }
        self.adapted |= name.contains(".lora_") || parameter.is_beside();
        if let Some(digest) = &mut self.digest {
            digest.update(name);
            digest.update(parameter.values().into_data().as_bytes());
        }
    }
}
