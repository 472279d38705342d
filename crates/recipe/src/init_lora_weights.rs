//! Reads `init_lora_weights`: a flag or a word, as in PEFT.

use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::section::Section;

/// Initial values of the matrices of a newly initialised adapter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitLoraWeights {
    /// `true`: `lora_A` uniform (Kaiming), `lora_B` zero. The model's outputs do not change at first.
    #[default]
    True,
    /// `"gaussian"`: `lora_A` normal, `lora_B` zero. The model's outputs do not change at first.
    Gaussian,
    /// `"pissa"`: principal singular values and vectors of the weight, which are subtracted from the weight (PiSSA,
    /// Meng et al. 2024). The model's outputs do not change at first except for rounding.
    Pissa,
    /// `false`: both matrices uniform. The model's outputs change at once.
    False,
}

impl Serialize for InitLoraWeights {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::True => serializer.serialize_bool(true),
            Self::False => serializer.serialize_bool(false),
            Self::Gaussian => serializer.serialize_str("gaussian"),
            Self::Pissa => serializer.serialize_str("pissa"),
        }
    }
}

const KEY: &str = "init_lora_weights";

/// Reads `init_lora_weights`. A wrong value is reported and gives the default.
pub(super) fn read(section: &mut Section<'_>) -> InitLoraWeights {
    const ACCEPTS: &str = "true, false, \"gaussian\" or \"pissa\"";
    let words = ValueKind::Word(vec!["gaussian", "pissa"]);
    let accepts = ValueKind::Either(vec![ValueKind::Flag, words]).called(ACCEPTS);
    let help = "A newly initialised adapter changes nothing at first (`true`, \"gaussian\"), is random (`false`), or starts with \
                the weight's principal singular vectors (\"pissa\", saved as plain LoRA of twice the rank).";
    let Some(node) = section.take(KEY, accepts, Some("true".into()), help) else { return InitLoraWeights::True };
    match &node.value {
        Value::Flag(true) => InitLoraWeights::True,
        Value::Flag(false) => InitLoraWeights::False,
        Value::Text(word) if word == "gaussian" => InitLoraWeights::Gaussian,
        Value::Text(word) if word == "pissa" => InitLoraWeights::Pissa,
        Value::Text(word) => {
            section.report(Some(&node.at), format!("`{KEY}` cannot be \"{word}\""), format!("write {ACCEPTS}"));
            InitLoraWeights::True
        }
        _ => {
            section.mismatch(&node, KEY, ACCEPTS);
            InitLoraWeights::True
        }
    }
}
