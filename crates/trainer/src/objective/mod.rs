//! Training objectives on log-likelihoods of answer options: what is scored in a micro-batch, the reference, and the weights
//! of the predicted tokens.
//!
//! The objectives are functions of log-likelihoods, in `stepwise-objectives`. Their derivatives become weights of the
//! tokens' log-probabilities, so that one backward pass gives the gradients of all objectives and of cross-entropy.

mod priors;
mod references;
mod schedule;
mod scored_batch;
mod scoring;

pub use priors::AnswerCounts;
pub(crate) use priors::right;
pub use references::ReferenceScores;
pub use schedule::schedule_progress;
pub use scored_batch::{Scorable, ScoredBatch, StepTotals, Weighing};
pub use scoring::{OptionsToScore, Partner, Scoring};
