//! `adapter_config.json` of PEFT.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Which modules: a list of names or their ends, a regular expression over whole names, or `"all-linear"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// A regular expression over the whole name, or `all-linear`.
    Pattern(String),
    /// Names, whole or their last parts.
    List(Vec<String>),
}

/// PEFT's `init_lora_weights`: what a fresh adapter's matrices are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitLoraWeights {
    /// `true`: `lora_A` uniform (Kaiming with a = sqrt 5), `lora_B` zero: the model answers as before.
    #[default]
    Kaiming,
    /// `"gaussian"`: `lora_A` normal with deviation `1 / r`, `lora_B` zero.
    Gaussian,
    /// `"pissa"`: the weight's principal singular vectors, which are taken off the weight (Meng et al. 2024).
    Pissa,
    /// `false`: both uniform as the weights of a fresh linear layer: the model answers otherwise at once.
    Random,
}

/// The parts of a LoRA config that decide arithmetic.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoraConfig {
    /// Rank.
    pub r: usize,
    /// Numerator of the scale.
    pub lora_alpha: f32,
    /// Share of the adapter's inputs dropped in training.
    #[serde(default)]
    pub lora_dropout: f32,
    /// Modules that get an adapter.
    pub target_modules: Targets,
    /// Modules that get none although targeted.
    #[serde(default)]
    pub exclude_modules: Option<Targets>,
    /// Divides by the square root of the rank (Kalajdzievski 2023).
    #[serde(default)]
    pub use_rslora: bool,
    /// Ranks of modules that have another than `r`; the first name that fits counts.
    #[serde(default, deserialize_with = "null_is_none")]
    pub rank_pattern: IndexMap<String, usize>,
    /// Numerators of modules that have another than `lora_alpha`; the first name that fits counts.
    #[serde(default, deserialize_with = "null_is_none")]
    pub alpha_pattern: IndexMap<String, f32>,
    /// What a fresh adapter's matrices are.
    #[serde(default)]
    pub init_lora_weights: InitLoraWeights,
    /// Splits the adapted weight into magnitude and direction (Liu et al. 2024).
    #[serde(default)]
    pub use_dora: bool,
    /// Modules that are trained and saved whole.
    #[serde(default, deserialize_with = "null_is_none")]
    pub modules_to_save: Vec<String>,
}

impl LoraConfig {
    /// A config with PEFT's defaults for all else.
    #[must_use]
    pub fn new(r: usize, lora_alpha: f32, target_modules: Targets) -> Self {
        Self {
            r,
            lora_alpha,
            lora_dropout: 0.0,
            target_modules,
            exclude_modules: None,
            use_rslora: false,
            rank_pattern: IndexMap::new(),
            alpha_pattern: IndexMap::new(),
            init_lora_weights: InitLoraWeights::default(),
            use_dora: false,
            modules_to_save: Vec::new(),
        }
    }

    /// What the product of an adapter of this rank and numerator is multiplied by.
    pub(super) fn scale(&self, rank: usize, alpha: f32) -> f32 {
        let rank = rank as f32;
        alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Of the same adapter with every rank doubled and no product multiplied by anything else than before.
    pub(super) fn doubled(&self) -> Self {
        let by = if self.use_rslora { std::f32::consts::SQRT_2 } else { 2.0 };
        Self {
            r: 2 * self.r,
            lora_alpha: by * self.lora_alpha,
            rank_pattern: self.rank_pattern.iter().map(|(name, rank)| (name.clone(), 2 * rank)).collect(),
            alpha_pattern: self.alpha_pattern.iter().map(|(name, alpha)| (name.clone(), by * alpha)).collect(),
            ..self.clone()
        }
    }
}

/// PEFT writes `null` where it means nothing.
fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for InitLoraWeights {
    /// Ways to initialise that leave the weights under the adapter as they are make no difference once it is trained.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Bool(false) => Self::Random,
            Value::String(way) if way == "gaussian" => Self::Gaussian,
            Value::String(way) if way == "pissa" => Self::Pissa,
            _ => Self::Kaiming,
        })
    }
}
