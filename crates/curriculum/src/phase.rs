//! A phase as it is written down.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A leg of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// Stands in logs and in the names of metrics.
    pub name: String,
    /// Clinical stages learned, 1 to 4.
    pub stages: Vec<u8>,
    /// Passes over the cases; a part of a pass is rounded up to whole steps. Either this or `max_steps` is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_train_epochs: Option<f64>,
    /// Batches in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<usize>,
    /// Peak learning rate; the run's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning_rate: Option<f64>,
    /// Share of every batch that visits cases for the stages of earlier phases that this one lacks, from 0 to below 1.
    #[serde(default)]
    pub replay: f64,
    /// What a visit takes.
    #[serde(default)]
    pub visits: Visits,
    /// How often an epoch visits each case of a data set, as [`stepwise_data::case::Source::dataset`] names it; 1 for those not named.
    /// Of a part, as many cases as it comes to are drawn anew each epoch.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub dataset_weights: BTreeMap<String, f64>,
}

/// What is taken of a case at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Visits {
    /// All its questions of the phase's stages.
    #[default]
    Case,
    /// Those of one stage; the case is visited for each of its stages, at places of their own.
    Stage,
    /// As `Stage`, with the stages taking turns. Each gets as many visits, so a stage that fewer cases have comes again.
    Balanced,
    /// As `Stage`, drawn anew for each batch from the easiest visits, of which more and more are eligible as the phase goes on
    /// (competence-based curricula: Platanios et al., 2019, with the square-root schedule). A later stage is harder, and within
    /// a stage a question that builds on more others.
    Competence,
}
