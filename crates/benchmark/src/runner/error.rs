//! Errors of a run.

use std::error::Error;

use crate::model::ModelError;

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An image cannot be read, or its size differs from the size that its case states.
    #[error("case {case_id}, image {index}: {source}; `stepwise check` lists all such files")]
    Image {
        /// Id of the case.
        case_id: String,
        /// Index of the image in the case, from 0.
        index: usize,
        /// Cause of the failure.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The model failed, or returned another number of responses than it got queries.
    #[error(transparent)]
    Model(ModelError),
    /// The progress callback stopped the run, or the model was asked to stop.
    #[error("stopped before all queries were answered")]
    Stopped,
}

impl From<ModelError> for RunError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Stopped,
            ModelError::Failed(_) => Self::Model(error),
        }
    }
}
