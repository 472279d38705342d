//! `finetuning_type` with its table: `[lora]` or `[full]`.

use serde::Serialize;

use super::document::Value;
use super::kind::ValueKind;
use super::section::{Choice, Section};

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finetuning_type", rename_all = "lowercase")]
pub enum Tuning {
    /// Low-rank adapters; the base stays as it is.
    Lora {
        /// `[lora]`.
        lora: Lora,
    },
    /// The model's own weights.
    Full {
        /// `[full]`.
        full: Full,
    },
}

/// `[lora]`, with PEFT's names and meanings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lora {
    /// Rank.
    pub r: u32,
    /// The update is scaled by `lora_alpha / r` (by `lora_alpha / sqrt(r)` with `use_rslora`).
    pub lora_alpha: u32,
    /// Share of an adapter's inputs that is dropped while training.
    pub lora_dropout: f64,
    /// Which linear layers get an adapter.
    pub target_modules: TargetModules,
    /// Which of them do not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<TargetModules>,
    /// Scales by the square root of the rank.
    pub use_rslora: bool,
    /// No adapters in the vision tower.
    pub freeze_vision_tower: bool,
    /// No adapters in the connector.
    pub freeze_multi_modal_projector: bool,
}

/// A choice of modules as PEFT writes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// A string: `all-linear`, or a regular expression that must match a module's whole name.
    Pattern(String),
    /// A list: a module is meant when its name equals an element or ends in a dot and it.
    Suffixes(Vec<String>),
}

impl TargetModules {
    /// PEFT's word for every linear layer except the output head.
    pub const ALL_LINEAR: &'static str = "all-linear";
}

/// `[full]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Full {
    /// Keeps the vision tower as it is.
    pub freeze_vision_tower: bool,
    /// Keeps the connector as it is.
    pub freeze_multi_modal_projector: bool,
    /// Keeps the decoder as it is.
    pub freeze_language_model: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lora,
    Full,
}

impl Choice for Kind {
    const WORDS: &'static [(&'static str, Self)] = &[("lora", Self::Lora), ("full", Self::Full)];
}

const VISION: &str = "Keeps the vision tower as it is; its features are then computed once an image.";
const CONNECTOR: &str = "Keeps the connector between vision tower and decoder as it is.";

pub(super) fn read(top: &mut Section<'_>) -> Tuning {
    let kind = top.choice("finetuning_type", Kind::Lora, "Trains low-rank adapters, or the model's own weights.");
    let lora_section = top.section("lora").about("Low-rank adapters, with PEFT's names and meanings.");
    let full_section = top.section("full").about("Training of the model's own weights.");
    let (unused, name, used) = match kind {
        Kind::Lora => (&full_section, "full", "lora"),
        Kind::Full => (&lora_section, "lora", "full"),
    };
    if unused.at.is_some() {
        let help = format!("remove `[{name}]`, or set `finetuning_type = \"{name}\"`");
        unused.report(None, format!("`[{name}]` has no effect with `finetuning_type = \"{used}\"`"), help);
    }
    let (lora, full) = (read_lora(lora_section), read_full(full_section));
    match kind {
        Kind::Lora => Tuning::Lora { lora },
        Kind::Full => Tuning::Full { full },
    }
}

fn read_lora(mut section: Section<'_>) -> Lora {
    let r = section.integer("r", 8, 1..=4096, "Rank of the update.") as u32;
    let lora = Lora {
        r,
        lora_alpha: section
            .integer_or("lora_alpha", Some("twice `r`"), 1..=65536, "The update is scaled by `lora_alpha / r`.")
            .map_or(2 * r, |alpha| alpha as u32),
        lora_dropout: section.float("lora_dropout", 0.0, 0.0..1.0, "Share of an adapter's inputs that is dropped."),
        target_modules: modules(
            &mut section,
            "target_modules",
            Some(TargetModules::ALL_LINEAR),
            "Layers that get an adapter: a list of name endings, a regular expression, or `all-linear`.",
        )
        .unwrap_or_else(|| TargetModules::Pattern(TargetModules::ALL_LINEAR.into())),
        exclude_modules: modules(
            &mut section,
            "exclude_modules",
            None,
            "Layers that get none although `target_modules` names them.",
        ),
        use_rslora: section.flag("use_rslora", false, "Scales by `lora_alpha / sqrt(r)` instead."),
        freeze_vision_tower: section.flag("freeze_vision_tower", true, VISION),
        freeze_multi_modal_projector: section.flag("freeze_multi_modal_projector", true, CONNECTOR),
    };
    section.finish();
    lora
}

fn read_full(mut section: Section<'_>) -> Full {
    let full = Full {
        freeze_vision_tower: section.flag("freeze_vision_tower", true, VISION),
        freeze_multi_modal_projector: section.flag("freeze_multi_modal_projector", true, CONNECTOR),
        freeze_language_model: section.flag("freeze_language_model", false, "Keeps the decoder as it is."),
    };
    if full == (Full { freeze_vision_tower: true, freeze_multi_modal_projector: true, freeze_language_model: true }) {
        section.report(
            None,
            "every part is frozen, nothing would be trained",
            "set one of the `freeze_` keys to false",
        );
    }
    section.finish();
    full
}

fn modules(
    section: &mut Section<'_>,
    key: &'static str,
    default: Option<&str>,
    help: &'static str,
) -> Option<TargetModules> {
    const ACCEPTS: &str = "a string or a list of strings";
    let default = default.map(|default| format!("\"{default}\""));
    let accepts = ValueKind::Either(vec![ValueKind::Text, ValueKind::list(ValueKind::Text)]).called(ACCEPTS);
    let node = section.take(key, accepts, default, help)?;
    match &node.value {
        Value::Text(text) if !text.is_empty() => return Some(TargetModules::Pattern(text.clone())),
        Value::List(elements) if !elements.is_empty() => {
            let mut names = Vec::new();
            for element in elements {
                match &element.value {
                    Value::Text(name) if !name.is_empty() => names.push(name.clone()),
                    Value::Text(_) => {
                        section.report(Some(&element.at), format!("`{key}` has an empty name"), "remove it")
                    }
                    _ => section.mismatch(element, key, ACCEPTS),
                }
            }
            return Some(TargetModules::Suffixes(names));
        }
        Value::Text(_) | Value::List(_) => {
            section.report(
                Some(&node.at),
                format!("`{key}` is empty"),
                "name at least one module, or leave the key out",
            );
        }
        _ => section.mismatch(&node, key, ACCEPTS),
    }
    None
}
