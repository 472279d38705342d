//! The largest micro-batch once forward and backward before the first step, and its result thrown away.
//!
//! Memory that is not enough is not enough at once, and not after hours. The micro-batch is repeated at its own step: which
//! questions a step takes stays a function of (seed, phase, epoch, step), so that a resumed run equals the uninterrupted one.
//! And a tensor that is to learn but that no gradient reaches is found before anything has been computed with it.

use stepwise_vlm::idefics3::ModelPart;
use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::pipeline::Reader;

use crate::batches::examples::MicroBatch;
use crate::optim::gradients::GradientSum;

/// Tensors that are to learn and have no gradient.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{first} is to learn, but no gradient reaches it ({count} tensors in all) -> exclude its module, or choose another \
     `target_modules`"
)]
pub struct Unreached {
    /// The first of them.
    pub first: String,
    /// How many.
    pub count: usize,
}

/// Computes `micro_batch` and its gradients, and checks that every tensor that is to learn has one. A gradient of zeros is
/// one: a fresh adapter's `lora_B` is zero, and with it the gradient of its `lora_A` at the first step. Tensors before the
/// decoder have none where the micro-batch shows no picture.
///
/// # Errors
/// When one has none.
pub fn rehearse(
    reader: &mut Reader,
    micro_batch: &MicroBatch,
    dropout_key: u64,
    gradient_checkpointing: bool,
) -> Result<(), Unreached> {
    let pass = Pass::training(dropout_key);
    let (_, parts) = reader.gradients(&micro_batch.batch, 1.0, gradient_checkpointing, &pass);
    let mut gradients = GradientSum::default();
    parts.iter().for_each(|part| gradients.add(&mut reader.model, part));
    reached(&mut reader.model, &gradients, micro_batch.batch.tiles() > 0)
}

/// Whether every tensor that is to learn has a gradient; those before the decoder only with `pictures`.
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
    use super::*;
    use crate::testing::{lora, model};

    #[test]
    fn a_tensor_without_a_gradient_is_named() {
        let mut model = model();
        stepwise_vlm::adapter::attach(&mut model, &lora(), 1, |_| true).expect("attached");
        let nothing = GradientSum::default();
        let all = reached(&mut model, &nothing, true).expect_err("nothing has a gradient");
        assert!(all.first.starts_with("model.vision_model.") && all.count > 20, "{all:?}");
        let words = reached(&mut model, &nothing, false).expect_err("the decoder takes part without pictures");
        assert!(words.first.starts_with("model.text_model.") && words.count < all.count, "{words:?}");
    }
}
