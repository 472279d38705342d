//! Peak of a step. The backward pass frees the tensors that are kept for it while gradients accumulate, so that all kept
//! tensors and all gradients never exist together.

use stepwise_recipe::Recipe;
use stepwise_vlm::model::{ModelConfig, ModelPart};

use super::{MemoryUse, VALUE};
use crate::parameters::TrainableParameters;

/// Tensors of the size of a parameter that exist at once while it is updated.
const UPDATE_TENSORS: u64 = 3;

/// Tensors of the size of the output head that the loss makes for the head's gradient.
const HEAD_TENSORS: u64 = 2;

/// Bytes of the gradients of a step.
pub(super) struct GradientBytes {
    /// Sums of earlier micro-batches, which exist during the whole pass.
    earlier: u64,
    /// Gradient of the output head, which exists before the backward pass of the layers.
    head: u64,
    /// All gradients of one micro-batch.
    all: u64,
    /// Temporary tensors of the update of the largest parameter.
    update: u64,
}

impl GradientBytes {
    pub fn new(recipe: &Recipe, config: &ModelConfig, trainable: &TrainableParameters) -> Self {
        let table = (config.text.vocab_size * config.text.hidden_size) as u64 * VALUE;
        let name = if config.text.tie_word_embeddings { "embed_tokens" } else { "lm_head" };
        let head = if trainable.module_learns(ModelPart::Decoder, name) { table } else { 0 };
        let all = trainable.parameters() as u64 * VALUE;
        let largest = trainable.groups.iter().map(|group| group.largest).max().unwrap_or_default();
        Self {
            earlier: if recipe.train.gradient_accumulation_steps > 1 { all } else { 0 },
            head: head * HEAD_TENSORS,
            all,
            update: largest as u64 * VALUE * UPDATE_TENSORS,
        }
    }
}

/// Bytes of the tensors of a step.
pub(super) struct StepBytes {
    /// Kept for the backward pass by the decoder.
    pub decoder: u64,
    /// Kept for the backward pass by the image encoder.
    pub encoder: u64,
    /// Temporary tensors of the forward and backward pass.
    pub temporary: u64,
    pub gradients: GradientBytes,
}

impl StepBytes {
    /// Returns the tensors that exist at the peak of the step: before the backward pass of the layers, or after it. The
    /// advice is how to keep less in decoder and image encoder.
    pub fn peak(&self, advice: [Option<&'static str>; 2]) -> [MemoryUse; 4] {
        let Self { decoder, encoder, temporary, gradients } = self;
        let before = [*decoder, *encoder, gradients.earlier + gradients.head, *temporary];
        let after = [0, 0, gradients.earlier + gradients.all, gradients.update.max(*temporary)];
        let bytes = std::cmp::max_by_key(before, after, |bytes| bytes.iter().sum::<u64>());
        let names = ["kept for the backward pass", "kept by the image encoder", "gradients", "temporary tensors"];
        let advice = [advice[0], advice[1], None, None];
        std::array::from_fn(|at| MemoryUse { what: names[at], bytes: bytes[at], advice: advice[at] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_tensors_and_gradients_do_not_add_up() {
        let peak = |decoder: u64, all: u64| {
            let gradients = GradientBytes { earlier: 1, head: 20, all, update: 300 };
            StepBytes { decoder, encoder: 4000, temporary: 200, gradients }.peak([Some("a"), None]).map(|one| one.bytes)
        };
        assert_eq!(peak(50_000, 40_000), [50_000, 4000, 21, 200]);
        assert_eq!(peak(50_000, 60_000), [0, 0, 60_001, 300]);
    }
}
