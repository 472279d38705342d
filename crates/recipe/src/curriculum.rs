//! Reads `[curriculum]` and `[[curriculum.phase]]`: the order of the clinical stages, and what training examples show.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use stepwise_config::document::Value;
use stepwise_config::kind::ValueKind;
use stepwise_config::problem::Location;
use stepwise_config::section::{Section, Words};
use stepwise_objectives::Objectives;

use super::augment::{self, Augment};
use super::context::{self, Context};
use super::early_advance::{self, EarlyAdvance};
use super::finetuning::Tuning;
use super::freeze::{self, Freeze};
use super::order::{self, Order};
use super::pairs::{self, Pairs};
use super::train::{POSITIVE, Train};
use super::{dataset_weights, objective, warmup};
use crate::lr_schedule::Warmup;

/// Dotted name of the list of phases, `[[curriculum.phase]]`.
const PHASES: &str = "curriculum.phase";

/// Table `[curriculum]` of a recipe: the phases of training and the content of training examples.
#[derive(Clone, Debug, PartialEq)]
pub struct Curriculum {
    /// The order that made the phases. None when the phases are written one by one.
    pub order: Option<Order>,
    /// Whether every phase has a learning-rate schedule of its own, with warm-up and decay. If false, one schedule
    /// spans the run.
    pub lr_schedule_per_phase: bool,
    /// Keys of training examples for all phases of `order`. Default values when there is no order, because each phase
    /// then holds its own keys.
    pub examples: ExampleKeys,
    /// Phases in the order of training; at least one.
    pub phase: Vec<PhaseRecipe>,
}

/// Keys about training examples. `[curriculum]` sets them for all phases, and a phase can override them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ExampleKeys {
    /// Share of every batch taken from stages of earlier phases that this phase lacks, at least 0 and below 1.
    pub replay: f64,
    /// Visits to each case per pass over the cases, at least 0, by data set (`source.dataset` of a case). Data sets
    /// that are not named have 1.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub dataset_weights: BTreeMap<String, f64>,
    /// Shares of examples with answers to earlier questions as context.
    pub context: Context,
    /// Way in which the evidence region is shown.
    #[serde(skip_serializing_if = "Evidence::is_none")]
    pub evidence: Evidence,
    /// Loss weight of the tokens of an answer that is a box, above 0. Other tokens have weight 1.
    #[serde(skip_serializing_if = "is_one")]
    pub box_loss_weight: f64,
    /// Conditions of the benchmark that are applied to training examples, with their shares.
    #[serde(skip_serializing_if = "Augment::is_empty")]
    pub augment: Augment,
    /// Whether every image is blank while the answers stay. A control run: it shows how much is learned without images.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub blank_images: bool,
    /// Pairs of a question with two images; None for no pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pairs: Option<Pairs>,
    /// Early-advance rule; None trains the phase to its planned end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_advance: Option<EarlyAdvance>,
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
            pairs: None,
            early_advance: None,
        }
    }
}

fn is_one(weight: &f64) -> bool {
    *weight == 1.0
}

/// Phase of the curriculum, from `[[curriculum.phase]]` or from an order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseRecipe {
    /// Name of the phase in logs, paths and names of metrics: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// Clinical stages that the phase trains, 1 to 4, ascending.
    pub stages: Vec<u8>,
    /// Passes over the cases, at least 1. None when `max_steps` is set. Ignored in a phase of an order, which has its
    /// share of the run's steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub num_train_epochs: Option<u32>,
    /// Optimiser steps of the phase, at least 1. None when `num_train_epochs` sets its length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// Peak learning rate, above 0.
    pub learning_rate: f64,
    /// Warm-up of the phase; None uses the warm-up of `[train]`.
    #[serde(flatten)]
    pub warmup: Option<Warmup>,
    /// Sampling order of the phase's training examples.
    #[serde(skip_serializing_if = "SamplingOrder::is_shuffled")]
    pub sampling_order: SamplingOrder,
    /// Parts of the model that are frozen in this phase, in addition to the parts that the recipe never trains.
    #[serde(flatten)]
    pub freeze: Freeze,
    /// Objective of the phase; None uses the objective of the run, `[objective]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<Objectives>,
    /// Keys about the phase's training examples.
    #[serde(flatten)]
    pub examples: ExampleKeys,
}

/// Sampling order of the training examples of a phase.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingOrder {
    /// Whole cases in random order; all questions of a case that the phase trains come together.
    #[default]
    Shuffled,
    /// One stage of a case per visit; the stages take turns.
    RoundRobin,
    /// One stage of a case per visit. Visits are drawn from the easiest first and then from a growing part of them
    /// (Platanios et al. 2019, "Competence-based Curriculum Learning"). Earlier stages count as easier; within a stage,
    /// questions that build on fewer others count as easier.
    Competence,
}

impl SamplingOrder {
    fn is_shuffled(&self) -> bool {
        *self == Self::Shuffled
    }
}

const SAMPLING_ORDERS: Words<SamplingOrder> = &[
    ("shuffled", SamplingOrder::Shuffled),
    ("round_robin", SamplingOrder::RoundRobin),
    ("competence", SamplingOrder::Competence),
];

/// Way in which training examples show the evidence region of a question. Questions without a region are not affected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// The image is shown unchanged.
    #[default]
    None,
    /// A mark is drawn on the region in every example.
    Marked,
    /// A mark is drawn on the region in a share of examples that falls from all to none over the phase.
    Curriculum,
    /// Half of the examples ask for the box of the region instead of the stored question.
    Box,
    /// Like `Box`, and the other half has a mark drawn on the region.
    BoxAndMarked,
}

impl Evidence {
    fn is_none(&self) -> bool {
        *self == Self::None
    }
}

const EVIDENCE_WORDS: Words<Evidence> = &[
    ("none", Evidence::None),
    ("marked", Evidence::Marked),
    ("curriculum", Evidence::Curriculum),
    ("box", Evidence::Box),
    ("box_and_marked", Evidence::BoxAndMarked),
];

impl Serialize for Curriculum {
    /// Writes the order if there is one, else the phases. Either is enough to load the curriculum again.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Ordered<'a> {
            order: &'a Order,
            lr_schedule_per_phase: bool,
            #[serde(flatten)]
            examples: &'a ExampleKeys,
        }
        #[derive(Serialize)]
        struct Phased<'a> {
            lr_schedule_per_phase: bool,
            phase: &'a [PhaseRecipe],
        }
        match &self.order {
            Some(order) => {
                Ordered { order, lr_schedule_per_phase: self.lr_schedule_per_phase, examples: &self.examples }
                    .serialize(serializer)
            }
            None => {
                Phased { lr_schedule_per_phase: self.lr_schedule_per_phase, phase: &self.phase }.serialize(serializer)
            }
        }
    }
}

/// Reads `[curriculum]` with its phases; without phases and order there is one phase with all stages. Wrong values, and
/// keys that exclude each other, are reported.
///
/// `tuning` decides which parts a phase can freeze; None when the recipe continues an existing adapter, whose trained
/// parts are unknown here. `train` gives the defaults of a phase, and `seed` decides an order drawn at random.
pub(super) fn read(mut section: Section<'_>, tuning: Option<&Tuning>, train: &Train, seed: u64) -> Curriculum {
    let (order_at, phase_at) = (section.at("order"), section.at("phase"));
    let order = order::read(&mut section);
    if let Some(at) = section.rivals(phase_at.as_ref(), order_at.as_ref()) {
        let help = "keep one: `order` makes the phases, `[[curriculum.phase]]` writes them one by one";
        section.report(Some(&at), "`order` and phases are both given", help);
    }
    // If both keys are given in different sources, the later source counts: a `--set` argument replaces the file.
    let later = |at: &Option<Location>| at.as_ref().map(|at| at.source);
    let order = order.filter(|_| later(&order_at) >= later(&phase_at));

    let lr_schedule_per_phase = section.flag(
        "lr_schedule_per_phase",
        true,
        "Learning-rate schedule per phase: every phase warms up and decays. If false, one schedule spans the run, and phases \
         only set its peak.",
    );
    let replay_at = section.at("replay");
    let none = ExampleKeys::default();
    let replay = section.float(
        "replay",
        none.replay,
        0.0..1.0,
        "`replay` of all phases for which an earlier phase has a stage that they lack.",
    );
    let examples = ExampleKeys { replay, ..read_examples(&mut section, &none, Level::Run) };
    let mut written = section.sections("phase");
    let mut phases: Vec<PhaseRecipe> = Vec::new();
    if let Some(order) = &order {
        phases = ordered(order, seed, train, &examples);
        // Reads an empty phase, so that its keys are documented.
        read_phase(section.part(PHASES), tuning, train, lr_schedule_per_phase, &examples, &[]);
    } else {
        if written.is_empty() {
            // Without phases there is one phase with default keys, which trains all stages together.
            written.push(section.part(PHASES));
        }
        for phase in written {
            let phase = read_phase(phase, tuning, train, lr_schedule_per_phase, &examples, &phases);
            phases.push(phase);
        }
    }
    // With an order this is no error: a study may set one `replay` for all its orders, and some have nothing to replay.
    if examples.replay > 0.0 && order.is_none() && phases.iter().all(|phase| phase.examples.replay == 0.0) {
        section.report(replay_at.as_ref(), NOTHING_TO_REPLAY, "remove `replay`");
    }
    section.finish();
    // Without an order every phase already holds the common keys.
    let examples = if order.is_some() { examples } else { ExampleKeys::default() };
    Curriculum { order, lr_schedule_per_phase, examples, phase: phases }
}

const NOTHING_TO_REPLAY: &str = "there is nothing to replay: no earlier phase has a stage that this one lacks";

/// Makes the phases of an order.
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
            sampling_order: SamplingOrder::default(),
            freeze: Freeze::default(),
            objective: None,
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

/// Whether an earlier phase has a stage that is not in `stages`.
fn has_replay(earlier: &[PhaseRecipe], stages: &[u8]) -> bool {
    earlier.iter().any(|other| other.stages.iter().any(|stage| !stages.contains(stage)))
}

fn read_phase(
    section: Section<'_>,
    tuning: Option<&Tuning>,
    train: &Train,
    lr_schedule_per_phase: bool,
    common: &ExampleKeys,
    earlier: &[PhaseRecipe],
) -> PhaseRecipe {
    let mut section =
        section.about("One phase of the curriculum; phases are trained in the order in which they are written.");
    let (name_at, replay_at) = (section.at("name"), section.at("replay"));
    let name = section.text(
        "name",
        Some("`s` and the stages, as in `s12`"),
        "Name of the phase in logs and in names of metrics.",
    );
    let stages = read_stages(&mut section);
    let (epochs_at, max_steps_at) = (section.at("num_train_epochs"), section.at("max_steps"));
    let max_steps =
        section.integer_or("max_steps", None, 1.., "Optimiser steps of the phase, instead of `num_train_epochs`.");
    if let Some(at) = section.rivals(epochs_at.as_ref(), max_steps_at.as_ref()) {
        section.report(Some(&at), "`num_train_epochs` and `max_steps` are both given", "keep one of them");
    }
    let epochs = section
        .integer_or("num_train_epochs", Some("as in `[train]`"), 1..=100_000, "Passes over the cases.")
        .map_or(train.num_train_epochs, |epochs| epochs as u32);
    let mut phase = PhaseRecipe {
        name: name.unwrap_or_else(|| usual_name(&stages)),
        stages,
        num_train_epochs: max_steps.is_none().then_some(epochs),
        max_steps,
        learning_rate: section
            .float_or("learning_rate", Some("as in `[train]`"), POSITIVE, "Peak learning rate.")
            .unwrap_or(train.learning_rate),
        warmup: warmup::read_of_phase(&mut section, train.lr_scheduler_type, lr_schedule_per_phase, max_steps),
        sampling_order: section.choice(
            "sampling_order",
            SAMPLING_ORDERS, SamplingOrder::default(),
            "Sampling order: whole cases in random order (shuffled), or one stage of a case per visit, with the stages in \
             turns (round_robin) or easy before hard (competence).",
        ),
        freeze: freeze::read(&mut section, tuning.map(|tuning| (tuning.freeze(), tuning.table()))),
        objective: objective::read_of_phase(&mut section),
        examples: common.clone(),
    };
    let has_replay = has_replay(earlier, &phase.stages);
    let usual = if has_replay { common.replay } else { 0.0 };
    let replay = section
        .float_or(
            "replay",
            Some("as in `[curriculum]`, or 0 if no earlier phase has a stage that this phase lacks"),
            0.0..1.0,
            "Share of every batch taken from stages of earlier phases that this phase lacks, one stage of a case per visit.",
        )
        .unwrap_or(usual);
    phase.examples = ExampleKeys { replay, ..read_examples(&mut section, common, Level::Phase) };
    if !phase.name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        let message = format!("the phase name \"{}\" may contain only letters, digits, `-`, `_` and `.`", phase.name);
        section.report(name_at.as_ref(), message, "choose another name; it is used in metric names and paths");
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

/// Table from which the keys about training examples are read: `[curriculum]` or a phase.
#[derive(Clone, Copy, PartialEq)]
enum Level {
    Run,
    Phase,
}

/// Reads the keys about training examples except `replay`. Keys that are not written are taken from `common`.
fn read_examples(section: &mut Section<'_>, common: &ExampleKeys, level: Level) -> ExampleKeys {
    let otherwise = match level {
        Level::Run => "\"none\"",
        Level::Phase => "as in `[curriculum]`",
    };
    let (blank_at, pairs_at) = (section.at("blank_images"), section.at("pairs"));
    let examples = ExampleKeys {
        replay: common.replay,
        dataset_weights: dataset_weights::read(
            section,
            &common.dataset_weights,
            if level == Level::Run { "1 for every data set" } else { otherwise },
        ),
        context: context::read(section, common.context, otherwise),
        evidence: section.choice_or("evidence", EVIDENCE_WORDS, common.evidence, otherwise, EVIDENCE),
        box_loss_weight: section
            .float_or(
                "box_loss_weight",
                Some(if level == Level::Run { "1" } else { otherwise }),
                POSITIVE,
                "Loss weight of the tokens of an answer that is a box.",
            )
            .unwrap_or(common.box_loss_weight),
        augment: augment::read(section, &common.augment),
        blank_images: section
            .flag_or(
                "blank_images",
                Some(if level == Level::Run { "false" } else { otherwise }),
                "Blanks every image and keeps the answers: a control that shows how much is learned without images. Marks, and \
                 conditions of `augment` that change images, are then not applied.",
            )
            .unwrap_or(common.blank_images),
        pairs: pairs::read(section, common.pairs),
        early_advance: early_advance::read(section, common.early_advance.as_ref()),
    };
    if examples.pairs.is_some() && examples.blank_images {
        section.report(
            pairs_at.or_else(|| blank_at.clone()).as_ref(),
            "`pairs` shows a question with two images, and `blank_images` blanks them",
            "remove one of them",
        );
    }
    if let Some(kind) = examples.augment.removal().filter(|_| examples.blank_images) {
        section.report(
            blank_at.as_ref(),
            format!("`blank_images` keeps the answers, and `{kind}` in `augment` trains the model to abstain"),
            "remove one of them",
        );
    }
    examples
}

const EVIDENCE: &str = "How training examples show the evidence region of a question: not marked (none), marked (marked), marked in a \
    share of examples that falls from all to none over the phase (curriculum), half of the examples ask for the box of the region instead (box), \
    or half ask for the box and the others are marked (box_and_marked). Does not apply to questions without a region, or to examples under a \
    condition of `augment`.";

fn read_stages(section: &mut Section<'_>) -> Vec<u8> {
    const ACCEPTS: &str = "a list of stages, each 1, 2, 3 or 4";
    let all = vec![1, 2, 3, 4];
    let help = "Clinical stages that the phase trains.";
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
        section.report(Some(&node.at), "a phase without stages trains nothing", format!("write {ACCEPTS}"));
    }
    stages.sort_unstable();
    stages
}
