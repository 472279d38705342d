//! `finetuning_type` with its table: `[lora]` or `[full]`.

use indexmap::IndexMap;
use serde::Serialize;
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::{Section, Words};

use super::freeze::Freeze;
use super::init_lora_weights::{self, InitLoraWeights};

/// What is trained.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finetuning_type", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // A recipe has one.
pub enum Tuning {
    /// Low-rank adapters; the base stays as it is.
    LoraRecipe {
        /// `[lora]`.
        lora: LoraRecipe,
    },
    /// The model's own weights.
    Full {
        /// `[full]`.
        full: Full,
    },
}

impl Tuning {
    /// The parts that it trains nothing of.
    #[must_use]
    pub fn freeze(&self) -> Freeze {
        match self {
            Self::LoraRecipe { lora } => Freeze {
                vision: lora.freeze_vision_tower,
                connector: lora.freeze_multi_modal_projector,
                decoder: false,
            },
            Self::Full { full } => Freeze {
                vision: full.freeze_vision_tower,
                connector: full.freeze_multi_modal_projector,
                decoder: full.freeze_language_model,
            },
        }
    }

    /// The name of its table.
    pub(super) const fn table(&self) -> &'static str {
        match self {
            Self::LoraRecipe { .. } => "lora",
            Self::Full { .. } => "full",
        }
    }
}

/// `[lora]`, with PEFT's names and meanings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoraRecipe {
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
    /// Learns the magnitude of every adapted weight apart from its direction.
    pub use_dora: bool,
    /// What a fresh adapter's matrices are.
    pub init_lora_weights: InitLoraWeights,
    /// How many times the learning rate `lora_B` learns with (LoRA+); all learn alike when unset.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loraplus_lr_ratio: Option<f64>,
    /// Modules that are trained whole, by whole names or their ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// No adapters in the vision tower.
    pub freeze_vision_tower: bool,
    /// No adapters in the connector.
    pub freeze_multi_modal_projector: bool,
    /// Ranks of modules that have another than `r`.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub rank_pattern: IndexMap<String, u32>,
    /// `lora_alpha` of modules that have another.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub alpha_pattern: IndexMap<String, u32>,
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
    LoraRecipe,
    Full,
}

const FINETUNING_TYPES: Words<Kind> = &[("lora", Kind::LoraRecipe), ("full", Kind::Full)];

const VISION: &str = "Keeps the vision tower as it is; its features are then computed once an image.";
const CONNECTOR: &str = "Keeps the connector between vision tower and decoder as it is.";

pub(super) fn read(top: &mut Section<'_>) -> Tuning {
    let kind = top.choice(
        "finetuning_type",
        FINETUNING_TYPES,
        Kind::LoraRecipe,
        "Trains low-rank adapters, or the model's own weights.",
    );
    let lora_section = top.section("lora").about("Low-rank adapters, with PEFT's names and meanings.");
    let full_section = top.section("full").about("Training of the model's own weights.");
    let (unused, name, used) = match kind {
        Kind::LoraRecipe => (&full_section, "full", "lora"),
        Kind::Full => (&lora_section, "lora", "full"),
    };
    if unused.at.is_some() {
        let help = format!("remove `[{name}]`, or set `finetuning_type = \"{name}\"`");
        unused.report(None, format!("`[{name}]` has no effect with `finetuning_type = \"{used}\"`"), help);
    }
    let (lora, full) = (read_lora(lora_section), read_full(full_section));
    match kind {
        Kind::LoraRecipe => Tuning::LoraRecipe { lora },
        Kind::Full => Tuning::Full { full },
    }
}

fn read_lora(mut section: Section<'_>) -> LoraRecipe {
    let dora_at = section.at("use_dora");
    let r = section.integer("r", 8, 1..=4096, "Rank of the update.") as u32;
    let lora = LoraRecipe {
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
        use_dora: section.flag("use_dora", false, "Learns every adapted weight's magnitude apart from its direction."),
        init_lora_weights: init_lora_weights::read(&mut section),
        loraplus_lr_ratio: section.float_or(
            "loraplus_lr_ratio",
            Some("`lora_B` learns as `lora_A` does"),
            1.0..,
            "LoRA+: `lora_B`, and vectors, learn with so many times the learning rate.",
        ),
        modules_to_save: texts(&mut section, "modules_to_save", "Modules that are trained and saved whole."),
        rank_pattern: pattern(&mut section, "rank_pattern", 4096, "Ranks of modules that have another than `r`."),
        alpha_pattern: pattern(
            &mut section,
            "alpha_pattern",
            65536,
            "Values of `lora_alpha` of modules that have another.",
        ),
        freeze_vision_tower: section.flag("freeze_vision_tower", true, VISION),
        freeze_multi_modal_projector: section.flag("freeze_multi_modal_projector", true, CONNECTOR),
    };
    if lora.use_dora && lora.init_lora_weights == InitLoraWeights::Pissa {
        section.report(
            dora_at.as_ref(),
            "`use_dora` and `init_lora_weights = \"pissa\"` are both given",
            "keep one of them: what PiSSA saves is plain LoRA, which has no magnitudes",
        );
    }
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
            return Some(TargetModules::Suffixes(names(section, key, elements, ACCEPTS)));
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

fn names(section: &Section<'_>, key: &'static str, elements: &[Node], accepts: &str) -> Vec<String> {
    let mut names = Vec::new();
    for element in elements {
        match &element.value {
            Value::Text(name) if !name.is_empty() => names.push(name.clone()),
            Value::Text(_) => section.report(Some(&element.at), format!("`{key}` has an empty name"), "remove it"),
            _ => section.mismatch(element, key, accepts),
        }
    }
    names
}

fn texts(section: &mut Section<'_>, key: &'static str, help: &'static str) -> Vec<String> {
    const ACCEPTS: &str = "a list of strings";
    let accepts = ValueKind::list(ValueKind::Text).called(ACCEPTS);
    match section.take(key, accepts, None, help) {
        None => Vec::new(),
        Some(Node { value: Value::List(elements), .. }) => names(section, key, &elements, ACCEPTS),
        Some(node) => {
            section.mismatch(&node, key, ACCEPTS);
            Vec::new()
        }
    }
}

/// Whole numbers by module: a regular expression that fits a module's whole name, or its end from a dot on.
fn pattern(section: &mut Section<'_>, key: &'static str, most: u64, help: &'static str) -> IndexMap<String, u32> {
    const ACCEPTS: &str = "a table of module names or regular expressions, each with a whole number";
    let accepts = ValueKind::Map(Box::new(ValueKind::Integer(1, most))).called(ACCEPTS);
    let Some(node) = section.take(key, accepts, None, help) else { return IndexMap::new() };
    let Value::Table(entries) = &node.value else {
        section.mismatch(&node, key, ACCEPTS);
        return IndexMap::new();
    };
    let mut found = IndexMap::new();
    for (name, entry) in entries {
        match entry.node.value {
            Value::Integer(number) if (1..=i128::from(most)).contains(&number) => {
                found.insert(name.clone(), number as u32);
            }
            Value::Integer(number) => section.report(
                Some(&entry.node.at),
                format!("`{key}` of `{name}` cannot be {number}"),
                format!("write a number, at least 1 and at most {most}"),
            ),
            _ => section.mismatch(&entry.node, key, "a whole number"),
        }
    }
    found
}
