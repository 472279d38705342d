//! Errors of the adapter module.

use crate::nn::source::WeightError;

/// Errors of creating, loading and saving an adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A target, exclusion or pattern matches no linear layer, or the exclusions leave no target.
    #[error("{field}: {target:?} matches no linear layer -> {}", near(nearest, "name some, or write \"all-linear\""))]
    NoMatch {
        /// Config key that holds the target, such as `target_modules`.
        field: &'static str,
        /// Target or pattern as written in the config.
        target: String,
        /// Most similar module name; `None` when none is similar.
        nearest: Option<String>,
    },
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
    /// `adapter_config.json` is missing, malformed or has an unsupported setting.
    #[error("{path}: {problem}")]
    Config {
        /// Path of the file.
        path: String,
        /// Problem, with advice after ` -> `.
        problem: String,
    },
    /// A weight file cannot be read or written, or its tensors do not fit the config.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

fn near(nearest: &Option<String>, otherwise: &str) -> String {
    nearest.as_ref().map_or_else(|| otherwise.to_owned(), |near| format!("the nearest is {near:?}"))
}
