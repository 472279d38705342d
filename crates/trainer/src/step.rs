//! One optimiser step: losses of the micro-batches, summed over all their supervised tokens; clip; move.

use stepwise_vlm::batch::Batch;
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
#[derive(Clone, Debug, thiserror::Error)]
pub enum StepError {
    /// A loss or gradient that is not a number.
    #[error(
        "{} -> look at these questions with `stepwise preview`, lower the learning rate, or set \
         `train.on_nonfinite = \"skip\"`",
        cause(what, *value, names)
    )]
    NotFinite {
        /// Loss or gradient norm.
        what: &'static str,
        /// Its value.
        value: f64,
        /// The questions it comes from.
        names: Vec<String>,
    },
}

impl StepError {
    /// What is not finite, and where.
    #[must_use]
    pub fn cause(&self) -> String {
        let Self::NotFinite { what, value, names } = self;
        cause(what, *value, names)
    }
}

/// Questions named before the rest is only counted.
const NAMED: usize = 4;

fn cause(what: &str, value: f64, names: &[String]) -> String {
    let at = match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    };
    format!("{what} is {value} at {at}")
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
    /// Whether what a block computes is computed again on the way back instead of being kept.
    pub gradient_checkpointing: bool,
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
    let pass = |index: usize| Pass::training(options.dropout_key.wrapping_add(index as u64));

    let mut tally = Tally::default();
    let mut gradients = GradientSum::default();
    // Micro-batches with a loss that is no number.
    let mut lost = Vec::new();
    for (index, micro) in micro_batches.iter().enumerate() {
        let MicroBatch { batch, stages, .. } = micro;
        let (terms, parts) = reader.gradients(batch, share, options.gradient_checkpointing, &pass(index));
        if terms.iter().any(|term| !term.is_finite()) {
            lost.push(micro);
        }
        for (prediction, term) in batch.layout.predictions.iter().zip(terms) {
            tally.add(stages[prediction.sequence], f64::from(term));
        }
        parts.iter().for_each(|part| gradients.add(&mut reader.model, part));
    }
    if !lost.is_empty() {
        let names = culprits(reader, &lost);
        return Err(StepError::NotFinite { what: "the loss", value: tally.loss(), names });
    }
    let grad_norm = gradients.norm();
    if !grad_norm.is_finite() {
        let names = culprits(reader, &micro_batches.iter().collect::<Vec<_>>());
        return Err(StepError::NotFinite { what: "the gradient's norm", value: grad_norm, names });
    }
    if options.max_grad_norm > 0.0 {
        // As torch.nn.utils.clip_grad_norm_.
        gradients.scale((options.max_grad_norm / (grad_norm + 1e-6)).min(1.0));
    }
    optimizer.step(&mut reader.model, &gradients, options.rates);
    Ok(Stepped { tally, grad_norm })
}

/// The questions of these micro-batches whose loss or gradient is not finite when each is computed alone: what is computed
/// together spoils its neighbours. All of them where that shows none.
fn culprits(reader: &mut Reader, micro_batches: &[&MicroBatch]) -> Vec<String> {
    let questions = || micro_batches.iter().flat_map(|micro| micro.examples.iter().zip(&micro.names));
    let mut found = Vec::new();
    for (example, name) in questions() {
        let Ok(batch) = Batch::new(&reader.processor, std::iter::once(example), false) else { continue };
        let (loss, terms) = reader.losses(&batch, &Pass::training(0));
        let mut own = GradientSum::default();
        own.add(&mut reader.model, &loss.backward());
        if terms.iter().any(|term| !term.is_finite()) || !own.norm().is_finite() {
            found.push(name.clone());
        }
    }
    if found.is_empty() { questions().map(|(_, name)| name.clone()).collect() } else { found }
}
