//! Dry run: one forward and backward pass of the largest micro-batch before the first step. The result is discarded.
//!
//! If memory is too small, the run fails here and not after hours. The dry run also finds trainable tensors that no
//! gradient reaches. It does not change the run plan: the micro-batch is used again at its own step, so that a resumed
//! run equals an uninterrupted one.

use stepwise_vlm::model::ModelPart;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::pipeline::VlmPipeline;

use crate::batches::examples::MicroBatch;
use crate::optim::gradients::GradientSum;

/// Trainable tensors without a gradient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} is trainable, but no gradient reaches it ({count} such tensors in all) -> exclude its module, or \
     choose other `target_modules`"
)]
pub struct Unreached {
    /// Name of the first such tensor.
    pub first: String,
    /// Number of such tensors.
    pub count: usize,
}

/// Computes the loss and gradients of `micro_batch` and checks that every trainable tensor has a gradient; no parameter
/// is changed. `dropout_key` is the random key of the dropout masks, and `gradient_checkpointing` as in the recipe.
/// Gradients of zeros are accepted: in a newly initialised adapter `lora_B` is zero, and so is the gradient of
/// `lora_A`. Tensors of the vision tower and the connector are only checked if the micro-batch has images.
///
/// # Errors
/// When a trainable tensor has no gradient.
pub fn dry_run(
    pipeline: &mut VlmPipeline,
    micro_batch: &MicroBatch,
    dropout_key: u64,
    gradient_checkpointing: bool,
) -> Result<(), Unreached> {
    let pass = Pass::training(dropout_key);
    let (_, parts) = pipeline.gradients(&micro_batch.batch, 1.0, gradient_checkpointing, &pass);
    let mut gradients = GradientSum::default();
    parts.iter().for_each(|part| gradients.add(&mut pipeline.model, part));
    reached(&mut pipeline.model, &gradients, micro_batch.batch.tiles() > 0)
}

/// Checks that every trainable tensor has a gradient. Tensors before the decoder are only checked with `pictures`.
fn reached(model: &mut Vlm, gradients: &GradientSum, pictures: bool) -> Result<(), Unreached> {
    let mut look = Look { gradients, pictures, missing: Vec::new() };
    model.visit(&mut look);
    match look.missing.first() {
        None => Ok(()),
        Some(first) => Err(Unreached { first: first.clone(), count: look.missing.len() }),
    }
}

struct Look<'a> {
    gradients: &'a GradientSum,
    pictures: bool,
    missing: Vec<String>,
}

impl ParameterVisitor for Look<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        let taken_part = self.pictures || ModelPart::of(name) == ModelPart::Decoder;
        if parameter.learns() && taken_part && self.gradients.get(name).is_none() {
            self.missing.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use stepwise_testing::model::model_with_lora;

    use super::*;

    #[test]
    fn a_tensor_without_a_gradient_is_named() {
        let mut model = model_with_lora();
        let nothing = GradientSum::default();
        let all = reached(&mut model, &nothing, true).expect_err("nothing has a gradient");
        assert!(all.first.starts_with("model.vision_model.") && all.count > 20, "{all:?}");
        let words = reached(&mut model, &nothing, false).expect_err("the decoder takes part without pictures");
        assert!(words.first.starts_with("model.text_model.") && words.count < all.count, "{words:?}");
    }
}
