//! Errors of the adapter module.

use std::path::Path;

use crate::fault::Fault;
use crate::nn::source::WeightError;

/// Errors of creating, loading and saving an adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A target or pattern matches no linear layer.
    #[error("{field}: {target:?} matches no linear layer -> {}", layers(field, target, nearest))]
    NoMatch {
        /// Config key that holds the target, such as `target_modules`.
        field: &'static str,
        /// Target or pattern as written in the config.
        target: String,
        /// Most similar module name; `None` when none is similar.
        nearest: Option<String>,
    },
    /// A target or pattern matches linear layers, but only layers that get no adapter.
    #[error("{field}: {target:?} matches only linear layers without an adapter, such as {layer} -> {}", adapted(field))]
    Without {
        /// Config key that holds the target, such as `target_modules`.
        field: &'static str,
        /// Target or pattern as written in the config.
        target: String,
        /// First such layer.
        layer: String,
    },
    /// No selected module belongs to a layer of `layers_to_transform`.
    #[error("layers_to_transform: no module of `target_modules` is in layer {index} -> {}", numbered(layers))]
    NoLayer {
        /// Index as written in the config.
        index: usize,
        /// Indices of the layers with selected modules, ascending.
        layers: Vec<usize>,
    },
    /// Layers are given, and there is no list of modules that they restrict, or a pattern of layers without layers.
    #[error(
        "layers_to_transform: {0} -> list module names in `target_modules` and indices in `layers_to_transform`, or select \
         layers by a regular expression in `target_modules`"
    )]
    NothingToRestrict(&'static str),
    /// No linear layer is left to adapt.
    #[error(
        "target_modules: no linear layer is left to adapt -> exclude fewer in `exclude_modules`, or set the `freeze_*` \
         key of a part to false"
    )]
    NoneLeft,
    /// An entry of `modules_to_save` matches no module.
    #[error("modules_to_save: {target:?} matches no module -> {}", near(nearest, "name one, such as \"lm_head\""))]
    NoModule {
        /// Entry as written in the config.
        target: String,
        /// Most similar module name; `None` when none is similar.
        nearest: Option<String>,
    },
    /// A parameter of `modules_to_save`, named in the field, belongs to a frozen part of the model.
    #[error(
        "modules_to_save: {0} belongs to a part that is frozen -> set its `freeze_*` key to false, or leave it out"
    )]
    Frozen(String),
    /// An entry of `modules_to_save` is the head or the embedding of a model in which both are one matrix.
    #[error(
        "modules_to_save: {0:?} cannot be trained alone: the output head and the embedding of this model are one matrix \
         (tie_word_embeddings) -> leave it out"
    )]
    Tied(String),
    /// PiSSA needs more singular vectors than the weight has.
    #[error(
        "init_lora_weights: {module} has {available} singular values, but its adapter needs {rank} -> lower `r`, or exclude the module"
    )]
    Rank {
        /// Name of the module.
        module: String,
        /// Number of singular values: the shorter side of the weight.
        available: usize,
        /// Rank of the adapter.
        rank: usize,
    },
    /// A pattern is not a regular expression.
    #[error("{field}: {pattern:?} is not a regular expression: {problem} -> correct it, or give a list of names")]
    Pattern {
        /// Config key that holds the pattern.
        field: &'static str,
        /// Pattern as written in the config.
        pattern: String,
        /// Message of the regular-expression parser.
        problem: String,
    },
    /// A value of a file does not fit the model.
    #[error("{file}: {error}")]
    InFile {
        /// Path of the file.
        file: String,
        /// What is wrong with the value.
        error: Box<AdapterError>,
    },
    /// `adapter_config.json` is missing, malformed or has an unsupported setting.
    #[error(transparent)]
    Config(Fault),
    /// A weight file cannot be read or written, or its tensors do not fit the config.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

impl AdapterError {
    /// Returns the error with the path of the file that holds the faulty value.
    pub(super) fn in_file(self, file: &Path) -> Self {
        Self::InFile { file: file.display().to_string(), error: Box::new(self) }
    }
}

/// Advice for a layer in which no selected module is, by the layers in which some are.
fn numbered(layers: &[usize]) -> String {
    if layers.is_empty() {
        return "name other modules, or correct `layers_pattern`".to_owned();
    }
    format!("the layers are {}", layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
}

/// Advice for a target or pattern that matches no linear layer.
fn layers(field: &str, target: &str, nearest: &Option<String>) -> String {
    let otherwise = match field {
        "target_modules" => "name some, or write \"all-linear\"",
        "exclude_modules" => "name some, or leave it out",
        _ => {
            "write a regular expression for the end of module names, such as \"q_proj\" or \"layers\\.0\\..*\", or \
             remove the entry"
        }
    };
    match nearest {
        // Only a string can equal a name: the entry of a list would have matched it.
        Some(near) if near == target => format!(
            "write a list, [{target:?}]: a string is a regular expression that must match the whole name of a module"
        ),
        nearest => near(nearest, otherwise),
    }
}

/// Advice for a target or pattern that matches only layers without an adapter.
fn adapted(field: &str) -> &'static str {
    match field {
        "rank_pattern" | "alpha_pattern" => "add these layers to `target_modules`, or remove the entry",
        _ => "name others: a layer gets no adapter if a `freeze_*` key freezes its part or `modules_to_save` holds it",
    }
}

fn near(nearest: &Option<String>, otherwise: &str) -> String {
    nearest.as_ref().map_or_else(|| otherwise.to_owned(), |near| format!("the nearest is {near:?}"))
}
