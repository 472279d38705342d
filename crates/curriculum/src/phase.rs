//! The record of a phase.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Phase of a curriculum: the stages trained on, its length and its sampling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Name of the phase in logs and metric names.
    pub name: String,
    /// Clinical stages trained on, each 1 to 4; at least one. They are the stages of a case's questions.
    pub stages: Vec<u8>,
    /// Number of epochs, above 0; a fraction is rounded up to whole batches. At most one of this and `max_steps` may be
    /// given; with None for both the phase has one epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_train_epochs: Option<f64>,
    /// Number of batches of the phase, at least 1; None when the length is given in epochs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Peak learning rate of the phase, above 0; None uses the learning rate of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Share of every batch that visits cases for stages of earlier phases that this phase lacks; at least 0, below 1.
    #[serde(default)]
    pub replay: f64,
    /// Content and order of the visits.
    #[serde(default)]
    pub visits: Visits,
    /// Number of times that an epoch visits each case of a data set, at least 0, by
    /// [`stepwise_data::case::Source::dataset`]; 1 for data sets not named. For a fraction, that part of the cases is
    /// drawn again in each epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dataset_weights: BTreeMap<String, f64>,
}

/// Content and order of the visits to cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visits {
    /// A visit takes all questions of a case that have one of the phase's stages. The order is random.
    #[default]
    Case,
    /// A visit takes the questions of one stage, so a case is visited once for each of its stages. The order is random.
    Stage,
    /// Visits as in `Stage`, with the stages taking turns. All stages get equally many visits, so the visits of a stage
    /// that fewer cases have are repeated.
    RoundRobin,
    /// Visits as in `Stage`, but each batch is drawn from the easiest visits, and the eligible share grows during the
    /// phase (competence-based curriculum of Platanios et al., 2019, square-root schedule). Later stages are harder;
    /// within a stage, questions that build on more other questions are harder.
    Competence,
}
