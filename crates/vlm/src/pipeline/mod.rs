//! A model with its processor: computes losses, gradients, option scores and generated answers for conversations
//! with images.

mod sight;

use std::path::Path;

use burn::tensor::{Device, Gradients, Tensor};
use stepwise_ops::Precision;

use crate::batch::{Batch, EncodableExample, TileSet};
use crate::generate::{Generated, generate};
use crate::model::{LoadError, Vlm, Weights};
use crate::nn::parameter::Pass;
use crate::processor::{Encoded, Processor, ProcessorError};
use sight::Sight;

/// Rows (tokens or patches) of one forward pass in inference: enough to use all cores, small enough for any memory.
pub(crate) const ROWS_AT_ONCE: usize = 4096;

/// Tokens that [`VlmPipeline::score`] collects before a forward pass; the last question may add more. A prefix that
/// several questions share counts for each of them and takes one set of decoder rows.
pub const SCORED_TOKENS: usize = 4 * ROWS_AT_ONCE;

/// Patches of the tiles that are encoded together for the cache on devices other than the CPU, at most.
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
    /// Model with its adapters. Call [`VlmPipeline::refresh`] after changing it, because image features or states of the image
    /// encoder are cached.
    pub model: Vlm,
    /// Processor: tokenizer, chat template and image preprocessing.
    pub processor: Processor,
    sight: Sight,
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
        let mut pipeline = Self { model, processor, sight: Sight::Anew { below: None, trained: 0 } };
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
        self.model.checkpointed(&batch.layout, self.seen(&batch.tiles, pass), Weights::Share(share), pass)
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
            return self.model.checkpointed(&batch.layout, self.seen(&batch.tiles, pass), Weights::Made(weigh), pass);
        }
        let features = self.features(&batch.tiles, pass);
        let (loss, terms) = self.model.reweighted_losses(&batch.layout, features, pass, weigh);
        let gradients = loss.is_tracked().then(|| loss.backward());
        (terms, gradients.into_iter().collect())
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
}
