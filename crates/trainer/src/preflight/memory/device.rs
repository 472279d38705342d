//! Estimate of the memory that a run needs on a device other than the CPU.

use stepwise_recipe::Recipe;
use stepwise_vlm::model::{ModelConfig, ModelPart};
use stepwise_vlm::pipeline::{SCORED_TOKENS, TILE_ROWS};
use stepwise_vlm::{LOGIT_TENSORS, NF4_PIECE, Precision, logit_rows_on_device};

use super::{ImageStats, MemoryEstimate, MemoryUse, Needs, Pieces, VALUE, held_smaller, sum};
use crate::device::DeviceMemory;
use crate::parameters::TrainableParameters;
use crate::preflight::token_stats::LargestBatch;
use crate::recipe_to_model::base_precision;

/// Tensors of the size of a piece of scores that the backward pass of attention has at once: probabilities, their
/// gradient, and the gradient of the scores.
const SCORE_PIECES: u64 = 3;

/// Facts about a device on which a model is loaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnDevice {
    /// Memory that the loaded model takes.
    pub memory: DeviceMemory,
    /// Number of bytes that were free before the model was loaded; None if unknown.
    pub free: Option<u64>,
    /// Most bytes of attention scores at once, of [`stepwise_vlm::attention_score_bytes`].
    pub score_bytes: u64,
}

/// Estimates the memory of a run on `device`, the device of its model, before the first step. The other arguments are
/// those of [`super::estimate`].
///
/// Memory that the driver itself takes, and reserved memory that no tensor uses, is not included.
#[must_use]
pub fn estimate_on_device(
    recipe: &Recipe,
    config: &ModelConfig,
    trainable: &TrainableParameters,
    (largest, pictures): (&LargestBatch, ImageStats),
    device: OnDevice,
) -> MemoryEstimate {
    let sees = trainable.learns(ModelPart::Vision) || trainable.learns(ModelPart::Connector);
    let patch_pixels = (config.vision.patch_size as u64).pow(2);
    // A trained image encoder takes all tiles of a micro-batch at once.
    let patches = if sees { largest.pixels as u64 / patch_pixels } else { TILE_ROWS as u64 };
    let weight = weight_piece(config, base_precision(&recipe.train));
    let scores =
        |rows: u64| device.score_bytes.min(config.text.num_attention_heads as u64 * rows.pow(2) * VALUE) * SCORE_PIECES;
    let temporary = scores(largest.rows as u64) + logits(config, largest.predictions as u64) + weight;
    // Logits are temporary tensors of a size of their own.
    let pieces = Pieces { logit_rows: 0, patches, scored_rows: SCORED_TOKENS as u64, temporary };
    let Needs { moments, step, features, answering } =
        Needs::new(recipe, config, trainable, (largest, pictures), &pieces);
    let scored = SCORED_TOKENS as u64;
    let test = [MemoryUse {
        what: "the benchmark",
        bytes: answering.map_or(0, |bytes| bytes + scores(scored) + logits(config, scored) + weight),
        advice: None,
    }];
    let bytes = |mebibytes: f64| (mebibytes * f64::from(1 << 20)) as u64;
    let (held, reserved) = (bytes(device.memory.in_use), bytes(device.memory.reserved));
    let weights = MemoryUse { what: "in use now: weights", bytes: held, advice: held_smaller(recipe) };
    let mut uses = vec![weights, moments, features];
    // The backend reuses the memory of a step for the benchmark.
    if sum(&step) >= sum(&test) {
        uses.extend(step)
    } else {
        uses.extend(test)
    }
    uses.retain(|one| one.bytes > 0);
    // Reserved memory without a tensor is free for new tensors.
    let free = device.free.map(|free| free.saturating_sub(held));
    MemoryEstimate { uses, held, reached: reserved, free }
}

/// Bytes of all tensors of the size of the logits that exist at once for `predictions` predicting rows.
fn logits(config: &ModelConfig, predictions: u64) -> u64 {
    let vocabulary = config.text.vocab_size;
    predictions.min(logit_rows_on_device(vocabulary) as u64) * vocabulary as u64 * LOGIT_TENSORS as u64 * VALUE
}

/// Bytes of the part of a weight that is dequantised at once, in f32, and in bf16 where products take it so.
fn weight_piece(config: &ModelConfig, precision: Precision) -> u64 {
    let Precision::Nf4 { bf16, .. } = precision else { return 0 };
    let widest = (config.text.hidden_size * config.text.intermediate_size) as u64;
    widest.min(NF4_PIECE as u64) * if bf16 { VALUE + 2 } else { VALUE }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use stepwise_testing::files::tiny;
    use stepwise_testing::recipe::recipe_on;
    use stepwise_vlm::model::{EncoderBlocks, Vlm};
    use stepwise_vlm::{LOGITS_ON_DEVICE, attention_score_bytes};

    use super::*;
    use crate::preflight::memory::DecodedBytes;

    const MANY: usize = 1 << 16;
    const PIXELS: u64 = 1 << 28;

    /// Bytes of the uses with this name, for a run with many images whose largest micro-batch has `rows` rows.
    fn table(config: &ModelConfig, lines: &str, (what, rows): (&str, usize), score_bytes: u64) -> u64 {
        let recipe = recipe_on(12, &format!("{lines}\n[[curriculum.phase]]\nstages = [1]\n"));
        let trainable = TrainableParameters {
            groups: Vec::new(),
            frozen: BTreeMap::new(),
            resting: 0,
            blocks: EncoderBlocks::default(),
        };
        let largest = LargestBatch { rows, predictions: rows, pixels: PIXELS as usize, ..LargestBatch::default() };
        let most = config.vision.image_size.map_or(1 << 10, |side| (side as u64).pow(2));
        let pictures = ImageStats { learned: PIXELS, tested: PIXELS, most, decoded: DecodedBytes::default() };
        let memory = DeviceMemory { reserved: 0.0, in_use: 0.0 };
        let device = OnDevice { memory, free: None, score_bytes };
        let table = estimate_on_device(&recipe, config, &trainable, (&largest, pictures), device);
        table.uses.iter().filter(|one| one.what == what).map(|one| one.bytes).sum()
    }

    const STEP: (&str, usize) = ("temporary tensors", MANY);
    const NO_TEST: &str = "benchmark.suite = \"none\"";

    fn config() -> ModelConfig {
        Vlm::load_config(&tiny()).expect("a configuration")
    }

    #[test]
    fn a_step_has_the_pieces_of_the_code_that_computes_it() {
        let mut config = config();
        let step =
            |config: &ModelConfig, lines: &str, scores| table(config, &format!("{lines}\n{NO_TEST}"), STEP, scores);
        let [small, large] = [64 << 20, 512 << 20];
        assert_eq!(step(&config, "", large) - step(&config, "", small), 3 * (large - small), "scores");
        let four_bits = step(&config, "train.load_in_4bit = true", small) - step(&config, "", small);
        let weight = (config.text.hidden_size * config.text.intermediate_size) as u64;
        assert!([4 * weight, 6 * weight].contains(&four_bits), "{four_bits}");
        // Rows of logits are whole.
        for vocabulary in [49_280, 262_208, 2 * LOGITS_ON_DEVICE] {
            config.text.vocab_size = vocabulary;
            let rows = (LOGITS_ON_DEVICE / vocabulary).max(1);
            assert_eq!(logits(&config, MANY as u64), (4 * 4 * rows * vocabulary) as u64, "{vocabulary}");
            assert_eq!(logits(&config, 1), (4 * 4 * vocabulary) as u64, "{vocabulary}");
            assert!(step(&config, "", small) > logits(&config, MANY as u64), "{vocabulary}");
        }
        let wide = 1 << 15;
        (config.text.hidden_size, config.text.intermediate_size) = (wide, wide);
        let nf4 = |bf16| weight_piece(&config, Precision::Nf4 { double_quant: false, bf16 });
        assert_eq!([nf4(false), nf4(true)], [4 << 24, 6 << 24]);
    }

    #[test]
    fn the_tiles_encoded_together_are_in_the_table() {
        let config = config();
        let patch = (config.vision.patch_size as u64).pow(2);
        let values = config.vision.hidden_size.max(config.vision.intermediate_size) as u64;
        let least = TILE_ROWS as u64 * (values + 6 * patch) * VALUE;
        let found = table(&config, NO_TEST, STEP, 0);
        assert!(found > least + logits(&config, MANY as u64), "{found} of {least}");
    }

    #[test]
    fn the_benchmark_has_the_rows_that_are_scored_together() {
        let mut config = config();
        config.text.intermediate_size = 1 << 17;
        // A step of one row takes less, so that the benchmark is the peak.
        let found = |scores| table(&config, "", ("the benchmark", 1), scores);
        let scored = (SCORED_TOKENS * 3 * config.text.intermediate_size) as u64 * VALUE;
        assert!(found(0) >= scored + logits(&config, SCORED_TOKENS as u64), "{} of {scored}", found(0));
        assert_eq!(found(64 << 20) - found(0), 3 * (64 << 20), "scores");
    }

    #[test]
    fn a_device_without_limits_takes_the_pieces_of_small_scores() {
        assert_eq!(attention_score_bytes(&burn::tensor::Device::flex()), 64 << 20);
    }
}
