//! Reads `finetuning_type` and its table: `[lora]` or `[full]`.

use indexmap::IndexMap;
use serde::Serialize;
use stepwise_config::document::{Node, Value};
use stepwise_config::kind::ValueKind;
use stepwise_config::section::{Section, Words};

use super::continued_adapter::ContinuedAdapter;
use super::freeze::Freeze;
use super::init_lora_weights::{self, InitLoraWeights};

/// Kind of training (`finetuning_type`): adapters, or the model's own weights.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "finetuning_type", rename_all = "lowercase")]
#[allow(clippy::large_enum_variant)] // There is one value per recipe.
pub enum Tuning {
    /// Low-rank adapters. The base stays frozen, except modules in `modules_to_save`.
    Lora {
        /// Table `[lora]`.
        lora: LoraRecipe,
    },
    /// Full fine-tuning of the model's own weights.
    Full {
        /// Table `[full]`.
        full: Full,
    },
}

impl Tuning {
    /// Returns the parts of the model that are frozen in every phase. With LoRA the decoder is never among them; a
    /// frozen part then gets no adapters.
    #[must_use]
    pub fn freeze(&self) -> Freeze {
        match self {
            Self::Lora { lora } => Freeze {
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

    /// Returns the name of its table in a recipe: `lora` or `full`.
    pub(super) const fn table(&self) -> &'static str {
        match self {
            Self::Lora { .. } => "lora",
            Self::Full { .. } => "full",
        }
    }
}

/// Table `[lora]` of a recipe, with PEFT's names and meanings.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LoraRecipe {
    /// Rank of the adapters, 1 to 4096.
    pub r: u32,
    /// Numerator of the scale: the update is scaled by `lora_alpha / r` (by `lora_alpha / sqrt(r)` with `use_rslora`).
    pub lora_alpha: u32,
    /// Share of an adapter's inputs dropped in training, at least 0 and below 1.
    pub lora_dropout: f64,
    /// Linear layers that get an adapter.
    pub target_modules: TargetModules,
    /// Exceptions from `target_modules`; None means no exceptions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<TargetModules>,
    /// Indices of the layers that `target_modules` is restricted to; empty for all layers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers_to_transform: Vec<u32>,
    /// Names of the lists of layers that `layers_to_transform` counts, as regular expressions. Empty takes the first number
    /// in the name of a module.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub layers_pattern: Vec<String>,
    /// Whether the scale is `lora_alpha / sqrt(r)` instead of `lora_alpha / r` (rsLoRA, Kalajdzievski 2023).
    pub use_rslora: bool,
    /// Whether magnitude and direction of every adapted weight are trained separately (DoRA, Liu et al. 2024).
    pub use_dora: bool,
    /// Initial values of the adapter's matrices.
    pub init_lora_weights: InitLoraWeights,
    /// Factor on the learning rate of `lora_B` and of vectors (LoRA+, Hayou et al. 2024), at least 1. None uses one
    /// rate for all parameters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loraplus_lr_ratio: Option<f64>,
    /// Modules that are trained and saved whole, given by their full names or the ends of their names. Empty trains
    /// adapters only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub modules_to_save: Vec<String>,
    /// Whether the vision tower is frozen and gets no adapters.
    pub freeze_vision_tower: bool,
    /// Whether the connector between vision tower and decoder is frozen and gets no adapter.
    pub freeze_multi_modal_projector: bool,
    /// Ranks of modules whose rank differs from `r`, by module name or regular expression that matches the end of
    /// a name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub rank_pattern: IndexMap<String, u32>,
    /// Numerators of modules whose alpha differs from `lora_alpha`, by module name or regular expression that matches
    /// the end of a name.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub alpha_pattern: IndexMap<String, u32>,
}

/// Selection of modules in PEFT's notation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum TargetModules {
    /// String: `all-linear`, or a regular expression that must match a module's whole name.
    Pattern(String),
    /// List: it selects a module whose name equals an element, or ends in a dot and an element.
    Suffixes(Vec<String>),
}

impl TargetModules {
    /// PEFT's word for all linear layers except the output head; the default of `target_modules`.
    pub const ALL_LINEAR: &'static str = "all-linear";
}

/// Table `[full]` of a recipe: the parts of the model that full fine-tuning leaves out. At least one part is
/// not frozen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Full {
    /// Whether the vision tower is frozen.
    pub freeze_vision_tower: bool,
    /// Whether the connector is frozen.
    pub freeze_multi_modal_projector: bool,
    /// Whether the decoder is frozen.
    pub freeze_language_model: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lora,
    Full,
}

const FINETUNING_TYPES: Words<Kind> = &[("lora", Kind::Lora), ("full", Kind::Full)];

/// Names of other tools for a kind of training, each with its keys here.
const FOREIGN_TYPES: Words<&str> = &[
    ("qlora", "`finetuning_type = \"lora\"`, and `load_in_4bit = true` in `[train]`"),
    ("qdora", "`finetuning_type = \"lora\"`, `use_dora = true` in `[lora]` and `load_in_4bit = true` in `[train]`"),
    ("dora", "`finetuning_type = \"lora\"`, and `use_dora = true` in `[lora]`"),
    ("rslora", "`finetuning_type = \"lora\"`, and `use_rslora = true` in `[lora]`"),
    ("lora+", "`finetuning_type = \"lora\"`, and `loraplus_lr_ratio` in `[lora]`"),
    ("loraplus", "`finetuning_type = \"lora\"`, and `loraplus_lr_ratio` in `[lora]`"),
    ("pissa", "`finetuning_type = \"lora\"`, and `init_lora_weights = \"pissa\"` in `[lora]`"),
    ("freeze", "`finetuning_type = \"full\"`, and the `freeze_` keys of the parts that stay frozen in `[full]`"),
    ("sft", "\"lora\" or \"full\": the training is always supervised fine-tuning"),
];

const VISION: &str = "Freezes the vision tower. Image features are cached if the connector is frozen too, else the outputs of \
                      the tower.";
const CONNECTOR: &str = "Freezes the connector between vision tower and decoder.";

/// Reads `finetuning_type` and its table, `[lora]` or `[full]`. Wrong values are reported, as is the table of the other
/// kind when it is written. Some keys of `[lora]` have the values of `continued` where the recipe does not state them.
pub(super) fn read(top: &mut Section<'_>, continued: ContinuedAdapter) -> Tuning {
    let kind = top.choice_with_advice(
        "finetuning_type",
        FINETUNING_TYPES,
        FOREIGN_TYPES,
        Kind::Lora,
        "Whether low-rank adapters or the model's own weights are trained.",
    );
    let lora_section = top.section("lora").about("Low-rank adapters, with PEFT's names and meanings.");
    let full_section = top.section("full").about("Full fine-tuning of the model's own weights.");
    let (unused, name, used) = match kind {
        Kind::Lora => (&full_section, "full", "lora"),
        Kind::Full => (&lora_section, "lora", "full"),
    };
    if unused.at.is_some() {
        let help = format!("remove `[{name}]`, or set `finetuning_type = \"{name}\"`");
        unused.report(None, format!("`[{name}]` has no effect with `finetuning_type = \"{used}\"`"), help);
    }
    let (lora, full) = (read_lora(lora_section, continued), read_full(full_section));
    match kind {
        Kind::Lora => Tuning::Lora { lora },
        Kind::Full => Tuning::Full { full },
    }
}

fn read_lora(mut section: Section<'_>, continued: ContinuedAdapter) -> LoraRecipe {
    let dora_at = section.at("use_dora");
    let (layers_at, pattern_at) = (section.at("layers_to_transform"), section.at("layers_pattern"));
    let r = section.integer("r", continued.r.unwrap_or(8).into(), 1..=4096, "Rank of the adapters.") as u32;
    let lora = LoraRecipe {
        r,
        lora_alpha: section
            .integer_or("lora_alpha", Some("twice `r`"), 1..=65536, "The update is scaled by `lora_alpha / r`.")
            .map_or(continued.lora_alpha.unwrap_or(2 * r), |alpha| alpha as u32),
        lora_dropout: section.float(
            "lora_dropout",
            0.0,
            0.0..1.0,
            "Share of an adapter's inputs dropped in training. GPUs draw other masks than the CPU.",
        ),
        target_modules: modules(
            &mut section,
            "target_modules",
            Some(TargetModules::ALL_LINEAR),
            "Linear layers that get an adapter: a list of name endings, a regular expression, or `all-linear`.",
        )
        .unwrap_or_else(|| TargetModules::Pattern(TargetModules::ALL_LINEAR.into())),
        exclude_modules: modules(
            &mut section,
            "exclude_modules",
            None,
            "Layers that get no adapter although `target_modules` selects them.",
        ),
        layers_to_transform: indices(
            &mut section,
            "layers_to_transform",
            "Restricts a list of `target_modules` to the layers (blocks) with these indices, from 0, in every part of the \
             model. Modules outside of layers then get no adapter.",
        ),
        layers_pattern: texts(
            &mut section,
            "layers_pattern",
            "Restricts `layers_to_transform` to these lists of layers, such as `encoder.layers`, as regular expressions; \
             modules elsewhere get no adapter.",
        ),
        use_rslora: section.flag(
            "use_rslora",
            continued.use_rslora,
            "Scales the update by `lora_alpha / sqrt(r)` instead (rsLoRA).",
        ),
        use_dora: section.flag(
            "use_dora",
            continued.use_dora,
            "Trains magnitude and direction of every adapted weight separately (DoRA).",
        ),
        init_lora_weights: init_lora_weights::read(&mut section),
        loraplus_lr_ratio: section.float_or(
            "loraplus_lr_ratio",
            Some("one learning rate for all"),
            1.0..,
            "LoRA+: factor on the learning rate of `lora_B` and of vectors.",
        ),
        modules_to_save: texts(
            &mut section,
            "modules_to_save",
            "Modules that are trained and saved whole, given by their names or the ends of their names.",
        ),
        rank_pattern: pattern(&mut section, "rank_pattern", 4096, "Ranks of modules whose rank differs from `r`."),
        alpha_pattern: pattern(
            &mut section,
            "alpha_pattern",
            65536,
            "Values for modules whose alpha differs from `lora_alpha`.",
        ),
        freeze_vision_tower: section.flag("freeze_vision_tower", true, VISION),
        freeze_multi_modal_projector: section.flag("freeze_multi_modal_projector", true, CONNECTOR),
    };
    if lora.use_dora && lora.init_lora_weights == InitLoraWeights::Pissa {
        section.report(
            dora_at.as_ref(),
            "`use_dora` and `init_lora_weights = \"pissa\"` are both given",
            "keep one of them: PiSSA is saved as plain LoRA, which has no magnitudes",
        );
    }
    if !lora.layers_to_transform.is_empty() && matches!(lora.target_modules, TargetModules::Pattern(_)) {
        section.report(
            layers_at.as_ref(),
            "`layers_to_transform` restricts a list of `target_modules`, and it is a string",
            "list the modules, or select layers by a regular expression in `target_modules`",
        );
    }
    if lora.layers_to_transform.is_empty() && !lora.layers_pattern.is_empty() {
        section.report(
            pattern_at.as_ref(),
            "`layers_pattern` is given without `layers_to_transform`",
            "add the indices of the layers, or remove it",
        );
    }
    section.finish();
    lora
}

fn read_full(mut section: Section<'_>) -> Full {
    let full = Full {
        freeze_vision_tower: section.flag("freeze_vision_tower", true, VISION),
        freeze_multi_modal_projector: section.flag("freeze_multi_modal_projector", true, CONNECTOR),
        freeze_language_model: section.flag("freeze_language_model", false, "Freezes the decoder."),
    };
    if full == (Full { freeze_vision_tower: true, freeze_multi_modal_projector: true, freeze_language_model: true }) {
        section.report(
            None,
            "every part is frozen, so nothing would be trained",
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

/// Reads a list of indices of layers; empty when the key is not written.
fn indices(section: &mut Section<'_>, key: &'static str, help: &'static str) -> Vec<u32> {
    const ACCEPTS: &str = "a list of whole numbers, at least 0 and at most 4096";
    let accepts = ValueKind::list(ValueKind::Integer(0, 4096)).called(ACCEPTS);
    let Some(node) = section.take(key, accepts, None, help) else { return Vec::new() };
    let Value::List(elements) = &node.value else {
        section.mismatch(&node, key, ACCEPTS);
        return Vec::new();
    };
    let mut indices = Vec::new();
    for element in elements {
        match element.value {
            Value::Integer(index) if (0..=4096).contains(&index) => indices.push(index as u32),
            _ => section.mismatch(element, key, ACCEPTS),
        }
    }
    indices
}

/// Reads whole numbers from 1 to `most` by module: each key is a regular expression that must match a whole module
/// name, or its end after a dot.
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::Recipe;

    fn help(set: &str) -> String {
        let text = "model_name_or_path = \"m\"\ndata.dataset = \"d\"\n".to_owned();
        Recipe::parse(Path::new("r.toml"), text, &[set.to_owned()]).expect_err("must be refused").to_string()
    }

    /// Names of other tools name all keys that they stand for; a misspelt word still leads to the nearest one.
    #[test]
    fn names_of_other_tools_lead_to_the_keys_here() {
        for (set, keys) in [
            ("finetuning_type=qlora", &["\"lora\"", "`load_in_4bit = true` in `[train]`"][..]),
            ("finetuning_type=QLoRA", &["\"lora\"", "`load_in_4bit = true` in `[train]`"]),
            ("finetuning_type=dora", &["\"lora\"", "`use_dora = true` in `[lora]`"]),
            ("finetuning_type=rslora", &["\"lora\"", "`use_rslora = true` in `[lora]`"]),
            ("finetuning_type=loraplus", &["\"lora\"", "`loraplus_lr_ratio`"]),
            ("finetuning_type=pissa", &["\"lora\"", "`init_lora_weights = \"pissa\"`"]),
            ("finetuning_type=freeze", &["\"full\"", "`freeze_`"]),
            ("finetuning_type=lorra", &["did you mean \"lora\"?"]),
            ("train.lr_scheduler_type=linear_with_warmup", &["\"linear\"", "`warmup_steps`"]),
            ("train.load_in_8bit=true", &["not supported yet", "`load_in_4bit = true`"]),
        ] {
            let found = help(set);
            assert!(keys.iter().all(|key| found.contains(key)), "{set}: {found}");
        }
    }
}
