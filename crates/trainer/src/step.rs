//! One optimiser step: losses of the micro-batches, summed over all their supervised tokens; clip; move.

use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::reader::Reader;

use crate::gradients::GradientSum;
use crate::lessons::MicroBatch;
use crate::log::Tally;
use crate::optimizer::AdamW;
use crate::rates::Rates;

/// What a step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// Losses and supervised tokens of each clinical stage.
    pub tally: Tally,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
}

/// Why a step cannot be taken. The parameters are as they were.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A loss or gradient that is not a number.
    #[error(
        "{what} is {value} at {names} -> lower the learning rate, or look at these questions with `stepwise preview`"
    )]
    NotFinite {
        /// Loss or gradient norm.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The questions of the step.
        names: String,
    },
}

/// What decides a step beside its lessons.
#[derive(Clone, Copy, Debug)]
pub struct StepOptions {
    /// Learning rates of this step.
    pub rates: Rates,
    /// Largest global gradient norm; 0 for no limit.
    pub max_grad_norm: f64,
    /// Key of the step's dropout masks.
    pub dropout_key: u64,
}

/// Takes one step over `micro_batches`. Every supervised token counts the same, whichever micro-batch it is in.
///
/// # Errors
/// When loss or gradient are not finite.
pub fn step(
    reader: &mut Reader,
    optimizer: &mut AdamW,
    micro_batches: &[MicroBatch],
    options: StepOptions,
) -> Result<Stepped, StepError> {
    let tokens: usize = micro_batches.iter().map(|micro| micro.batch.layout.predictions.len()).sum();
    let share = 1.0 / tokens.max(1) as f64;

    let mut tally = Tally::default();
    let mut gradients = GradientSum::default();
    for (index, MicroBatch { batch, stages, .. }) in micro_batches.iter().enumerate() {
        let pass = Pass::training(options.dropout_key.wrapping_add(index as u64));
        let (loss, terms) = reader.losses(batch, &pass);
        for (prediction, term) in batch.layout.predictions.iter().zip(terms) {
            tally.add(stages[prediction.sequence], f64::from(term));
        }
        let backward = (loss * share).backward();
        gradients.add(&mut reader.model, &backward);
    }
    let grad_norm = gradients.norm();
    for (what, value) in [("the loss", tally.loss()), ("the gradient's norm", grad_norm)] {
        if !value.is_finite() {
            let names: Vec<&str> = micro_batches.iter().flat_map(|micro| &micro.names).map(String::as_str).collect();
            return Err(StepError::NotFinite { what, value, names: names.join(", ") });
        }
    }
    if options.max_grad_norm > 0.0 {
        // As torch.nn.utils.clip_grad_norm_.
        gradients.scale((options.max_grad_norm / (grad_norm + 1e-6)).min(1.0));
    }
    optimizer.step(&mut reader.model, &gradients, options.rates);
    Ok(Stepped { tally, grad_norm })
}
