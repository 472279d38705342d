//! `[curriculum]` and `[[curriculum.phase]]`: which clinical stages are learned when, and what lessons show.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::problem::Location;
use stepwise_config::section::{Section, Words};

use super::PHASES;
use super::augment::{self, Augment};
use super::context::{self, Context};
use super::early_advance::{self, EarlyAdvance};
use super::finetuning::Tuning;
use super::freeze::{self, Freeze};
use super::order::{self, Order};
use super::train::{POSITIVE, Train};
use super::{dataset_weights, warmup};
use crate::lr_schedule::Warmup;

/// `[curriculum]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Curriculum {
    /// Which made the phases, if they were not written one by one.
    pub order: Option<Order>,
    /// Whether the learning rate warms up and decays anew in every phase; else one schedule spans the run.
    pub rewarm: bool,
    /// What all phases of that order have in common.
    pub examples: ExampleKeys,
    /// One after the other; at least one.
    pub phase: Vec<PhaseRecipe>,
}

/// The keys that `[curriculum]` sets for all phases, and a phase for itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleKeys {
    /// Share of every batch that comes again from the stages of earlier phases.
    pub replay: f64,
    /// How often a pass visits each case of a data set; 1 for those not named.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dataset_weights: BTreeMap<String, f64>,
    /// Which answers to earlier questions a question is shown with.
    pub context: Context,
    /// How the evidence is shown.
    #[serde(skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
    /// Weight in the loss of the tokens of an answer that is a box.
    #[serde(skip_serializing_if = "is_one")]
    pub box_loss_weight: f64,
    /// Which conditions of the benchmark lessons stand under.
    #[serde(skip_serializing_if = "Augment::is_empty")]
    pub augment: Augment,
    /// Whether every picture is blank while the answers stay: a control of what is learned without looking.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blank_images: bool,
    /// What ends the phase before its time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promotion: Option<EarlyAdvance>,
}

impl Default for ExampleKeys {
    fn default() -> Self {
        Self {
            replay: 0.0,
            dataset_weights: BTreeMap::new(),
            context: Context::default(),
            evidence: Evidence::default(),
            box_loss_weight: 1.0,
            augment: Augment::default(),
            blank_images: false,
            promotion: None,
        }
    }
}

fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// A leg of the schedule.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseRecipe {
    /// Stands in logs and in the names of metrics.
    pub name: String,
    /// Clinical stages learned, 1 to 4, ascending.
    pub stages: Vec<u8>,
    /// Passes over the cases, where it has no `max_steps`. A phase of an order has its part of the run's steps instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_train_epochs: Option<u32>,
    /// Optimiser steps, instead of whole passes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Its own warm-up; that of `[train]` when absent.
    #[serde(flatten)]
    pub warmup: Option<Warmup>,
    /// Which of its lessons come when.
    #[serde(skip_serializing_if = "SamplingOrder::is_shuffled")]
    pub pacing: SamplingOrder,
    /// Parts that stay as they are while it lasts, of those that the recipe trains.
    #[serde(flatten)]
    pub freeze: Freeze,
    /// What lessons show.
    #[serde(flatten)]
    pub examples: ExampleKeys,
}

/// Which lessons of a phase come when.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingOrder {
    /// Case by case, shuffled, all of a case's questions together.
    #[default]
    Shuffled,
    /// A stage of a case at a time, the stages in turns.
    Balanced,
    /// A stage of a case at a time, drawn from the easiest first and from more and more of them (Platanios et al. 2019,
    /// "Competence-based Curriculum Learning"): earlier stages before later ones, then questions that build on fewer others.
    Competence,
}

impl SamplingOrder {
    fn is_shuffled(&self) -> bool {
        *self == Self::Shuffled
    }
}

const PACING: Words<SamplingOrder> = &[
    ("shuffled", SamplingOrder::Shuffled),
    ("balanced", SamplingOrder::Balanced),
    ("competence", SamplingOrder::Competence),
];

/// How the evidence is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// As the picture shows it.
    #[default]
    None,
    /// A mark is drawn on it, in every lesson that has any.
    Drawn,
    /// A mark is drawn on it in a share of lessons that falls from all to none over the phase.
    Fading,
    /// Half of the lessons that have any ask where it is instead, to be answered with its box.
    Box,
    /// As `Box`, and a mark is drawn in the other half.
    Both,
}

impl Evidence {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

const EVIDENCE_WORDS: Words<Evidence> = &[
    ("none", Evidence::None),
    ("drawn", Evidence::Drawn),
    ("fading", Evidence::Fading),
    ("box", Evidence::Box),
    ("both", Evidence::Both),
];

impl Serialize for Curriculum {
    /// By its order where it has one, else by its phases: either says all.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Ordered<'a> {
            order: &'a Order,
            rewarm: bool,
            #[serde(flatten)]
            examples: &'a ExampleKeys,
        }
        #[derive(Serialize)]
        struct Phased<'a> {
            rewarm: bool,
            phase: &'a [PhaseRecipe],
        }
        match &self.order {
            Some(order) => Ordered { order, rewarm: self.rewarm, examples: &self.examples }.serialize(serializer),
            None => Phased { rewarm: self.rewarm, phase: &self.phase }.serialize(serializer),
        }
    }
}

/// Reads the section. `tuning` says what the recipe trains; none where an adapter from elsewhere does.
pub(super) fn read(mut section: Section<'_>, tuning: Option<&Tuning>, train: &Train, seed: u64) -> Curriculum {
    let (order_at, phase_at) = (section.at("order"), section.at("phase"));
    let order = order::read(&mut section);
    if let Some(at) = section.rivals(phase_at.as_ref(), order_at.as_ref()) {
        let help = "keep one: `order` makes the phases, `[[curriculum.phase]]` writes them one by one";
        section.report(Some(&at), "`order` and phases are both given", help);
    }
    // Of the two the later one counts: a `--set` argument over the file.
    let later = |at: &Option<Location>| at.as_ref().map(|at| at.source);
    let order = order.filter(|_| later(&order_at) >= later(&phase_at));

    let rewarm = section.flag(
        "rewarm",
        true,
        "Warms up and decays anew in every phase; else one schedule spans the run, and phases set its peak.",
    );
    let replay_at = section.at("replay");
    let none = ExampleKeys::default();
    let replay = section.float("replay", none.replay, 0.0..1.0, "That of phases that have something to replay.");
    let examples = ExampleKeys { replay, ..read_examples(&mut section, &none, Level::Run) };
    let mut written = section.sections("phase");
    let mut phases: Vec<PhaseRecipe> = Vec::new();
    if let Some(order) = &order {
        phases = ordered(order, seed, train, &examples);
        // Documents the keys of a phase, none of which is written.
        read_phase(section.part(PHASES), tuning, train, rewarm, &examples, &[]);
    } else {
        if written.is_empty() {
            // Without phases all stages are learned together: the phase whose every key is left out.
            written.push(section.part(PHASES));
        }
        for phase in written {
            let phase = read_phase(phase, tuning, train, rewarm, &examples, &phases);
            phases.push(phase);
        }
    }
    // An order may have nothing to replay: then the arms of a study that has one for all orders do without.
    if examples.replay > 0.0 && order.is_none() && phases.iter().all(|phase| phase.examples.replay == 0.0) {
        section.report(replay_at.as_ref(), NOTHING_TO_REPLAY, "remove `replay`");
    }
    section.finish();
    // Without an order the phases have taken over what holds for all of them.
    let examples = if order.is_some() { examples } else { ExampleKeys::default() };
    Curriculum { order, rewarm, examples, phase: phases }
}

const NOTHING_TO_REPLAY: &str = "there is nothing to replay: no earlier phase has a stage that this one lacks";

/// The phases of an order.
fn ordered(order: &Order, seed: u64, train: &Train, examples: &ExampleKeys) -> Vec<PhaseRecipe> {
    let mut phases: Vec<PhaseRecipe> = Vec::new();
    for stages in order.stages(seed) {
        let mut phase = PhaseRecipe {
            name: usual_name(&stages),
            stages,
            num_train_epochs: Some(train.num_train_epochs),
            max_steps: None,
            learning_rate: train.learning_rate,
            warmup: None,
            pacing: SamplingOrder::default(),
            freeze: Freeze::default(),
            examples: examples.clone(),
        };
        if !has_replay(&phases, &phase.stages) {
            phase.examples.replay = 0.0;
        }
        phases.push(phase);
    }
    phases
}

fn usual_name(stages: &[u8]) -> String {
    format!("s{}", stages.iter().map(ToString::to_string).collect::<Vec<_>>().concat())
}

/// Whether an earlier phase has a stage that these lack.
fn has_replay(earlier: &[PhaseRecipe], stages: &[u8]) -> bool {
    earlier.iter().any(|other| other.stages.iter().any(|stage| !stages.contains(stage)))
}

fn read_phase(
    section: Section<'_>,
    tuning: Option<&Tuning>,
    train: &Train,
    rewarm: bool,
    common: &ExampleKeys,
    earlier: &[PhaseRecipe],
) -> PhaseRecipe {
    let mut section = section.about("A leg of the schedule; phases follow one another as they are written.");
    let (name_at, replay_at) = (section.at("name"), section.at("replay"));
    let name = section.text("name", Some("`s` and the stages, as in `s12`"), "Stands in logs and metric names.");
    let stages = read_stages(&mut section);
    let (epochs_at, max_steps_at) = (section.at("num_train_epochs"), section.at("max_steps"));
    let max_steps =
        section.integer_or("max_steps", None, 1.., "Optimiser steps of the phase, instead of whole passes.");
    if let Some(at) = section.rivals(epochs_at.as_ref(), max_steps_at.as_ref()) {
        section.report(Some(&at), "`num_train_epochs` and `max_steps` are both given", "keep one of them");
    }
    let epochs = section
        .integer_or("num_train_epochs", Some("that of `[train]`"), 1..=100_000, "Passes over the cases.")
        .map_or(train.num_train_epochs, |epochs| epochs as u32);
    let mut phase = PhaseRecipe {
        name: name.unwrap_or_else(|| usual_name(&stages)),
        stages,
        num_train_epochs: max_steps.is_none().then_some(epochs),
        max_steps,
        learning_rate: section
            .float_or("learning_rate", Some("that of `[train]`"), POSITIVE, "Peak learning rate.")
            .unwrap_or(train.learning_rate),
        warmup: warmup::read_of_phase(&mut section, train, rewarm, max_steps),
        pacing: section.choice(
            "pacing",
            PACING, SamplingOrder::default(),
            "Which lessons come when: case by case, or a stage of a case at a time, the stages in turns or easy before hard.",
        ),
        freeze: freeze::read(&mut section, tuning),
        examples: common.clone(),
    };
    let has_replay = has_replay(earlier, &phase.stages);
    let usual = if has_replay { common.replay } else { 0.0 };
    let replay = section
        .float_or(
            "replay",
            Some("that of `[curriculum]`, where there is something to replay"),
            0.0..1.0,
            "Share of every batch that comes again from the stages of earlier phases, a stage of a case at a time.",
        )
        .unwrap_or(usual);
    phase.examples = ExampleKeys { replay, ..read_examples(&mut section, common, Level::Phase) };
    if !phase.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let message = format!("the phase name \"{}\" has more than letters, digits, `-`, `_` and `.`", phase.name);
        section.report(name_at.as_ref(), message, "it stands in metric names and paths; shorten it");
    }
    if earlier.iter().any(|other| other.name == phase.name) {
        let message = format!("two phases are called \"{}\"", phase.name);
        section.report(name_at.as_ref(), message, "give each phase a `name` of its own");
    }
    if replay > 0.0 && !has_replay {
        section.report(replay_at.as_ref(), NOTHING_TO_REPLAY, "remove `replay`");
    }
    section.finish();
    phase
}

/// Where the keys of lessons stand.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Run,
    Phase,
}

/// The keys of lessons but `replay`.
fn read_examples(section: &mut Section<'_>, common: &ExampleKeys, level: Level) -> ExampleKeys {
    let otherwise = match level {
        Level::Run => "\"none\"",
        Level::Phase => "that of `[curriculum]`",
    };
    let blank_at = section.at("blank_images");
    let examples = ExampleKeys {
        replay: common.replay,
        dataset_weights: dataset_weights::read(
            section,
            &common.dataset_weights,
            if level == Level::Run { "1 for each" } else { otherwise },
        ),
        context: context::read(section, common.context, otherwise),
        evidence: section.choice_or("evidence", EVIDENCE_WORDS, common.evidence, otherwise, EVIDENCE),
        box_loss_weight: section
            .float_or(
                "box_loss_weight",
                Some(if level == Level::Run { "1" } else { otherwise }),
                POSITIVE,
                "Weight in the loss of the tokens of an answer that is a box.",
            )
            .unwrap_or(common.box_loss_weight),
        augment: augment::read(section, &common.augment),
        blank_images: section
            .flag_or(
                "blank_images",
                Some(if level == Level::Run { "false" } else { otherwise }),
                "Blanks every picture and keeps the answers: a control of what is learned without looking. Marks, and conditions of \
                 `augment` that change pictures, stand in no lesson then.",
            )
            .unwrap_or(common.blank_images),
        promotion: early_advance::read(section, common.promotion.as_ref()),
    };
    if let Some(kind) = examples.augment.removal().filter(|_| examples.blank_images) {
        section.report(
            blank_at.as_ref(),
            format!("`blank_images` keeps the answers, and `{kind}` in `augment` teaches to decline"),
            "remove one of them",
        );
    }
    examples
}

const EVIDENCE: &str = "How lessons show the evidence: as it is (none), with a mark drawn on it (drawn), with a mark in fewer and fewer \
    lessons over the phase (fading), by asking half of the lessons that have any for its box instead (box), or by that and a mark in \
    the other half (both). A lesson under a condition of `augment` has neither.";

fn read_stages(section: &mut Section<'_>) -> Vec<u8> {
    const ACCEPTS: &str = "a list of stages, each 1, 2, 3 or 4";
    let all = vec![1, 2, 3, 4];
    let help = "Clinical stages learned in the phase.";
    let Some(node) = section.take(
        "stages",
        ValueKind::list(ValueKind::Integer(1, 4)).called(ACCEPTS),
        Some("[1, 2, 3, 4]".into()),
        help,
    ) else {
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
