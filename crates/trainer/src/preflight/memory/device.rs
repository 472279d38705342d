//! Estimate of the memory that a run needs on a device other than the CPU.

use stepwise_recipe::Recipe;
use stepwise_vlm::LOGIT_ROWS;
use stepwise_vlm::model::ModelConfig;

use super::{ImageStats, MemoryEstimate, MemoryUse, Needs, VALUE, held_smaller, sum};
use crate::device::DeviceMemory;
use crate::parameters::TrainableParameters;
use crate::preflight::token_stats::LargestBatch;

/// Largest piece of attention scores in bytes; longer sequences are computed in several pieces.
const SCORE_PIECE: u64 = 64 << 20;

/// Tensors of the size of a piece that the backward pass of attention has at once: probabilities, their gradient, and
/// the gradient of the scores.
const SCORE_PIECES: u64 = 3;

/// Tensors of the size of the logits at once, in addition to the logits: log-probabilities and gradient.
const FURTHER_LOGITS: u64 = 2;

/// Estimates the memory of a run on the device of its model before the first step. `now` is the memory that the loaded
/// model takes, and `free` the number of bytes that were free before it was loaded. The other arguments are those of
/// [`super::estimate`].
///
/// Memory that the driver itself takes, and reserved memory that no tensor uses, is not included.
#[must_use]
pub fn estimate_on_device(
    recipe: &Recipe,
    config: &ModelConfig,
    trainable: &TrainableParameters,
    (largest, pictures): (&LargestBatch, ImageStats),
    (now, free): (DeviceMemory, Option<u64>),
) -> MemoryEstimate {
    let Needs { mut step, optimiser, features, answering } = Needs::new(recipe, config, trainable, largest, pictures);
    let logits = LOGIT_ROWS.min(largest.predictions) as u64 * config.text.vocab_size as u64 * VALUE;
    let heads = config.text.num_attention_heads as u64;
    let scores = SCORE_PIECE.min(heads * (largest.rows as u64).pow(2) * VALUE) * SCORE_PIECES;
    step[2].bytes += scores + logits * FURTHER_LOGITS;
    let test = [MemoryUse {
        what: "the benchmark",
        bytes: answering.map_or(0, |bytes| bytes + SCORE_PIECE * SCORE_PIECES),
        advice: None,
    }];
    let bytes = |mebibytes: f64| (mebibytes * f64::from(1 << 20)) as u64;
    let (held, reserved) = (bytes(now.in_use), bytes(now.reserved));
    let weights = MemoryUse { what: "in use now: weights", bytes: held, advice: held_smaller(recipe) };
    let mut uses = vec![weights, optimiser, features];
    // The backend reuses the memory of a step for the benchmark.
    if sum(&step) >= sum(&test) {
        uses.extend(step)
    } else {
        uses.extend(test)
    }
    uses.retain(|one| one.bytes > 0);
    // Reserved memory without a tensor is free for new tensors.
    let free = free.map(|free| free.saturating_sub(held));
    MemoryEstimate { uses, held, reached: reserved, free }
}
