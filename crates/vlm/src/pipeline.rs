//! Model and processor together: pictures and conversations in, losses and answers out.

use std::path::Path;
use std::sync::Mutex;

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use sha2::{Digest, Sha256};
use stepwise_ops::Precision;

use crate::batch::{Batch, EncodableExample, TileRef, TileSet};
use crate::feature_cache::{FeatureCache, FeatureLimits};
use crate::generate::{Generated, generate};
use crate::idefics3::checkpointed::Seen;
use crate::idefics3::{LoadError, ModelPart, Vlm};
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::packed_sequences::{PackedSequences, Sequence, Target};
use crate::processor::{Encoded, PreparedPixels, Processor, ProcessorError, hex};

/// Rows computed in one forward pass when answering: enough to keep the processor busy, little enough to fit anywhere.
pub(crate) const ROWS_AT_ONCE: usize = 4096;

/// What can go wrong with a reader.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The model cannot be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The processor cannot be read, or refuses an input.
    #[error(transparent)]
    Processor(#[from] ProcessorError),
    /// Model and processor do not belong together.
    #[error("{0} -> take model, tokenizer and processor files from one folder")]
    Mismatch(String),
    /// The device computes in f32 only.
    #[error(
        "weights in bf16 or four bits are built for the CPU only -> leave `bf16` and `load_in_4bit` out, or choose `--device cpu`"
    )]
    Precision,
    /// There is nothing that could have a gradient.
    #[error("{0}")]
    NoGradient(&'static str),
}

/// How likely an option is.
#[derive(Clone, Debug, PartialEq)]
pub struct OptionScore {
    /// Its tokens as they follow the prompt.
    pub token_ids: Vec<u32>,
    /// Natural logarithm of its probability, summed over the tokens.
    pub loglikelihood: f64,
}

/// Model and processor of one folder.
pub struct VlmPipeline {
    /// The model.
    pub model: Vlm,
    /// Its processor.
    pub processor: Processor,
    sight: Sight,
}

/// How image features come about.
enum Sight {
    /// Nothing that they follow from learns: they are remembered.
    Remembered {
        cache: Mutex<FeatureCache>,
        /// Whether adapters make them, which may be switched off: then only those with adapters on.
        adapted: bool,
    },
    /// They may change from step to step.
    Anew {
        /// Whether the image encoder does, and not only the connector.
        encoder_learns: bool,
    },
}

impl VlmPipeline {
    /// Loads a Hugging Face folder.
    ///
    /// # Errors
    /// When the folder lacks something or asks for what is not built.
    pub fn load(folder: &Path, device: &Device) -> Result<Self, PipelineError> {
        Self::load_in(Precision::F32, folder, device)
    }

    /// [`VlmPipeline::load`] with the frozen weights of linear layers held, and multiplied, in another precision: on the CPU,
    /// which alone has that arithmetic of ours.
    ///
    /// # Errors
    /// As [`VlmPipeline::load`], and for another precision than f32 on another device.
    pub fn load_in(precision: Precision, folder: &Path, device: &Device) -> Result<Self, PipelineError> {
        if precision != Precision::F32 && *device != Device::flex() {
            return Err(PipelineError::Precision);
        }
        let model = Vlm::load_in(precision, folder, device)?;
        Self::new(model, Processor::from_folder(folder)?)
    }

    /// Puts a model and its processor together.
    ///
    /// # Errors
    /// When they disagree about tiles or tokens.
    pub fn new(model: Vlm, processor: Processor) -> Result<Self, PipelineError> {
        let config = model.config();
        let (side, wanted) = (processor.pixels().max_image_size.longest_edge as usize, config.vision.image_size);
        if side != wanted {
            return Err(PipelineError::Mismatch(format!(
                "max_image_size.longest_edge of the processor is {side}, vision_config.image_size of the model {wanted}"
            )));
        }
        let (tokens, wanted) = (processor.image_seq_len(), config.features_per_tile());
        if tokens != wanted {
            return Err(PipelineError::Mismatch(format!(
                "image_seq_len of the processor is {tokens}, but a tile has {wanted} features in the model"
            )));
        }
        let (largest, rows) = (processor.largest_token_id(), config.text.vocab_size);
        if largest as usize >= rows {
            return Err(PipelineError::Mismatch(format!(
                "the tokenizer knows token id {largest}, but text_config.vocab_size of the model is {rows}"
            )));
        }
        let mut pipeline = Self { model, processor, sight: Sight::Anew { encoder_learns: false } };
        pipeline.refresh();
        Ok(pipeline)
    }

    /// Encodes one example; with `answering` up to where an answer begins.
    ///
    /// # Errors
    /// As [`Processor::encode`].
    pub fn encode(&self, example: &EncodableExample, answering: bool) -> Result<Encoded, PipelineError> {
        Ok(self.processor.encode(&example.conversation, &example.grids(), answering)?)
    }

    /// The weighted sum of negative log-likelihoods over a batch's predictions, and each one's own.
    #[must_use]
    pub fn losses(&self, batch: &Batch, pass: &Pass) -> (Tensor<1>, Vec<f32>) {
        self.model.losses(&batch.layout, self.features(&batch.tiles, pass), pass)
    }

    /// Each prediction's negative log-likelihood, and the gradients of `share` times their weighted sum. With
    /// `gradient_checkpointing` they come in parts, a block of the model at a time, and nothing but the blocks' inputs is kept
    /// meanwhile.
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
            // Nothing learns of what shows no picture where only the image encoder does.
            let gradients = loss.is_tracked().then(|| (loss * share).backward());
            return (terms, gradients.into_iter().collect());
        }
        let seen = match (&self.sight, batch.tiles()) {
            (Sight::Remembered { .. }, _) | (_, 0) => Seen::Features(self.features(&batch.tiles, pass)),
            (Sight::Anew { encoder_learns: false }, _) => {
                Seen::Encoded(self.model.encode(self.pixels(&batch.tiles.tiles), None, &pass.without_gradients()))
            }
            (Sight::Anew { encoder_learns: true }, _) => Seen::Pixels(self.pixels(&batch.tiles.tiles)),
        };
        self.model.checkpointed(&batch.layout, seen, share, pass)
    }

    /// The log-likelihood of every option of every example, in order.
    ///
    /// # Errors
    /// As [`Processor::encode_options`].
    pub fn score(
        &self,
        asked: &[(EncodableExample, Vec<String>)],
        pass: &Pass,
    ) -> Result<Vec<Vec<OptionScore>>, PipelineError> {
        let mut scores = Vec::with_capacity(asked.len());
        let mut waiting = Scoring::default();
        for (example, options) in asked {
            let (prompt, ends) = self.processor.encode_options(&example.conversation, &example.grids(), options)?;
            waiting.push(&prompt, &ends, example);
            scores.push(
                ends.into_iter().map(|token_ids| OptionScore { token_ids, loglikelihood: 0.0 }).collect::<Vec<_>>(),
            );
            if waiting.tokens >= ROWS_AT_ONCE * 4 {
                self.settle(std::mem::take(&mut waiting), &mut scores, pass);
            }
        }
        self.settle(waiting, &mut scores, pass);
        Ok(scores)
    }

    fn settle(&self, waiting: Scoring, scores: &mut [Vec<OptionScore>], pass: &Pass) {
        if waiting.sequences.is_empty() {
            return;
        }
        let options: Vec<(usize, usize)> = {
            let first = scores.len() - waiting.examples;
            (first..scores.len())
                .flat_map(|asked| (0..scores[asked].len()).map(move |option| (asked, option)))
                .collect()
        };
        let layout = PackedSequences::pack(&waiting.sequences, true);
        let features = self.features(&waiting.tiles, pass);
        let logprobs = self.model.logprobs(&layout, features, pass);
        for (prediction, logprob) in layout.predictions.iter().zip(logprobs) {
            let (asked, option) = options[prediction.sequence];
            scores[asked][option].loglikelihood += f64::from(logprob);
        }
    }

    /// Answers one example word by word, greedily.
    ///
    /// # Errors
    /// As [`Processor::encode`].
    pub fn generate(
        &self,
        example: &EncodableExample,
        max_new_tokens: usize,
        pass: &Pass,
    ) -> Result<Generated, PipelineError> {
        let encoded = self.encode(example, true)?;
        let mut tiles = TileSet::default();
        let prompt = tiles.sequence(&encoded, &example.images, encoded.ids.clone(), Vec::new());
        let features = self.features(&tiles, pass);
        Ok(generate(&self.model, &prompt, features, self.processor.ends(), max_new_tokens, *pass))
    }

    /// Features of all tiles of a set, `[tiles * features_per_tile, text width]`; none for no tiles. Where neither the image
    /// encoder nor the connector learns, each tile is encoded once and remembered; pixels made by an attack are not.
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
        for (tile, found) in set.tiles.iter().zip(&mut found).filter(|(_, found)| found.is_none()) {
            // Alone, because matrix products round as their sizes have it: whatever else was missing, these are its features.
            let features = self.encode_tiles(std::slice::from_ref(tile), &quiet);
            if matches!(tile.prepared.pixels, PreparedPixels::Cut(_)) {
                cache.insert(tile.digest(), &features);
            }
            *found = Some(features);
        }
        Some(Tensor::cat(found.into_iter().flatten().collect(), 0))
    }

    fn encode_tiles(&self, tiles: &[TileRef], pass: &Pass) -> Tensor<2> {
        self.model.connect(self.model.encode(self.pixels(tiles), None, pass), pass)
    }

    /// Normalised pixels, `[tiles, 3, side, side]`.
    fn pixels(&self, tiles: &[TileRef]) -> Tensor<4> {
        let (side, size) = (self.model.config().vision.image_size, self.processor.tile_size());
        let mut values = Vec::with_capacity(tiles.len() * size);
        for TileRef { prepared, tile } in tiles {
            let range = tile * size..(tile + 1) * size;
            match &prepared.pixels {
                PreparedPixels::Cut(tiles) => values.extend(self.processor.pixels().unit(&tiles.bytes[range])),
                PreparedPixels::Unit(unit) => values.extend_from_slice(&unit[range]),
            }
        }
        self.processor.pixels().normalise(&mut values, side);
        let pixels = TensorData::new(values, [tiles.len(), 3, side, side]);
        Tensor::from_data(pixels, self.model.device())
    }

    /// To be called after adapters were attached or parameters began or ceased to learn: decides whether image features can
    /// be remembered, and forgets those remembered.
    pub fn refresh(&mut self) {
        self.remember(&FeatureLimits::default());
    }

    /// [`VlmPipeline::refresh`] with limits to what is remembered; nothing is where anything before the decoder learns. Features
    /// that adapters make are remembered in memory alone, and only for passes with adapters on.
    pub fn remember(&mut self, limits: &FeatureLimits) {
        let digest = limits.folder.is_some().then(|| Sha256::new_with_prefix(self.processor.digest()));
        let mut seeing = Seeing { encoder_learns: false, connector_learns: false, adapted: false, digest };
        self.model.visit(&mut seeing);
        let Seeing { encoder_learns, connector_learns, adapted, digest } = seeing;
        self.sight = if encoder_learns || connector_learns {
            Sight::Anew { encoder_learns }
        } else {
            // Weights that are learned are not met again by another run.
            let folder = limits.folder.clone().filter(|_| !adapted);
            let digest = digest.map_or_else(String::new, |digest| hex(&digest.finalize()));
            let cache = FeatureCache::new(&FeatureLimits { folder, ..limits.clone() }, &digest);
            Sight::Remembered { cache: Mutex::new(cache), adapted }
        };
    }
}

/// Looks at everything before the decoder: whether it changes, and what it is.
struct Seeing {
    encoder_learns: bool,
    connector_learns: bool,
    /// Whether it has adapters, or copies of modules trained whole.
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

/// Sequences waiting to be scored together.
#[derive(Default)]
struct Scoring {
    sequences: Vec<Sequence>,
    tiles: TileSet,
    examples: usize,
    tokens: usize,
}

impl Scoring {
    fn push(&mut self, prompt: &Encoded, ends: &[Vec<u32>], example: &EncodableExample) {
        self.examples += 1;
        self.tokens += prompt.ids.len();
        for end in ends {
            let ids: Vec<u32> = prompt.ids.iter().chain(end).copied().collect();
            let targets = (prompt.ids.len()..ids.len()).map(|index| Target { index, weight: 1.0 }).collect();
            self.tokens += end.len();
            self.sequences.push(self.tiles.sequence(prompt, &example.images, ids, targets));
        }
    }
}
