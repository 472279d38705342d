//! LoRA settings, in the form of PEFT's `adapter_config.json`.

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Selection of modules, as PEFT's `target_modules` and `exclude_modules` write it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a text or a list of texts is expected")]
pub enum Targets {
    /// Regular expression that must match the whole module name, or `all-linear` for every linear layer.
    Pattern(String),
    /// Module names. An entry `q_proj` selects the module `q_proj` and every module whose name ends in `.q_proj`.
    List(Vec<String>),
}

/// PEFT's `init_lora_weights`: initial values of a newly initialised adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitLoraWeights {
    /// `true`: `lora_A` uniform (Kaiming with a = sqrt 5), `lora_B` zero. The model's outputs do not change.
    #[default]
    Kaiming,
    /// `"gaussian"`: `lora_A` normal with mean 0 and standard deviation `1 / r`, `lora_B` zero.
    Gaussian,
    /// `"pissa"`: principal singular values and vectors of the weight, which are subtracted from the weight (PiSSA,
    /// Meng et al. 2024). The model's outputs do not change except for rounding.
    Pissa,
    /// `false`: both matrices uniform, as PyTorch initialises a linear layer. The model's outputs change at once.
    Random,
}

/// LoRA settings that affect the computation. Keys and meanings are those of PEFT's `LoraConfig`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct LoraConfig {
    /// Rank of the adapters, at least 1.
    pub r: usize,
    /// Numerator of the scale: adapter outputs are multiplied by `lora_alpha / r`, or by `lora_alpha / sqrt(r)`
    /// with `use_rslora`.
    pub lora_alpha: f32,
    /// Probability of dropping an input of an adapter in training, 0 up to, not including, 1.
    #[serde(default)]
    pub lora_dropout: f32,
    /// Modules that receive an adapter.
    pub target_modules: Targets,
    /// Modules that receive no adapter although `target_modules` selects them; `None` excludes nothing.
    #[serde(default)]
    pub exclude_modules: Option<Targets>,
    /// Indices of the layers whose modules receive an adapter; empty for all layers. They restrict a list of
    /// `target_modules`, apart from modules that it names in full. A module outside of layers then receives none.
    #[serde(default, deserialize_with = "one_or_many")]
    pub layers_to_transform: Vec<usize>,
    /// Names of the lists of layers that `layers_to_transform` counts, such as `encoder.layers`: regular expressions before
    /// the index. Modules elsewhere receive no adapter. Empty takes the first number in the name of a module.
    #[serde(default, deserialize_with = "one_or_many")]
    pub layers_pattern: Vec<String>,
    /// Whether the scale is `lora_alpha / sqrt(r)` instead of `lora_alpha / r` (rsLoRA, Kalajdzievski 2023).
    #[serde(default)]
    pub use_rslora: bool,
    /// Ranks that replace `r`, by regular expression over the end of a module name. The first expression that matches
    /// applies; a module that none matches has rank `r`.
    #[serde(default, deserialize_with = "null_is_none")]
    pub rank_pattern: IndexMap<String, usize>,
    /// Numerators that replace `lora_alpha`, by regular expression over the end of a module name. The first expression
    /// that matches applies; a module that none matches has `lora_alpha`.
    #[serde(default, deserialize_with = "null_is_none")]
    pub alpha_pattern: IndexMap<String, f32>,
    /// Initial values of a newly initialised adapter.
    #[serde(default)]
    pub init_lora_weights: InitLoraWeights,
    /// Whether adapters are DoRA: the adapted weight is split into magnitude and direction (Liu et al. 2024).
    #[serde(default)]
    pub use_dora: bool,
    /// Modules that are trained and saved in full instead of by an adapter, named by whole name or last parts. Empty
    /// trains adapters only.
    #[serde(default, deserialize_with = "null_is_none")]
    pub modules_to_save: Vec<String>,
}

impl LoraConfig {
    /// Creates a config with rank `r`, and with PEFT's defaults for all settings that are not arguments.
    #[must_use]
    pub fn new(r: usize, lora_alpha: f32, target_modules: Targets) -> Self {
        Self {
            r,
            lora_alpha,
            lora_dropout: 0.0,
            target_modules,
            exclude_modules: None,
            layers_to_transform: Vec::new(),
            layers_pattern: Vec::new(),
            use_rslora: false,
            rank_pattern: IndexMap::new(),
            alpha_pattern: IndexMap::new(),
            init_lora_weights: InitLoraWeights::default(),
            use_dora: false,
            modules_to_save: Vec::new(),
        }
    }

    /// Returns the scale of an adapter: `alpha / rank`, or `alpha / sqrt(rank)` with rsLoRA.
    pub(super) fn scale(&self, rank: usize, alpha: f32) -> f32 {
        let rank = rank as f32;
        alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }

    /// Returns the config with every rank doubled and every `alpha` raised so that scales stay the same.
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

/// Reads `null` as the default: PEFT writes `null` for an empty table or list.
fn null_is_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a value, a list of values, or `null` as an empty list, as PEFT accepts them for layers.
fn one_or_many<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a value or a list of values is expected")]
    enum OneOrMany<T> {
        One(T),
        Many(Vec<T>),
    }
    Ok(match Option::deserialize(deserializer)? {
        None => Vec::new(),
        Some(OneOrMany::One(value)) => vec![value],
        Some(OneOrMany::Many(values)) => values,
    })
}

impl<'de> Deserialize<'de> for InitLoraWeights {
    /// Reads every other value, such as `true` or `"eva"`, as [`Self::Kaiming`]. Those initialisations leave the base
    /// weights unchanged, so they do not matter for an adapter that is already trained.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Value::deserialize(deserializer)? {
            Value::Bool(false) => Self::Random,
            Value::String(way) if way == "gaussian" => Self::Gaussian,
            Value::String(way) if way == "pissa" => Self::Pissa,
            _ => Self::Kaiming,
        })
    }
}
