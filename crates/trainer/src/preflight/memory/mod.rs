//! Estimate of the peak memory of a run, by use.
//!
//! Memory in use before the first step (program, cases, weights) is measured. The rest is computed: the tensors that
//! each operation of `stepwise-ops` keeps for the backward pass, times the rows of the largest micro-batch. All of
//! these are f32.

mod device;
mod host;
mod shapes;
mod step;

use stepwise_recipe::{InitLoraWeights, Recipe, SuiteChoice, Tuning};
use stepwise_vlm::model::{ModelConfig, ModelPart};
use stepwise_vlm::pipeline::SCORED_TOKENS;
use stepwise_vlm::{LOGIT_ROWS, Precision};

pub use device::{OnDevice, estimate_on_device};
use host::{available, held};
use shapes::Shapes;
use step::{GradientBytes, StepBytes};

use crate::environment::peak_memory_mib;
use crate::image_settings::smaller_images;
use crate::parameters::TrainableParameters;
use crate::preflight::token_stats::LargestBatch;
use crate::recipe_to_model::base_precision;

/// Bytes per value (f32).
const VALUE: u64 = 4;

/// Largest size of preprocessed images in bytes, including the images of prefetched steps.
const PICTURES_KEPT: u64 = crate::batches::examples::PICTURE_BYTES as u64;

/// Decoder rows scored at once by the benchmark on the CPU: half of the collected tokens, because questions about one
/// image share a prefix.
const SCORED_ROWS: u64 = SCORED_TOKENS as u64 / 2;

/// Size in bytes of the largest block that the allocator keeps after it is freed ([`stepwise_vlm::keep_freed_memory`]).
const LARGEST_KEPT: u64 = 32 << 20;

/// Decoder rows in the backward pass of an attack on one image: a question and its options.
const ATTACKED_ROWS: u64 = 512;

/// Values that AdamW keeps for each value that is trained in any phase: the two moments.
const MOMENTS: u64 = 2;

/// One use of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryUse {
    /// Name of the use.
    pub what: &'static str,
    /// Size in bytes.
    pub bytes: u64,
    /// How to reduce it, as an instruction; None if it cannot be reduced.
    pub advice: Option<&'static str>,
}

/// Memory estimate of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Uses of memory that add up at the peak: during a step, during the benchmark, or both. Memory in use now is one of
    /// them, if the system provides its size.
    pub uses: Vec<MemoryUse>,
    /// Memory in use now, in bytes; 0 if unknown.
    pub held: u64,
    /// Peak memory so far, in bytes. It exceeds the sum only if loading needed most; 0 if unknown.
    pub reached: u64,
    /// Memory in addition to the memory in use now that can still be taken, in bytes; None if unknown.
    pub free: Option<u64>,
}

impl MemoryEstimate {
    /// Estimate for this process, which holds `held` bytes now.
    fn in_process(mut uses: Vec<MemoryUse>, held: u64) -> Self {
        uses.retain(|one| one.bytes > 0);
        let reached = (peak_memory_mib().unwrap_or(0.0) * f64::from(1 << 20)) as u64;
        Self { uses, held, reached, free: available() }
    }

    /// Returns the estimated peak memory in bytes.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.uses.iter().map(|one| one.bytes).sum::<u64>().max(self.reached)
    }

    /// Returns the number of bytes that are needed in addition to the memory in use now.
    #[must_use]
    pub fn to_come(&self) -> u64 {
        self.peak().saturating_sub(self.held)
    }

    /// Returns the advice for reducing memory, for the largest use first, as one sentence without a full stop.
    #[must_use]
    pub fn advice(&self) -> String {
        let mut uses: Vec<&MemoryUse> = self.uses.iter().collect();
        uses.sort_by_key(|one| std::cmp::Reverse(one.bytes));
        let advice: Vec<&str> = uses.iter().filter_map(|one| one.advice).collect();
        match advice.is_empty() {
            true => "use a machine with more memory".to_owned(),
            false => advice.join(", then "),
        }
    }
}

/// Sizes of the images of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageStats {
    /// Pixels of the distinct tiles of all training examples.
    pub learned: u64,
    /// Pixels of the tiles of all images in the benchmark; equal images count once.
    pub tested: u64,
    /// Pixels of the tiles of the image with most of them.
    pub most: u64,
    /// Largest decoded images in memory at once, in bytes.
    pub decoded: DecodedBytes,
}

/// Largest sizes in memory at once of decoded images and of what is made of them, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DecodedBytes {
    /// Training images: one image and the copy that its decoder makes.
    pub learned: u64,
    /// Images of the questions that the benchmark answers together.
    pub tested: u64,
    /// Tiles of these images.
    pub prepared: u64,
    /// Temporary memory while an image is decoded or changed.
    pub temporary: u64,
}

impl DecodedBytes {
    /// Memory that the images of the benchmark add to its answers, and to a step if small freed blocks are `kept`.
    fn beside(&self, stepping: u64, answering: u64, kept: bool) -> u64 {
        match kept {
            // Small blocks take the place of a step's freed tensors. Large ones are additional.
            true if self.temporary > LARGEST_KEPT => self.temporary + self.tested.saturating_sub(stepping),
            true => (self.tested + self.temporary).saturating_sub(stepping),
            // Images are changed before the questions about them are answered.
            false => self.tested + self.temporary.saturating_sub(answering),
        }
    }
}

/// Estimates the memory of a run on the CPU before its first step; call it when the model is loaded, because the memory
/// in use now is measured. `config` describes the model; `trainable` and `largest` belong to one freeze group; `pictures`
/// are the sizes of the images of the run.
#[must_use]
pub fn estimate(
    recipe: &Recipe,
    config: &ModelConfig,
    trainable: &TrainableParameters,
    largest: &LargestBatch,
    pictures: ImageStats,
) -> MemoryEstimate {
    let pieces = Pieces { logit_rows: LOGIT_ROWS as u64, patches: 0, scored_rows: SCORED_ROWS, temporary: 0 };
    let Needs { moments, step, features, answering } =
        Needs::new(recipe, config, trainable, (largest, pictures), &pieces);
    let decoded = pictures.decoded;
    let answering = answering.map_or(0, |bytes| bytes + decoded.prepared);
    let stepping = sum(&step);
    // Small freed blocks stay with the allocator, and a step can rarely reuse the blocks of the benchmark: both add up.
    let kept = SCORED_ROWS * config.text.intermediate_size as u64 * VALUE <= LARGEST_KEPT;
    let shown = if answering > 0 { decoded.beside(stepping, answering, kept) } else { decoded.learned };
    let test = [
        MemoryUse { what: "the benchmark", bytes: answering, advice: None },
        MemoryUse { what: "decoded images", bytes: shown, advice: Some(SMALLER_IMAGES) },
    ];
    let hardest: Vec<MemoryUse> = match (kept, stepping >= sum(&test)) {
        (true, _) => step.into_iter().chain(test).collect(),
        (false, true) => step.to_vec(),
        (false, false) => test.to_vec(),
    };
    let held = held();
    let mut uses = vec![
        MemoryUse { what: "in use now: program, cases, weights", bytes: held, advice: held_smaller(recipe) },
        moments,
        features,
        prefetched(pictures),
    ];
    uses.extend(hardest);
    MemoryEstimate::in_process(uses, held)
}

/// Estimates the memory of this process for a run whose model is on another device than the CPU; call it when the model
/// is loaded. `pictures` are the sizes of the images of the run.
#[must_use]
pub fn estimate_beside_device(recipe: &Recipe, pictures: ImageStats) -> MemoryEstimate {
    let decoded = pictures.decoded;
    let tests = recipe.benchmark.suite != SuiteChoice::None;
    let of_test = decoded.tested + decoded.prepared + decoded.temporary;
    let shown = if tests { decoded.learned.max(of_test) } else { decoded.learned };
    let held = held();
    let uses = vec![
        MemoryUse { what: "in use now: program, cases", bytes: held, advice: None },
        prefetched(pictures),
        MemoryUse { what: "decoded images", bytes: shown, advice: Some(SMALLER_IMAGES) },
    ];
    MemoryEstimate::in_process(uses, held)
}

const SMALLER_IMAGES: &str = "make large images smaller";

fn prefetched(pictures: ImageStats) -> MemoryUse {
    MemoryUse { what: "prefetched images", bytes: PICTURES_KEPT.min(pictures.learned * 3), advice: None }
}

fn sum(uses: &[MemoryUse]) -> u64 {
    uses.iter().map(|one| one.bytes).sum()
}

/// Sizes of the pieces in which tensors are computed.
struct Pieces {
    /// Rows whose logits exist at once in a step.
    logit_rows: u64,
    /// Most patches that the image encoder takes at once; a tile with more patches is taken alone.
    patches: u64,
    /// Decoder rows scored at once by the benchmark.
    scored_rows: u64,
    /// Bytes of further temporary tensors of a step.
    temporary: u64,
}

/// Memory that tensors need, on the CPU as on other devices.
struct Needs {
    /// Moments of all trained values.
    moments: MemoryUse,
    /// Tensors of a step at its peak: kept for the backward pass by the decoder and by the image encoder, gradients, and
    /// temporary ones.
    step: [MemoryUse; 4],
    /// Cached image features, or cached states of the image encoder.
    features: MemoryUse,
    /// Tensors of the benchmark in bytes; None without one.
    answering: Option<u64>,
}

impl Needs {
    fn new(
        recipe: &Recipe,
        config: &ModelConfig,
        trainable: &TrainableParameters,
        (largest, pictures): (&LargestBatch, ImageStats),
        pieces: &Pieces,
    ) -> Self {
        let ImageStats { learned, tested, most, .. } = pictures;
        let Shapes { decoder, attending, read, patch, trained, backward, encode } =
            Shapes::new(recipe, config, trainable);
        let vision = &config.vision;
        let patches = |pixels: u64| pixels / (vision.patch_size as u64).pow(2);
        let rows = largest.rows as u64;
        let one_tile = vision.image_size.map_or(most, |side| (side as u64).pow(2));
        let encoded = |all: u64| one_tile.max(all.min(pieces.patches * (vision.patch_size as u64).pow(2)));
        let seeing = trainable.learns(ModelPart::Vision) || trainable.learns(ModelPart::Connector);
        let feature = config.text.hidden_size as u64 * (1 + vision.deepstack as u64);
        let features = |pixels: u64| patches(pixels) / (vision.merge_size as u64).pow(2) * feature;
        // States of encoders with deepstack features hold at most all of their sets beside the hidden state.
        let states = |pixels: u64| patches(pixels) * vision.hidden_size as u64 * (1 + vision.deepstack as u64);
        let caches_states = seeing && trainable.blocks.untouched() > 0;
        // Pixels are kept as values in 0..1, normalised, and with a gradient.
        let shown = |pixels: u64| 9 * pixels;
        let encoder = |pixels: u64| patches(pixels) * patch + shown(pixels);
        let above = |pixels: u64| {
            let entered = if caches_states { states(pixels) } else { shown(pixels) };
            patches(pixels) * trained + entered
        };
        let encoding = |pixels: u64| patches(pixels) * encode + 6 * pixels;
        let cache = (recipe.train.feature_cache_gb * f64::from(1 << 30)) as u64;

        // Only predicting rows reach the end of the last layer. When the backward pass reaches all rows, the tensors
        // kept by that layer's attention are already free.
        let passing = (largest.predictions as u64 * backward).max(rows * backward.saturating_sub(attending));
        let logits = pieces.logit_rows.min(largest.predictions as u64) * config.text.vocab_size as u64;
        let stepping = StepBytes {
            decoder: (rows * decoder + largest.predictions as u64 * read) * VALUE,
            encoder: if seeing { above(largest.pixels as u64) * VALUE } else { 0 },
            temporary: (passing + encoding(encoded(largest.pixels as u64)) + logits) * VALUE + pieces.temporary,
            gradients: GradientBytes::new(recipe, config, trainable),
        };
        let fewer_rows = Some(match recipe.train.gradient_checkpointing {
            true => "lower `train.per_device_train_batch_size`",
            false => "lower `train.per_device_train_batch_size` or set `train.gradient_checkpointing = true`",
        });
        let smaller = match vision.image_size {
            // An image of one tile of a fixed size takes no less.
            Some(side) if most <= (side as u64).pow(2) => None,
            _ => smaller_images(config.image_options()),
        };
        let wide = (2 * config.text.hidden_size + 3 * config.text.intermediate_size) as u64;
        // Attacks need the gradient of an image's pixels through image encoder and decoder.
        let attack = encoder(most) + encoding(most) + ATTACKED_ROWS * decoder;
        let scoring = (pieces.scored_rows * wide).max(encoding(encoded(tested).min(tested)));
        let tests = recipe.benchmark.suite != SuiteChoice::None;
        Self {
            moments: MemoryUse {
                what: "moments of the optimiser",
                bytes: (trainable.parameters() + trainable.resting) as u64 * MOMENTS * VALUE,
                advice: None,
            },
            step: stepping.peak([fewer_rows, smaller]),
            features: MemoryUse {
                what: if seeing { "cached states of the image encoder" } else { "cached image features" },
                bytes: match (seeing, caches_states) {
                    (false, _) => cache.min(features(learned + tested) * VALUE),
                    // Evaluations keep no states.
                    (true, true) => cache.min(states(learned) * VALUE),
                    (true, false) => 0,
                },
                advice: Some("lower `train.feature_cache_gb`"),
            },
            answering: tests.then(|| scoring.max(attack) * VALUE),
        }
    }
}

/// Advice for a smaller base in memory. Only frozen weights can be stored in fewer bits.
fn held_smaller(recipe: &Recipe) -> Option<&'static str> {
    let Tuning::Lora { lora } = &recipe.tuning else { return None };
    match base_precision(&recipe.train) {
        Precision::F32 => Some("set `train.bf16 = true`"),
        // PiSSA does not support weights in four bits.
        Precision::Bf16 => {
            (lora.init_lora_weights != InitLoraWeights::Pissa).then_some("set `train.load_in_4bit = true`")
        }
        Precision::Nf4 { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use indexmap::IndexMap;
    use stepwise_testing::files::tiny;
    use stepwise_testing::recipe::recipe_on;
    use stepwise_vlm::model::{EncoderBlocks, Vlm};

    use super::*;
    use crate::parameters::Group;

    #[test]
    fn advice_starts_with_the_largest_use() {
        let one = |bytes, advice| MemoryUse { what: "", bytes, advice };
        let of = |uses| MemoryEstimate { uses, ..MemoryEstimate::default() }.advice();
        assert_eq!(of(vec![one(1, Some("a")), one(3, Some("b")), one(2, None)]), "b, then a");
        assert_eq!(of(vec![one(2, None)]), "use a machine with more memory");
    }

    #[test]
    fn memory_in_use_is_not_needed_again_and_unknown_use_takes_nothing_off() {
        let one = |bytes| MemoryUse { what: "", bytes, advice: None };
        let of = |held, reached| MemoryEstimate { uses: vec![one(held), one(30), one(40)], held, reached, free: None };
        assert_eq!((of(20, 0).peak(), of(20, 0).to_come()), (90, 70));
        assert_eq!((of(20, 100).peak(), of(20, 100).to_come()), (100, 80));
        // Without `/proc`, no use stands for the memory in use now.
        let unknown = MemoryEstimate { uses: vec![one(30), one(40)], ..MemoryEstimate::default() };
        assert_eq!((unknown.peak(), unknown.to_come()), (70, 70));
    }

    #[test]
    fn states_below_the_first_trained_block_are_cached_and_the_blocks_above_keep_tensors() {
        let mut config = Vlm::load_config(&tiny()).expect("a configuration");
        config.vision.num_hidden_layers = 4;
        let recipe = recipe_on(12, "[[curriculum.phase]]\nstages = [1]\n[benchmark]\nsuite = \"none\"\n");
        let pixels = 1 << 16;
        // Use and bytes of the cache, and bytes kept by the image encoder.
        let needs = |part, first, count| {
            let modules = IndexMap::from([("fc1".to_owned(), 1)]);
            let trainable = TrainableParameters {
                groups: vec![Group { part, rank: Some(2), modules, parameters: 1, largest: 1 }],
                frozen: BTreeMap::new(),
                resting: 0,
                blocks: EncoderBlocks { count, trained: first, adapted: first },
            };
            let largest = LargestBatch { rows: 1, predictions: 1, pixels, ..LargestBatch::default() };
            let pictures =
                ImageStats { learned: pixels as u64, tested: pixels as u64, most: 0, decoded: DecodedBytes::default() };
            let pieces = Pieces { logit_rows: 0, patches: 0, scored_rows: 0, temporary: 0 };
            let Needs { features, step, .. } = Needs::new(&recipe, &config, &trainable, (&largest, pictures), &pieces);
            (features.what, features.bytes, step[1].bytes)
        };
        let patches = pixels / config.vision.patch_size.pow(2);
        let states = (patches * config.vision.hidden_size) as u64 * VALUE;
        let of_states = "cached states of the image encoder";
        let layers = config.vision.num_hidden_layers;
        assert_eq!(needs(ModelPart::Connector, None, layers + 1), (of_states, states, states), "of training alone");
        let (what, cached, last) = needs(ModelPart::Vision, Some(layers - 1), layers + 1);
        assert_eq!((what, cached), (of_states, states));
        let (_, _, early) = needs(ModelPart::Vision, Some(layers - 2), layers - 1);
        assert_eq!(early, last, "layers behind the features keep nothing");
        let (_, cached, all) = needs(ModelPart::Vision, Some(0), layers + 1);
        assert_eq!(cached, 0, "nothing lies below the first block");
        assert!(states < last && last < all, "{states} {last} {all}");
        let features = (2 * patches / config.vision.merge_size.pow(2) * config.text.hidden_size) as u64 * VALUE;
        assert_eq!(needs(ModelPart::Decoder, None, layers + 1), ("cached image features", features, 0));
    }

    #[test]
    fn advice_leaves_out_settings_that_the_recipe_has_or_excludes() {
        let advised = |more: &str| {
            let phase = "[[curriculum.phase]]\nstages = [1]\n[benchmark]\nsuite = \"none\"\n";
            held_smaller(&recipe_on(12, &format!("{more}\n{phase}")))
        };
        assert_eq!(advised(""), Some("set `train.bf16 = true`"));
        assert_eq!(advised("train.bf16 = true"), Some("set `train.load_in_4bit = true`"));
        assert_eq!(advised("train.bf16 = true\nlora.init_lora_weights = \"pissa\""), None);
        assert_eq!(advised("train.load_in_4bit = true"), None);
        assert_eq!(advised("finetuning_type = \"full\""), None);
    }
}
