//! `[[curriculum.phase]]`: which clinical stages are learned when.

use serde::Serialize;
use stepwise_curriculum::phase::Context;

use super::PHASES;
use super::document::Value;
use super::section::{Choice, Section};
use super::train::{POSITIVE, Train};

/// `[curriculum]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Curriculum {
    /// One after the other; at least one.
    pub phase: Vec<Phase>,
}

/// A leg of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Phase {
    /// Stands in logs and in the names of metrics.
    pub name: String,
    /// Clinical stages learned, 1 to 4, ascending.
    pub stages: Vec<u8>,
    /// Passes over the cases.
    pub num_train_epochs: u32,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of questions taken again from the stages of earlier phases.
    pub replay: f64,
    /// Which answers to earlier questions a question is shown with.
    pub context: Context,
}

impl Choice for Context {
    const WORDS: &'static [(&'static str, Self)] = &[("none", Self::None), ("gold", Self::Gold)];
}

pub(super) fn read(mut section: Section<'_>, train: &Train) -> Curriculum {
    let mut written = section.sections("phase");
    if written.is_empty() {
        // Without phases all stages are learned together: the phase whose every key is left out.
        written.push(section.part(PHASES));
    }
    let mut phases: Vec<Phase> = Vec::new();
    for phase in written {
        let phase = read_phase(phase, train, &phases);
        phases.push(phase);
    }
    section.finish();
    Curriculum { phase: phases }
}

fn read_phase(mut section: Section<'_>, train: &Train, earlier: &[Phase]) -> Phase {
    let (name_at, replay_at) = (section.at("name"), section.at("replay"));
    let name = section.text("name", Some("`s` and the stages, as in `s12`"), "Stands in logs and metric names.");
    let stages = read_stages(&mut section);
    let phase = Phase {
        name: name
            .unwrap_or_else(|| format!("s{}", stages.iter().map(ToString::to_string).collect::<Vec<_>>().concat())),
        stages,
        num_train_epochs: section
            .integer_or("num_train_epochs", Some("that of `[train]`"), 1..=100_000, "Passes over the cases.")
            .map_or(train.num_train_epochs, |epochs| epochs as u32),
        learning_rate: section
            .float_or("learning_rate", Some("that of `[train]`"), POSITIVE, "Peak learning rate.")
            .unwrap_or(train.learning_rate),
        replay: section.float(
            "replay",
            0.0,
            0.0..1.0,
            "Share of questions taken again from the stages of earlier phases.",
        ),
        context: section.choice("context", Context::None, "Which answers to its parents a question is shown with."),
    };
    if !phase.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let message = format!("the phase name \"{}\" has more than letters, digits, `-`, `_` and `.`", phase.name);
        section.report(name_at.as_ref(), message, "it stands in metric names and paths; shorten it");
    }
    if earlier.iter().any(|other| other.name == phase.name) {
        let message = format!("two phases are called \"{}\"", phase.name);
        section.report(name_at.as_ref(), message, "give each phase a `name` of its own");
    }
    if phase.replay > 0.0 && earlier.iter().all(|other| other.stages.iter().all(|s| phase.stages.contains(s))) {
        section.report(
            replay_at.as_ref(),
            "there is nothing to replay: no earlier phase has a stage that this one lacks",
            "remove `replay`",
        );
    }
    section.finish();
    phase
}

fn read_stages(section: &mut Section<'_>) -> Vec<u8> {
    const ACCEPTS: &str = "a list of stages, each 1, 2, 3 or 4";
    let all = vec![1, 2, 3, 4];
    let help = "Clinical stages learned in the phase.";
    let Some(node) = section.take("stages", ACCEPTS.into(), Some("[1, 2, 3, 4]".into()), help) else {
        return all;
    };
    let Value::List(elements) = &node.value else {
        section.mismatch(&node, "stages", ACCEPTS);
        return all;
    };
    let mut stages = Vec::new();
    for element in elements {
        match &element.value {
            Value::Integer(stage @ 1..=4) if stages.contains(&(*stage as u8)) => {
                section.report(Some(&element.at), format!("stage {stage} is named twice"), "remove one of them");
            }
            Value::Integer(stage @ 1..=4) => stages.push(*stage as u8),
            Value::Integer(stage) => {
                section.report(Some(&element.at), format!("there is no stage {stage}"), format!("write {ACCEPTS}"));
            }
            _ => section.mismatch(element, "stages", ACCEPTS),
        }
    }
    if elements.is_empty() {
        section.report(Some(&node.at), "a phase without stages learns nothing", format!("write {ACCEPTS}"));
    }
    stages.sort_unstable();
    stages
}
