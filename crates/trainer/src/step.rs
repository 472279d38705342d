//! One optimiser step: losses of the micro-batches, summed over all their supervised tokens; clip; move.

use std::collections::BTreeMap;

use stepwise_vlm::model::parameter::Pass;
use stepwise_vlm::reader::{Example, Reader, ReaderError};

use crate::gradients::GradientSum;
use crate::lessons::Lesson;
use crate::optimizer::AdamW;

/// What a step came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Stepped {
    /// Mean over the supervised tokens, in nats.
    pub loss: f64,
    /// The same for each clinical stage.
    pub stage_loss: BTreeMap<u8, f64>,
    /// How many tokens were supervised.
    pub supervised_tokens: u64,
    /// Global norm of the gradient before clipping.
    pub grad_norm: f64,
}

/// Why a step cannot be taken. The parameters are as they were.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// A conversation cannot be encoded.
    #[error(transparent)]
    Reader(#[from] ReaderError),
    /// A sequence is longer than the recipe allows.
    #[error("{name} has {tokens} tokens, cutoff_len is {cutoff_len} -> raise `cutoff_len`, or lower the image's size")]
    TooLong {
        /// The question.
        name: String,
        /// Its tokens.
        tokens: usize,
        /// The recipe's limit.
        cutoff_len: usize,
    },
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
    /// Of this step.
    pub learning_rate: f64,
    /// Largest global gradient norm; 0 for no limit.
    pub max_grad_norm: f64,
    /// Longest sequence.
    pub cutoff_len: usize,
    /// Key of the step's dropout masks.
    pub dropout_key: u64,
}

/// Takes one step over `micro_batches`. Every supervised token counts the same, whichever micro-batch it is in.
///
/// # Errors
/// When a conversation cannot be encoded or is too long, or loss or gradient are not finite.
pub fn step(
    reader: &mut Reader,
    optimizer: &mut AdamW,
    micro_batches: &[Vec<Lesson>],
    options: StepOptions,
) -> Result<Stepped, StepError> {
    let mut batches = Vec::with_capacity(micro_batches.len());
    for lessons in micro_batches {
        let examples: Vec<Example> = lessons.iter().map(|lesson| lesson.example.clone()).collect();
        let batch = reader.batch(&examples, true)?;
        for (lesson, row) in lessons.iter().zip(&batch.layout.last) {
            let tokens = batch.layout.positions[*row] as usize + 1;
            if tokens > options.cutoff_len {
                let (name, cutoff_len) = (lesson.name.clone(), options.cutoff_len);
                return Err(StepError::TooLong { name, tokens, cutoff_len });
            }
        }
        batches.push(batch);
    }
    let tokens: usize = batches.iter().map(|batch| batch.layout.predictions.len()).sum();
    let share = 1.0 / tokens.max(1) as f64;

    let mut sums: BTreeMap<u8, (f64, u64)> = BTreeMap::new();
    let mut gradients = GradientSum::default();
    for (index, (batch, lessons)) in batches.iter().zip(micro_batches).enumerate() {
        let pass = Pass::training(options.dropout_key.wrapping_add(index as u64));
        let (loss, terms) = reader.losses(batch, &pass);
        for (prediction, term) in batch.layout.predictions.iter().zip(terms) {
            let sum = sums.entry(lessons[prediction.sequence].stage).or_default();
            *sum = (sum.0 + f64::from(term), sum.1 + 1);
        }
        let backward = (loss * share).backward();
        gradients.add(&mut reader.model, &backward);
    }
    let loss = sums.values().map(|(sum, _)| sum).sum::<f64>() * share;
    let grad_norm = gradients.norm();
    for (what, value) in [("the loss", loss), ("the gradient's norm", grad_norm)] {
        if !value.is_finite() {
            let names: Vec<&str> = micro_batches.iter().flatten().map(|lesson| lesson.name.as_str()).collect();
            return Err(StepError::NotFinite { what, value, names: names.join(", ") });
        }
    }
    if options.max_grad_norm > 0.0 {
        // As torch.nn.utils.clip_grad_norm_.
        gradients.scale((options.max_grad_norm / (grad_norm + 1e-6)).min(1.0));
    }
    optimizer.step(&mut reader.model, &gradients, options.learning_rate);
    let stage_loss = sums.into_iter().map(|(stage, (sum, count))| (stage, sum / count as f64)).collect();
    Ok(Stepped { loss, stage_loss, supervised_tokens: tokens as u64, grad_norm })
}
