//! The phase plan: which questions are learned at which step, as a pure function of (seed, phase, epoch, step).
//!
//! An epoch of a phase visits every case that has questions of the phase's stages once, in an order shuffled anew each
//! epoch. A batch takes `batch_size` visits, each with all the case's questions of those stages, so the questions of a case
//! stand together and share its image. A data set may be visited more or less often than once. Phases that are to be
//! compared at equal budget make a visit for each stage of a case instead ([`Visits`]): as many visits, with as many
//! questions, whatever the order of the stages. With replay, a share of every batch visits cases for stages of earlier phases
//! instead, drawn without repetition until all have been drawn: the batch stays as large, and an epoch takes more steps. Nothing is remembered between calls, so a run resumes at any step by asking for it.

mod competence;
mod epoch;
mod error;
mod phase;
mod replay;
mod reshuffle;
pub mod run_plan;
mod sampler;
#[cfg(test)]
mod tests;
mod visits;

pub use error::PlanError;

pub use phase::{Phase, Visits};
pub use sampler::{Plan, Sample};
