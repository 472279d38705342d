//! What can go wrong with an adapter.

use crate::nn::source::WeightError;

/// What can go wrong with an adapter.
#[derive(Debug, thiserror::Error)]
pub enum AdapterError {
    /// A target names no module.
    #[error("{field}: {target:?} matches no linear layer -> {}", near(nearest, "name some, or write \"all-linear\""))]
    NoMatch {
        /// The key that holds the target.
        field: &'static str,
        /// The target.
        target: String,
        /// The most similar module.
        nearest: Option<String>,
    },
    /// A module to be trained whole is not there.
    #[error("modules_to_save: {target:?} matches no module -> {}", near(nearest, "name one, such as \"lm_head\""))]
    NoModule {
        /// Its name.
        target: String,
        /// The most similar module.
        nearest: Option<String>,
    },
    /// A module to be trained whole belongs to a part that stays as it is.
    #[error(
        "modules_to_save: {0} belongs to a part that is frozen -> set its `freeze_*` key to false, or leave it out"
    )]
    Frozen(String),
    /// A module to be trained whole shares its weight.
    #[error(
        "modules_to_save: {0:?} cannot be trained alone: head and embedding of this model are one matrix \
         (tie_word_embeddings) -> leave it out"
    )]
    Tied(String),
    /// More singular vectors are asked for than there are.
    #[error(
        "init_lora_weights: {module} has {available} singular values, its adapter takes {rank} -> lower `r`, or exclude the module"
    )]
    Rank {
        /// The module.
        module: String,
        /// The shorter side of its weight.
        available: usize,
        /// The rank of its adapter.
        rank: usize,
    },
    /// A pattern is not a regular expression.
    #[error("{field}: {pattern:?} is not a regular expression: {problem} -> correct it, or give a list of names")]
    Pattern {
        /// The key that holds the pattern.
        field: &'static str,
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// `adapter_config.json` cannot be taken.
    #[error("{path}: {problem}")]
    Config {
        /// The file.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The weights are not what they should be.
    #[error(transparent)]
    Weights(#[from] WeightError),
}

fn near(nearest: &Option<String>, otherwise: &str) -> String {
    nearest.as_ref().map_or_else(|| otherwise.to_owned(), |near| format!("the nearest is {near:?}"))
}
