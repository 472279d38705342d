//! The phase plan: which questions are trained on at which step, as a pure function of (seed, phase, epoch, step).
//!
//! - An epoch of a phase visits each case with questions of the phase's stages once, in an order reshuffled each epoch.
//!   Weights can make the cases of a data set come more or less often.
//! - A batch holds `batch_size` visits. A visit takes all questions of the case that have one of the phase's stages, so
//!   the questions of a case are together and share its image.
//! - Phases that are compared at equal budget visit a case once for each stage instead (see [`Visits`]). The number of
//!   visits and questions is then the same for every order of the stages.
//! - With replay, a share of every batch visits cases for stages of earlier phases, drawn without repetition until all
//!   have been drawn. The batch size stays the same, so an epoch takes more steps.
//!
//! A plan has no state that affects results, so a run can resume at any step.

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
pub use sampler::{SampleIndex, Sampler};
