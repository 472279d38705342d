//! Settings and progress of a run.

use std::collections::HashMap;
use std::ops::ControlFlow;

use crate::model::Model;
use crate::outcome::Outcome;

/// Settings of a run, for [`run`](super::run).
pub struct Options<'a> {
    /// Digest of the model: base weights, adapter, pixel pipeline and template. Every outcome's key contains the
    /// digest, so two different models must not share one.
    pub model: &'a str,
    /// Known outcomes by [`Outcome::key`], such as those of an interrupted run; their questions are not asked again.
    pub known: &'a HashMap<String, Outcome>,
    /// Minimum number of questions in every batch but the last; a batch always holds whole cases. Within a batch,
    /// questions without an attack are answered first, then the questions of each attack.
    pub batch: usize,
    /// Model on which transfer attacks are made. `None` leaves the items of such attacks out and counts them as
    /// [`NO_SURROGATE`](super::NO_SURROGATE).
    pub surrogate: Option<Surrogate<'a>>,
    /// Called after every part of a batch. [`ControlFlow::Break`] stops the run with
    /// [`RunError::Stopped`](super::RunError::Stopped).
    pub progress: &'a mut dyn FnMut(RunProgress<'_>) -> ControlFlow<()>,
}

/// Model on which transfer attacks are made in place of the evaluated one; the evaluated model is then shown the
/// attacked pixels. Both must have the same pixel pipeline. It is usually the base model. Where the evaluated model gives
/// no gradients, as a served one, noise is made on the pixels of this model too.
pub struct Surrogate<'a> {
    /// Digest of this model, made like [`Options::model`]. It enters the keys of outcomes under transfer attacks.
    pub key: &'a str,
    /// The model. Its pixel grids and gradients are used; it answers no queries.
    pub model: &'a mut dyn Model,
}

/// Progress of a run, as passed to [`Options::progress`].
#[derive(Clone, Copy, Debug)]
pub struct RunProgress<'a> {
    /// Number of plan entries that are answered, reused or counted as unanswerable.
    pub done: usize,
    /// Number of all entries of the plan.
    pub total: usize,
    /// Outcomes of the queries answered since the last call; may be empty.
    pub fresh: &'a [Outcome],
}
