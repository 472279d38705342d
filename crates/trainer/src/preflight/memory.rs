//! How much memory a run will need at most, and what for.
//!
//! What is held before the first step (program, cases, weights) is measured, the rest is counted: the tensors that each
//! operation of `stepwise-ops` keeps for its backward, times the rows of the largest micro-batch. Everything is f32.

use std::fs;

use crate::recipe_to_model::base_precision;
use stepwise_recipe::{InitLoraWeights, Recipe, Suite, Tuning};
use stepwise_vlm::Precision;
use stepwise_vlm::idefics3::ModelPart;
use stepwise_vlm::idefics3::config::ModelConfig;

use crate::environment::peak_memory_mib;
use crate::parameters::Inventory;
use crate::preflight::token_stats::Largest;

/// Bytes of a value.
const VALUE: u64 = 4;

/// Bytes of cut pictures that lessons keep at most, and the pictures of the steps read ahead.
const PICTURES_KEPT: u64 = crate::batches::examples::PICTURE_BYTES as u64;

/// Rows scored at once by the benchmark; answers to a question share their beginning.
const SCORED_ROWS: u64 = 8192;

/// Bytes of the largest piece that the allocator keeps once it is freed ([`stepwise_vlm::keep_freed_memory`]).
const LARGEST_KEPT: u64 = 32 << 20;

/// Rows of the decoder that an attack on one picture differentiates: a question and its options.
const ATTACKED_ROWS: u64 = 512;

/// Rows whose logits exist at once.
const LOGIT_ROWS: u64 = 64;

/// Values that AdamW and the gradients take for each one that learns: two moments, the gradient, its sum over micro-batches,
/// and the new value beside the old one.
const PER_LEARNING_VALUE: u64 = 5;

/// Those that one takes which rests in a phase: its moments.
const PER_RESTING_VALUE: u64 = 2;

/// A use of memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// What for.
    pub what: &'static str,
    /// Bytes.
    pub bytes: u64,
    /// What to do about it, if anything can be done.
    pub advice: Option<&'static str>,
}

/// How much a run will need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Estimate {
    /// What adds up at the moment that needs most: a step, the benchmark, or both.
    pub uses: Vec<Use>,
    /// What the process has held at most so far, which is more only where loading was the hardest.
    pub reached: u64,
}

impl Estimate {
    /// Bytes held at the hardest moment.
    #[must_use]
    pub fn peak(&self) -> u64 {
        self.uses.iter().map(|one| one.bytes).sum::<u64>().max(self.reached)
    }

    /// Bytes beyond what is held already.
    #[must_use]
    pub fn to_come(&self) -> u64 {
        self.peak().saturating_sub(self.uses.first().map_or(0, |held| held.bytes))
    }

    /// What to do, the largest use first.
    #[must_use]
    pub fn advice(&self) -> String {
        let mut uses: Vec<&Use> = self.uses.iter().collect();
        uses.sort_by_key(|one| std::cmp::Reverse(one.bytes));
        let advice: Vec<&str> = uses.iter().filter_map(|one| one.advice).collect();
        match advice.is_empty() {
            true => "take a machine with more memory".to_owned(),
            false => advice.join(", then "),
        }
    }
}

/// Tiles of the pictures of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pictures {
    /// Of all that lessons show.
    pub learned: u64,
    /// Of all that the benchmark shows.
    pub tested: u64,
    /// Of the one that has most.
    pub most: u64,
}

/// What a run needs, from what is known before its first step.
#[must_use]
pub fn estimate(
    recipe: &Recipe,
    config: &ModelConfig,
    inventory: &Inventory,
    largest: &Largest,
    pictures: Pictures,
) -> Estimate {
    let Pictures { learned, tested, most } = pictures;
    let Shapes { decoder, attending, read, tile, backward, encode } = Shapes::new(recipe, config, inventory);
    let rows = largest.rows as u64;
    let seeing = inventory.learns(ModelPart::Vision) || inventory.learns(ModelPart::Connector);
    let tile_bytes = 3 * (config.vision.image_size as u64).pow(2);
    let feature = (config.features_per_tile() * config.text.hidden_size) as u64 * VALUE;
    let cache = (recipe.train.feature_cache_gb * f64::from(1 << 30)) as u64;

    let of_rows = (rows * decoder + largest.predictions as u64 * read) * VALUE;
    let of_tiles = if seeing { largest.tiles as u64 * tile * VALUE } else { 0 };
    // Few rows pass through the end of the last layer; before the others do, what that layer kept is free again.
    let passing = (largest.predictions as u64 * backward).max(rows * backward.saturating_sub(attending));
    let logits = LOGIT_ROWS.min(largest.predictions as u64) * config.text.vocab_size as u64 * VALUE;
    let step = [
        Use {
            what: "kept for the backward pass",
            bytes: of_rows,
            advice: Some(match recipe.train.gradient_checkpointing {
                true => "lower `train.per_device_train_batch_size`",
                false => "lower `train.per_device_train_batch_size` or set `train.gradient_checkpointing = true`",
            }),
        },
        Use {
            what: "kept of the image encoder",
            bytes: of_tiles,
            advice: (most > 1).then_some("set `do_image_splitting = false`"),
        },
        Use { what: "passing through", bytes: (passing + encode) * VALUE + logits, advice: None },
    ];
    let wide = (2 * config.text.hidden_size + 3 * config.text.intermediate_size) as u64;
    // Attacks differentiate a picture's pixels through image encoder and decoder.
    let attack = (tile + encode) * most + ATTACKED_ROWS * decoder;
    let test = [Use {
        what: "the benchmark",
        bytes: if recipe.benchmark.suite != Suite::None { (SCORED_ROWS * wide).max(attack) * VALUE } else { 0 },
        advice: None,
    }];
    let sum = |uses: &[Use]| uses.iter().map(|one| one.bytes).sum::<u64>();
    // What the benchmark frees in pieces that the allocator keeps fits the pieces of a step but by chance.
    let kept = SCORED_ROWS * config.text.intermediate_size as u64 * VALUE <= LARGEST_KEPT;
    let hardest: Vec<Use> = match (kept, sum(&step) >= sum(&test)) {
        (true, _) => step.into_iter().chain(test).collect(),
        (false, true) => step.to_vec(),
        (false, false) => test.to_vec(),
    };

    let mut uses = vec![
        Use { what: "held now: program, cases, weights", bytes: held(), advice: held_smaller(recipe) },
        Use {
            what: "gradients and optimiser",
            bytes: (inventory.parameters() as u64 * PER_LEARNING_VALUE + inventory.resting as u64 * PER_RESTING_VALUE)
                * VALUE,
            advice: None,
        },
        Use {
            what: "image features remembered",
            bytes: if seeing { 0 } else { cache.min((learned + tested) * feature) },
            advice: Some("lower `train.feature_cache_gb`"),
        },
        Use { what: "pictures read ahead", bytes: PICTURES_KEPT.min(learned * tile_bytes), advice: None },
    ];
    uses.extend(hardest);
    uses.retain(|one| one.bytes > 0);
    Estimate { uses, reached: (peak_memory_mib().unwrap_or(0.0) * f64::from(1 << 20)) as u64 }
}

/// In what less memory the base could be held; only frozen weights can.
fn held_smaller(recipe: &Recipe) -> Option<&'static str> {
    let Tuning::Lora { lora } = &recipe.tuning else { return None };
    match base_precision(&recipe.train) {
        Precision::F32 => Some("set `train.bf16 = true`"),
        // Singular vectors are not taken off weights in four bits.
        Precision::Bf16 => {
            (lora.init_lora_weights != InitLoraWeights::Pissa).then_some("set `train.load_in_4bit = true`")
        }
        Precision::Nf4 { .. } => None,
    }
}

/// Values a row or tile takes.
struct Shapes {
    /// Kept for the backward pass by every row of the decoder.
    decoder: u64,
    /// Of that, the part of one layer's attention.
    attending: u64,
    /// The same beyond that by a row that predicts: the last layer's end, which others do not reach.
    read: u64,
    /// Kept by every tile in the image encoder.
    tile: u64,
    /// Passing through the backward pass of the widest layer, by row.
    backward: u64,
    /// Passing through the image encoder, by tile.
    encode: u64,
}

impl Shapes {
    fn new(recipe: &Recipe, config: &ModelConfig, inventory: &Inventory) -> Self {
        let (text, vision) = (&config.text, &config.vision);
        let (dropout, dora, joined) = match &recipe.tuning {
            Tuning::Lora { lora } => {
                let joined = lora.init_lora_weights == InitLoraWeights::Pissa;
                (lora.lora_dropout > 0.0, lora.use_dora, 1 + usize::from(joined))
            }
            Tuning::Full { .. } => (false, false, 1),
        };
        let [width, inner] = [text.hidden_size, text.intermediate_size];
        let [queries, keys] = [text.num_attention_heads * text.head_dim(), text.kv_heads() * text.head_dim()];
        let decoder = |names: &[&str]| names.iter().any(|name| inventory.module_learns(ModelPart::Decoder, name));
        // A linear layer keeps its input where it, or its adapter, learns; layers with one input keep it once. Dropout
        // keeps a mask and the masked input of each.
        let input = |names: &[&str], width: usize| {
            let own = if dropout { names.iter().filter(|name| decoder(&[name])).count() * 2 } else { 0 };
            if decoder(names) { width * (1 + own) } else { 0 }
        };
        // A norm keeps its input; one whose gain learns is composed of operations that keep three more.
        let norm = |part: ModelPart, width: usize| {
            let gains = ["layer_norm1", "layer_norm2", "input_layernorm", "post_attention_layernorm"];
            if gains.iter().any(|gain| inventory.module_learns(part, gain)) { 4 * width } else { width }
        };
        // DoRA keeps what each of its layers gives before the magnitude scales it.
        let given = |part: ModelPart, outputs: &[(&str, usize)]| -> usize {
            let own = outputs.iter().filter(|(name, _)| dora && inventory.module_learns(part, name));
            own.map(|(_, width)| width).sum()
        };
        let attending = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &[("q_proj", queries), ("k_proj", keys), ("v_proj", keys)])
            + input(&["q_proj", "k_proj", "v_proj"], width)
            + 2 * queries // q, and what attention gives
            + 2 * keys
            + text.num_attention_heads;
        let fed = [("o_proj", width), ("gate_proj", inner), ("up_proj", inner), ("down_proj", width)];
        let feeding = norm(ModelPart::Decoder, width)
            + given(ModelPart::Decoder, &fed)
            + input(&["gate_proj", "up_proj"], width)
            + 2 * inner // gate and up
            + input(&["down_proj"], inner)
            + joined * ranks(inventory, ModelPart::Decoder);

        let patches = vision.patches_per_side().pow(2);
        let [seen, hidden] = [vision.hidden_size, vision.intermediate_size];
        let kept = |names: &[&str], width: usize| {
            if names.iter().any(|name| inventory.module_learns(ModelPart::Vision, name)) { width } else { 0 }
        };
        let shown = ["q_proj", "k_proj", "v_proj", "out_proj", "fc2"].map(|name| (name, seen));
        let vision_layer = norm(ModelPart::Vision, seen)
            + given(ModelPart::Vision, &shown)
            + given(ModelPart::Vision, &[("fc1", hidden)])
            + kept(&["q_proj", "k_proj", "v_proj"], seen)
            + 4 * seen
            + vision.num_attention_heads
            + norm(ModelPart::Vision, seen)
            + kept(&["fc1"], seen)
            + hidden
            + kept(&["fc2"], hidden)
            + joined * ranks(inventory, ModelPart::Vision);
        let pixels = 3 * vision.image_size.pow(2);
        // With gradient checkpointing what goes into each block is kept, and one block's own at a time.
        let (decoder, tower) = match recipe.train.gradient_checkpointing {
            true => (
                width * text.num_hidden_layers + attending + feeding,
                seen * (vision.num_hidden_layers + 1) + vision_layer,
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
            tile: (tower * patches + 3 * pixels) as u64,
            backward: (3 * inner + 3 * width) as u64,
            encode: ((2 * hidden + 3 * seen) * patches + 2 * pixels) as u64,
        }
    }
}

/// Mean over layers of what `x A` takes by row: the ranks of a layer's adapters.
fn ranks(inventory: &Inventory, part: ModelPart) -> usize {
    let groups = inventory.groups.iter().filter(|group| group.part == part);
    groups.map(|group| group.rank.unwrap_or(0) * group.modules.len()).sum()
}

/// What the process holds at this moment, where the system tells.
fn held() -> u64 {
    kibibytes("/proc/self/status", "VmRSS:").unwrap_or(0) * 1024
}

/// What the system could give at this moment, where it tells: of the machine, of the group of processes it is bound to, and
/// within the limit set for this process (`ulimit -v`).
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

/// Bytes of addresses this process may use; none where that is not limited.
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
    use std::path::Path;

    use super::*;

    #[test]
    fn what_takes_most_is_advised_upon_first() {
        let one = |bytes, advice| Use { what: "", bytes, advice };
        let of = |uses| Estimate { uses, reached: 0 }.advice();
        assert_eq!(of(vec![one(1, Some("a")), one(3, Some("b")), one(2, None)]), "b, then a");
        assert_eq!(of(vec![one(2, None)]), "take a machine with more memory");
    }

    #[test]
    fn nobody_is_advised_what_the_recipe_has_or_may_not_have() {
        let advised = |more: &str| {
            let text = format!(
                "model_name_or_path = \"m\"\noutput_dir = \"o\"\n{more}\n[data]\nsynth = {{ cases = 12 }}\n\
                 [[curriculum.phase]]\nstages = [1]\n[benchmark]\nsuite = \"none\"\n"
            );
            let recipe = Recipe::parse(Path::new("r.toml"), text, &[]).unwrap_or_else(|error| panic!("{error}"));
            held_smaller(&recipe)
        };
        assert_eq!(advised(""), Some("set `train.bf16 = true`"));
        assert_eq!(advised("train.bf16 = true"), Some("set `train.load_in_4bit = true`"));
        assert_eq!(advised("train.bf16 = true\nlora.init_lora_weights = \"pissa\""), None);
        assert_eq!(advised("train.load_in_4bit = true"), None);
        assert_eq!(advised("finetuning_type = \"full\""), None);
    }
}
