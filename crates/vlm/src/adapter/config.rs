//! `adapter_config.json` of PEFT.

use serde::{Deserialize, Serialize};

/// Which modules: a list of names or their ends, a regular expression over whole names, or `"all-linear"`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Targets {
    /// A regular expression over the whole name, or `all-linear`.
    Pattern(String),
    /// Names, whole or their last parts.
    List(Vec<String>),
}

/// The parts of a LoRA config that decide arithmetic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
}

impl LoraConfig {
    /// What the adapter's product is multiplied by.
    #[must_use]
    pub fn scale(&self) -> f32 {
        let rank = self.r as f32;
        self.lora_alpha / if self.use_rslora { rank.sqrt() } else { rank }
    }
}
