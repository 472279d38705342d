//! Shared parts of the questions of all four stages: choosing and shuffling options, pairing negated questions, and
//! finding parents.
//!
//! Whether a category is asked is decided by separate random draws (`wants`). Their probabilities only balance the
//! answers of that category, so the presence of a question gives nothing away about the answer to another.

use super::dice::Dice;
use super::facts::Facts;
use super::regions::Regions;
use super::rule::CANNOT_TELL;
use crate::case::{Answer, Item, Laterality};
use crate::prompt::box_text;

/// Largest number of options of a choice.
const SHOWN: usize = 4;

/// Collects the questions of one case.
pub(super) struct Asker<'a> {
    pub(super) facts: &'a Facts,
    pub(super) regions: &'a Regions,
    pub(super) dice: Dice,
    side: u32,
    items: Vec<Item>,
}

impl<'a> Asker<'a> {
    /// Makes an asker without questions for the case with these facts and regions. `dice` decides which questions are
    /// asked and what they offer; `side` is the image's side in pixels.
    pub(super) fn new(facts: &'a Facts, regions: &'a Regions, dice: Dice, side: u32) -> Self {
        Self { facts, regions, dice, side, items: Vec::new() }
    }

    /// Returns the side of the image in pixels.
    pub(super) fn side(&self) -> f64 {
        f64::from(self.side)
    }

    /// Draws true with the given probability, to decide whether to ask a question.
    pub(super) fn wants(&mut self, probability: f64) -> bool {
        self.dice.chance(probability)
    }

    /// Returns whether a question of this stage has been asked.
    pub(super) fn asked(&self, stage: u8) -> bool {
        self.items.iter().any(|item| item.stage == stage)
    }

    /// Adds a question of a category with its answer and the ids of the regions that hold its evidence, and returns it
    /// for changes. The first wording is the question, the others are its paraphrases. Ids and parents are set by
    /// [`Self::finish`].
    ///
    /// # Panics
    /// When there is no wording.
    pub(super) fn add(
        &mut self,
        category: u8,
        wordings: &[String],
        answer: Answer,
        evidence: Vec<String>,
    ) -> &mut Item {
        let laterality = self.laterality(&answer);
        self.items.push(Item {
            id: String::new(),
            stage: stage(category),
            category: format!("{category:02}"),
            parents: Vec::new(),
            question: wordings[0].clone(),
            answer,
            evidence,
            confusable: Vec::new(),
            paraphrases: wordings[1..].to_vec(),
            rationale: None,
            laterality: Some(laterality),
            vision_required: Some(true),
        });
        let last = self.items.len() - 1;
        &mut self.items[last]
    }

    /// Adds a choice among `values` with the right value `gold`, and returns the question for changes. Where there are
    /// more than four, the right value is shown with three drawn from the rest, and `kept` is one of these three. A
    /// value that is right more often than others is repeated in `values`, so that it is also offered more often where
    /// it is wrong.
    pub(super) fn choice(
        &mut self,
        category: u8,
        wordings: &[String],
        values: &[&str],
        gold: &str,
        kept: Option<&str>,
        evidence: Vec<String>,
    ) -> &mut Item {
        let mut others: Vec<&str> = values.iter().copied().filter(|value| *value != gold).collect();
        self.dice.shuffle(&mut others);
        if let Some(kept) = kept.and_then(|kept| others.iter().position(|value| *value == kept)) {
            others.swap(0, kept);
        }
        let mut shown = vec![gold];
        for value in others {
            if shown.len() < SHOWN && !shown.contains(&value) {
                shown.push(value);
            }
        }
        self.dice.shuffle(&mut shown);
        let place = |value: &str| shown.iter().position(|option| *option == value);
        let confusable = near(gold).iter().filter_map(|value| place(value)).collect();
        let answer = Answer::Choice {
            options: shown.iter().map(|option| (*option).to_owned()).collect(),
            gold: place(gold).into_iter().collect(),
            refusal: place(CANNOT_TELL),
        };
        let item = self.add(category, wordings, answer, evidence);
        item.confusable = confusable;
        item
    }

    /// Adds a yes/no question with the wordings `asks` and the answer `truth`, and its negated counterpart with the
    /// wordings `denies`, in random order.
    pub(super) fn twins(
        &mut self,
        category: u8,
        asks: &[String],
        denies: &[String],
        truth: bool,
        evidence: Vec<String>,
    ) {
        let mut pair = [(asks, truth), (denies, !truth)];
        self.dice.shuffle(&mut pair);
        let first = self.items.len();
        for (offset, (wordings, gold)) in pair.into_iter().enumerate() {
            // Index of the counterpart; `finish` replaces it by an id.
            let answer = Answer::Yesno { gold, pair_of: Some((first + 1 - offset).to_string()) };
            self.add(category, wordings, answer, evidence.clone());
        }
    }

    /// Returns the chain: the questions in the order of stages and categories, with ids and parents.
    pub(super) fn finish(self) -> Vec<Item> {
        let mut order: Vec<usize> = (0..self.items.len()).collect();
        order.sort_by(|a, b| self.items[*a].category.cmp(&self.items[*b].category));
        let mut named = vec![String::new(); order.len()];
        for (place, &index) in order.iter().enumerate() {
            named[index] = format!("q{}", place + 1);
        }
        let mut chain: Vec<Item> = Vec::with_capacity(order.len());
        for index in order {
            let mut item = self.items[index].clone();
            item.id.clone_from(&named[index]);
            if let Answer::Yesno { pair_of: Some(twin), .. } = &mut item.answer {
                *twin = twin.parse::<usize>().map_or_else(|_| String::new(), |twin| named[twin].clone());
            }
            item.parents = parents(&item, &chain);
            chain.push(item);
        }
        chain
    }

    /// Right answer after a left-right flip of the image, and whether the flip changes it. Sides are sides of
    /// the image.
    fn laterality(&self, answer: &Answer) -> Laterality {
        let gold = match answer {
            Answer::Choice { options, gold, .. } => gold.first().map(|&index| options[index].clone()),
            Answer::Box { gold, .. } => {
                let boxes: Vec<String> = gold
                    .iter()
                    .filter_map(|id| self.regions.get(id))
                    .map(|region| {
                        let [x0, y0, x1, y1] = region.shape.bounds();
                        let width = self.side();
                        box_text([width - x1, y0, width - x0, y1], self.side, self.side)
                    })
                    .collect();
                return Laterality { dependent: true, flipped_gold: Some(boxes.join(" ")) };
            }
            Answer::Yesno { .. } | Answer::Text { .. } | Answer::Number { .. } => None,
        };
        let flipped = gold.and_then(|text| {
            let flipped =
                if text.contains("left") { text.replace("left", "right") } else { text.replace("right", "left") };
            (flipped != text && !text.contains("bright")).then_some(flipped)
        });
        Laterality { dependent: flipped.is_some(), flipped_gold: flipped }
    }
}

/// Returns the wordings of one question as strings: the first is the question, the others are its paraphrases.
pub(super) fn words<const N: usize>(wordings: [&str; N]) -> Vec<String> {
    wordings.map(str::to_owned).into()
}

fn stage(category: u8) -> u8 {
    match category {
        ..=8 => 1,
        9..=16 => 2,
        17..=24 => 3,
        _ => 4,
    }
}

/// Categories on which a category builds, the most relevant first; the first three of them that were asked
/// become parents.
fn builds_on(category: &str) -> &'static [&'static str] {
    match category {
        "02" | "04" | "08" | "15" => &["01"],
        "03" => &["01"],
        "05" | "07" => &["04", "03"],
        "06" => &["05", "04"],
        "09" => &["08", "04"],
        "10" | "11" | "12" => &["09"],
        "13" | "14" | "16" => &["12", "09"],
        "17" | "18" | "19" => &["12", "16", "13", "14", "09", "11"],
        "20" => &["19", "18", "12", "14", "09"],
        "21" => &["14", "12", "13", "09", "11"],
        "22" => &["12", "13"],
        "23" => &["19", "17", "12"],
        "24" => &["16", "18", "19", "12"],
        "25" => &["21", "18", "17", "20"],
        "26" => &["20", "19"],
        "27" => &["17", "23"],
        "28" => &["18", "20"],
        "29" => &["25", "21", "18"],
        "30" => &["25", "11", "21"],
        "31" => &["08", "21", "18"],
        _ => &[],
    }
}

fn parents(item: &Item, earlier: &[Item]) -> Vec<String> {
    let mut found: Vec<String> = builds_on(&item.category)
        .iter()
        .filter_map(|category| earlier.iter().find(|other| other.category == *category))
        .map(|other| other.id.clone())
        .take(3)
        .collect();
    if found.is_empty() {
        // No such category was asked: the last question of an earlier stage becomes the parent.
        found.extend(earlier.iter().rfind(|other| other.stage < item.stage).map(|other| other.id.clone()));
    }
    found
}

/// Values with which a value is easily confused, the most similar first.
fn near(value: &str) -> &'static [&'static str] {
    match value {
        "X-ray" => &["CT"],
        "CT" => &["MRI", "X-ray"],
        "MRI" => &["CT"],
        "abdomen" => &["pelvis"],
        "pelvis" => &["abdomen"],
        "low" => &["middle", "medium"],
        "middle" => &["high", "low"],
        "high" => &["middle", "medium"],
        "small" | "large" => &["medium"],
        "medium" => &["large", "small", "high", "low"],
        "smooth" | "spiculated" => &["lobulated"],
        "lobulated" => &["spiculated", "smooth"],
        "bright" => &["dark"],
        "dark" => &["bright"],
        "ring" => &["spots"],
        "spots" => &["solid", "ring"],
        "solid" => &["spots"],
        "single" => &["one side"],
        "one side" => &["both sides", "single"],
        "both sides" => &["one side"],
        "upper left" => &["upper right"],
        "upper right" => &["upper left"],
        "lower left" => &["lower right"],
        "lower right" => &["lower left"],
        "left" => &["right"],
        "right" => &["left"],
        "above" => &["below"],
        "below" => &["above"],
        "alert type" => &["calm type", "spread type"],
        "calm type" => &["alert type", "normal"],
        "spread type" => &["alert type"],
        "grade 0" => &["grade 1"],
        "grade 1" => &["grade 2", "grade 0"],
        "grade 2" => &["grade 3", "grade 1"],
        "grade 3" => &["grade 2"],
        "take sample" => &["wait", "full scan"],
        "wait" => &["no action", "take sample"],
        _ => &[],
    }
}
