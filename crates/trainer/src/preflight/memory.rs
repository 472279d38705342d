//! Estimate of the peak memory of a run, by use.
//!
//! Memory in use before the first step (program, cases, weights) is measured. The rest is computed: the tensors that
//! each operation of `stepwise-ops` keeps for the backward pass, times the rows of the largest micro-batch. All of
//! these are f32.

use std::fs;

use crate::recipe_to_model::base_precision;
use stepwise_recipe::{InitLoraWeights, Recipe, SuiteChoice, Tuning};
use stepwise_vlm::model::{ModelConfig, ModelPart};
use stepwise_vlm::{LOGIT_ROWS, Precision};

use crate::environment::peak_memory_mib;
use crate::parameters::TrainableParameters;
use crate::preflight::token_stats::LargestBatch;

/// Bytes per value (f32).
const VALUE: u64 = 4;

/// Largest size of preprocessed images in bytes, including the images of prefetched steps.
const PICTURES_KEPT: u64 = crate::batches::examples::PICTURE_BYTES as u64;

/// Decoder rows scored at once by the benchmark. The answer options of a question share their prefix.
const SCORED_ROWS: u64 = 8192;

/// Size in bytes of the largest block that the allocator keeps after it is freed ([`stepwise_vlm::keep_freed_memory`]).
const LARGEST_KEPT: u64 = 32 << 20;

/// Decoder rows in the backward pass of an attack on one image: a question and its options.
const ATTACKED_ROWS: u64 = 512;

/// Values in memory per trained value: two moments, the gradient, its sum over micro-batches, and a second copy of the
/// value during the update.
const PER_LEARNING_VALUE: u64 = 5;

/// Values AdamW keeps per parameter value frozen in this phase: the two moments.
const PER_RESTING_VALUE: u64 = 2;

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
    /// Peak memory of the process so far, in bytes. It exceeds the sum only if loading needed most; 0 if unknown.
    pub reached: u64,
}

impl MemoryEstimate {
    /// Returns the estimated peak memory of the process in bytes.
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

/// Estimates the memory of a run before its first step; call it when the model is loaded, because the memory in use now
/// is measured. `config` describes the model; `trainable` and `largest` belong to one freeze group; `pictures` are the
/// sizes of the images of the run.
#[must_use]
pub fn estimate(
    recipe: &Recipe,
    config: &ModelConfig,
    trainable: &TrainableParameters,
    largest: &LargestBatch,
    pictures: ImageStats,
) -> MemoryEstimate {
    let ImageStats { learned, tested, most, decoded } = pictures;
    let Shapes { decoder, attending, read, patch, backward, encode } = Shapes::new(recipe, config, trainable);
    let vision = &config.vision;
    let patches = |pixels: u64| pixels / (vision.patch_size as u64).pow(2);
    let rows = largest.rows as u64;
    // Images are encoded tile by tile unless the encoder is trained.
    let one_tile = vision.image_size.map_or(most, |side| (side as u64).pow(2));
    let seeing = trainable.learns(ModelPart::Vision) || trainable.learns(ModelPart::Connector);
    let feature = config.text.hidden_size as u64 * (1 + vision.deepstack as u64);
    let features = |pixels: u64| patches(pixels) / (vision.merge_size as u64).pow(2) * feature;
    // Pixels are kept as values in 0..1, normalised, and with a gradient.
    let encoder = |pixels: u64| patches(pixels) * patch + 9 * pixels;
    let encoding = |pixels: u64| patches(pixels) * encode + 6 * pixels;
    let cache = (recipe.train.feature_cache_gb * f64::from(1 << 30)) as u64;

    let of_rows = (rows * decoder + largest.predictions as u64 * read) * VALUE;
    let of_tiles = if seeing { encoder(largest.pixels as u64) * VALUE } else { 0 };
    // Only predicting rows reach the end of the last layer. When the backward pass reaches all rows, the tensors kept
    // by that layer's attention are already free.
    let passing = (largest.predictions as u64 * backward).max(rows * backward.saturating_sub(attending));
    let logits = LOGIT_ROWS.min(largest.predictions) as u64 * config.text.vocab_size as u64 * VALUE;
    let step = [
        MemoryUse {
            what: "kept for the backward pass",
            bytes: of_rows,
            advice: Some(match recipe.train.gradient_checkpointing {
                true => "lower `train.per_device_train_batch_size`",
                false => "lower `train.per_device_train_batch_size` or set `train.gradient_checkpointing = true`",
            }),
        },
        MemoryUse {
            what: "kept by the image encoder",
            bytes: of_tiles,
            advice: match vision.image_size {
                Some(side) => (most > (side as u64).pow(2)).then_some("set `do_image_splitting = false`"),
                None => Some("lower `image_max_pixels`"),
            },
        },
        MemoryUse { what: "temporary tensors", bytes: (passing + encoding(one_tile)) * VALUE + logits, advice: None },
    ];
    let wide = (2 * config.text.hidden_size + 3 * config.text.intermediate_size) as u64;
    // Attacks need the gradient of an image's pixels through image encoder and decoder.
    let attack = encoder(most) + encoding(most) + ATTACKED_ROWS * decoder;
    let tests = recipe.benchmark.suite != SuiteChoice::None;
    let answering = (SCORED_ROWS * wide).max(attack) * VALUE + decoded.prepared;
    let sum = |uses: &[MemoryUse]| uses.iter().map(|one| one.bytes).sum::<u64>();
    let (stepping, answering) = (sum(&step), if tests { answering } else { 0 });
    // Small freed blocks stay with the allocator, and a step can rarely reuse the blocks of the benchmark: both add up.
    let kept = SCORED_ROWS * config.text.intermediate_size as u64 * VALUE <= LARGEST_KEPT;
    let shown = if tests { decoded.beside(stepping, answering, kept) } else { decoded.learned };
    let test = [
        MemoryUse { what: "the benchmark", bytes: answering, advice: None },
        MemoryUse { what: "decoded images", bytes: shown, advice: Some("make large images smaller") },
    ];
    let hardest: Vec<MemoryUse> = match (kept, stepping >= sum(&test)) {
        (true, _) => step.into_iter().chain(test).collect(),
        (false, true) => step.to_vec(),
        (false, false) => test.to_vec(),
    };

    let held = held();
    let mut uses = vec![
        MemoryUse { what: "in use now: program, cases, weights", bytes: held, advice: held_smaller(recipe) },
        MemoryUse {
            what: "gradients and optimiser",
            bytes: (trainable.parameters() as u64 * PER_LEARNING_VALUE + trainable.resting as u64 * PER_RESTING_VALUE)
                * VALUE,
            advice: None,
        },
        MemoryUse {
            what: "cached image features",
            bytes: if seeing { 0 } else { cache.min(features(learned + tested) * VALUE) },
            advice: Some("lower `train.feature_cache_gb`"),
        },
        MemoryUse { what: "prefetched images", bytes: PICTURES_KEPT.min(learned * 3), advice: None },
    ];
    uses.extend(hardest);
    uses.retain(|one| one.bytes > 0);
    MemoryEstimate { uses, held, reached: (peak_memory_mib().unwrap_or(0.0) * f64::from(1 << 20)) as u64 }
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

/// Number of values per row or patch.
struct Shapes {
    /// Values kept for the backward pass per decoder row.
    decoder: u64,
    /// Values of `decoder` that belong to the attention of one layer.
    attending: u64,
    /// Additional values kept per predicting row, at the end of the last layer. Other rows do not reach it.
    read: u64,
    /// Values kept for the backward pass per patch in the image encoder.
    patch: u64,
    /// Temporary values per row in the backward pass of the widest layer.
    backward: u64,
    /// Temporary values per patch in the image encoder.
    encode: u64,
}

impl Shapes {
    fn new(recipe: &Recipe, config: &ModelConfig, trainable: &TrainableParameters) -> Self {
        let (text, vision) = (&config.text, &config.vision);
        let (dropout, dora, joined) = match &recipe.tuning {
            Tuning::Lora { lora } => {
                let joined = lora.init_lora_weights == InitLoraWeights::Pissa;
                (lora.lora_dropout > 0.0, lora.use_dora, 1 + usize::from(joined))
            }
            Tuning::Full { .. } => (false, false, 1),
        };
        let [width, inner] = [text.hidden_size, text.intermediate_size];
        let [queries, keys] = [text.query_width(), text.key_width()];
        let decoder = |names: &[&str]| names.iter().any(|name| trainable.module_learns(ModelPart::Decoder, name));
        // A linear layer keeps its input if its weight or adapter is trained. Layers with a common input keep it once.
        // Dropout keeps a mask and the masked input for each layer.
        let input = |names: &[&str], width: usize| {
            let own = if dropout { names.iter().filter(|name| decoder(&[name])).count() * 2 } else { 0 };
            if decoder(names) { width * (1 + own) } else { 0 }
        };
        // A norm keeps its input. A norm with a trained gain consists of operations that keep three more tensors.
        let norm = |part: ModelPart, width: usize| {
            let gains = ["layer_norm1", "layer_norm2", "norm1", "norm2", "input_layernorm", "post_attention_layernorm"];
            if gains.iter().any(|gain| trainable.module_learns(part, gain)) { 4 * width } else { width }
        };
        let further_norm = |exists: bool, width: usize| if exists { norm(ModelPart::Decoder, width) } else { 0 };
        // DoRA keeps the output of each layer before the scaling by the magnitude.
        let given = |part: ModelPart, outputs: &[(&str, usize)]| -> usize {
            let own = outputs.iter().filter(|(name, _)| dora && trainable.module_learns(part, name));
            own.map(|(_, width)| width).sum()
        };
        let attending = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &[("q_proj", queries), ("k_proj", keys), ("v_proj", keys)])
            + input(&["q_proj", "k_proj", "v_proj"], width)
            + 2 * queries // q and the output of attention
            + 2 * keys
            + text.num_attention_heads
            + further_norm(text.qk_norm, queries + keys)
            + further_norm(text.switches.post_norms, width);
        let fed = [("o_proj", width), ("gate_proj", inner), ("up_proj", inner), ("down_proj", width)];
        let feeding = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &fed)
            + input(&["gate_proj", "up_proj"], width)
            + 2 * inner // gate and up
            + input(&["down_proj"], inner)
            + further_norm(text.switches.post_norms, width)
            + joined * ranks(trainable, ModelPart::Decoder);

        let [seen, hidden] = [vision.hidden_size, vision.intermediate_size];
        let kept = |names: &[&str], width: usize| {
            if names.iter().any(|name| trainable.module_learns(ModelPart::Vision, name)) { width } else { 0 }
        };
        let attended = ["q_proj", "k_proj", "v_proj", "qkv"];
        let (inner_names, last_names) =
            (["fc1", "linear_fc1", "gate_proj", "up_proj"], ["fc2", "linear_fc2", "down_proj"]);
        let shown = ["q_proj", "k_proj", "v_proj", "out_proj", "proj", "fc2", "linear_fc2", "down_proj"];
        let shown = shown.map(|name| (name, seen));
        let wide = inner_names.map(|name| (name, hidden));
        // A gate and what it multiplies are kept both.
        let inner_values = if vision.gated { 2 * hidden } else { hidden };
        let vision_layer = norm(ModelPart::Vision, seen)
            + given(ModelPart::Vision, &shown)
            + given(ModelPart::Vision, &wide)
            + given(ModelPart::Vision, &[("qkv", 3 * seen)])
            + kept(&attended, seen)
            + 4 * seen
            + vision.num_attention_heads
            + norm(ModelPart::Vision, seen)
            + kept(&inner_names, seen)
            + inner_values
            + kept(&last_names, hidden)
            + joined * ranks(trainable, ModelPart::Vision);
        // With gradient checkpointing, the input of each block is kept, and the tensors of one block at a time.
        let (decoder, tower) = match recipe.train.gradient_checkpointing {
            true => (
                width * text.num_hidden_layers + attending + feeding,
                // The outputs of the layers of deepstack features, spread evenly, go on beside the hidden state.
                seen * (vision.num_hidden_layers + 1) * (2 + vision.deepstack) / 2 + vision_layer,
            ),
            false => (
                attending * text.num_hidden_layers + feeding * (text.num_hidden_layers - 1),
                vision_layer * vision.num_hidden_layers,
            ),
        };
        Self {
            decoder: decoder as u64,
            attending: attending as u64,
            read: (feeding + 3 * width) as u64,
            patch: tower as u64,
            backward: (3 * inner + 3 * width) as u64,
            encode: (2 * inner_values + 3 * seen) as u64,
        }
    }
}

/// Sum of rank times number of modules over the adapters of a part: the width of all `x A` products together.
fn ranks(trainable: &TrainableParameters, part: ModelPart) -> usize {
    let groups = trainable.groups.iter().filter(|group| group.part == part);
    groups.map(|group| group.rank.unwrap_or(0) * group.modules.len()).sum()
}

/// Resident memory of this process in bytes; 0 if the system does not provide it.
fn held() -> u64 {
    kibibytes("/proc/self/status", "VmRSS:").unwrap_or(0) * 1024
}

/// Returns the number of bytes of memory that this process can still get: the minimum over the machine, the control
/// group, and the process limit (`ulimit -v`). None if the system provides none of them, as outside Linux.
#[must_use]
pub fn available() -> Option<u64> {
    let machine = kibibytes("/proc/meminfo", "MemAvailable:").map(|kibibytes| kibibytes * 1024);
    let number = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = number("/sys/fs/cgroup/memory.max")
        .zip(number("/sys/fs/cgroup/memory.current"))
        .map(|(most, now)| most.saturating_sub(now));
    let own = address_space()
        .zip(kibibytes("/proc/self/status", "VmSize:"))
        .map(|(most, now)| most.saturating_sub(now * 1024));
    machine.into_iter().chain(group).chain(own).min()
}

/// Limit of this process's address space in bytes; None if it is unlimited.
fn address_space() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn kibibytes(path: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use stepwise_testing::recipe::recipe_on;

    use super::*;

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
        let of = |held, reached| MemoryEstimate { uses: vec![one(held), one(30), one(40)], held, reached };
        assert_eq!((of(20, 0).peak(), of(20, 0).to_come()), (90, 70));
        assert_eq!((of(20, 100).peak(), of(20, 100).to_come()), (100, 80));
        // Without `/proc`, no use stands for the memory in use now.
        let unknown = MemoryEstimate { uses: vec![one(30), one(40)], ..MemoryEstimate::default() };
        assert_eq!((unknown.peak(), unknown.to_come()), (70, 70));
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
