//! Blind baselines: scores that can be reached without looking at an image.
//!
//! Two blind methods answer every question. Chance draws uniformly from the options. The majority method uses the same
//! question texts with their right answers in other cases: of the options offered now it picks the one with the highest
//! rate of being right when offered, and for boxes it gives the median box. It is fitted on cases at even positions and
//! scored on cases at odd positions, and the other way round, so that no case is scored with its own answers.

use std::collections::BTreeMap;

use crate::box_grid::iou;
use crate::case::{Answer, Case, Item};

/// Scores of the two blind methods on a set of questions.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Number of questions.
    pub items: usize,
    /// Expected share of questions answered rightly by chance, 0 to 1.
    pub chance: f64,
    /// Share of questions that the majority method answers rightly, 0 to 1.
    pub majority: f64,
}

/// Blind scores over all questions, by stage and by category.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Baselines {
    /// Scores over all questions.
    pub overall: Rate,
    /// Scores of stages 1 to 4.
    pub stages: [Rate; 4],
    /// Scores by category id; categories without questions are left out.
    pub categories: BTreeMap<String, Rate>,
}

/// Scores the two blind methods, chance and majority, on the questions of `cases`; every question counts equally. The
/// majority method learns on one half of the cases and is scored on the other, by turns. Shares are 0 where there are
/// no questions.
#[must_use]
pub fn baselines(cases: &[Case]) -> Baselines {
    let half = |odd: usize| cases.iter().skip(odd).step_by(2);
    let mut overall = Sum::default();
    let mut stages: [Sum; 4] = Default::default();
    let mut categories: BTreeMap<String, Sum> = BTreeMap::new();
    for (learned, scored) in [(0, 1), (1, 0)] {
        let memory = Memory::of(half(learned));
        for case in half(scored) {
            for item in &case.chain {
                let score = (chance(item, &memory), f64::from(u8::from(memory.answers(case, item))));
                overall.add(score);
                if let Some(stage) = stages.get_mut(usize::from(item.stage).wrapping_sub(1)) {
                    stage.add(score);
                }
                categories.entry(item.category.clone()).or_default().add(score);
            }
        }
    }
    Baselines {
        overall: overall.rate(),
        stages: stages.map(|sum| sum.rate()),
        categories: categories.into_iter().map(|(category, sum)| (category, sum.rate())).collect(),
    }
}

#[derive(Default)]
struct Sum {
    items: usize,
    chance: f64,
    majority: f64,
}

impl Sum {
    fn add(&mut self, (chance, majority): (f64, f64)) {
        self.items += 1;
        self.chance += chance;
        self.majority += majority;
    }

    fn rate(self) -> Rate {
        let count = self.items.max(1) as f64;
        Rate { items: self.items, chance: self.chance / count, majority: self.majority / count }
    }
}

/// Counts of how often an answer was offered and how often it was right.
#[derive(Clone, Copy, Default)]
struct Tally {
    offered: f64,
    right: f64,
}

/// Right answers seen by the majority method, by question text.
#[derive(Default)]
struct Memory<'a> {
    words: BTreeMap<&'a str, BTreeMap<String, Tally>>,
    numbers: BTreeMap<&'a str, Vec<f64>>,
    boxes: BTreeMap<&'a str, Vec<[f64; 4]>>,
}

impl<'a> Memory<'a> {
    fn of(cases: impl Iterator<Item = &'a Case>) -> Self {
        let mut memory = Self::default();
        for case in cases {
            for item in &case.chain {
                memory.learn(case, item);
            }
        }
        memory
    }

    fn learn(&mut self, case: &'a Case, item: &'a Item) {
        let question = item.question.as_str();
        match &item.answer {
            Answer::Number { gold, .. } => self.numbers.entry(question).or_default().push(*gold),
            Answer::Box { gold, .. } => self.boxes.entry(question).or_default().extend(boxes(case, gold)),
            Answer::Choice { .. } | Answer::Yesno { .. } | Answer::Text { .. } => {
                let tallies = self.words.entry(question).or_default();
                for (answer, right) in offered(item) {
                    let tally = tallies.entry(answer).or_default();
                    tally.offered += 1.0;
                    tally.right += f64::from(u8::from(right));
                }
            }
        }
    }

    /// Whether the majority method answers `item` rightly.
    fn answers(&self, case: &Case, item: &Item) -> bool {
        let question = item.question.as_str();
        match &item.answer {
            Answer::Number { gold, abs_tol, rel_tol, .. } => {
                let Some(seen) = self.numbers.get(question) else { return false };
                let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs());
                let accepts = |value: f64| seen.iter().filter(|gold| (*gold - value).abs() <= tolerance).count();
                let best = seen.iter().copied().max_by_key(|value| accepts(*value));
                best.is_some_and(|value| (value - gold).abs() <= tolerance)
            }
            Answer::Box { gold, iou_ok } => {
                // No region is known where the records name only regions that do not exist.
                let Some(seen) = self.boxes.get(question).filter(|seen| !seen.is_empty()) else { return false };
                let guess = [0, 1, 2, 3].map(|edge| median(seen.iter().map(|bounds| bounds[edge]).collect()));
                // The one guess is compared with every region, so a question with several regions is hardly ever right.
                boxes(case, gold).all(|bounds| iou(bounds, guess) >= *iou_ok)
            }
            Answer::Text { gold, aliases } => {
                let share = |tally: &Tally| tally.right;
                let best = self.words.get(question).and_then(|tallies| {
                    tallies.iter().max_by(|a, b| share(a.1).total_cmp(&share(b.1))).map(|(answer, _)| answer)
                });
                best.is_some_and(|answer| gold.contains(answer) || aliases.contains(answer))
            }
            Answer::Choice { .. } | Answer::Yesno { .. } => {
                let tallies = self.words.get(question);
                let share = |answer: &str| {
                    let tally = tallies.and_then(|tallies| tallies.get(answer)).copied().unwrap_or_default();
                    if tally.offered > 0.0 { tally.right / tally.offered } else { 0.0 }
                };
                let best = offered(item).into_iter().max_by(|a, b| share(&a.0).total_cmp(&share(&b.0)));
                best.is_some_and(|(_, right)| right)
            }
        }
    }
}

/// Possible answers with whether each is right. A text question offers its right answers only; boxes and numbers
/// offer none.
fn offered(item: &Item) -> Vec<(String, bool)> {
    match &item.answer {
        Answer::Choice { options, gold, .. } => {
            options.iter().enumerate().map(|(index, option)| (option.clone(), gold.contains(&index))).collect()
        }
        Answer::Yesno { gold, .. } => vec![("yes".into(), *gold), ("no".into(), !*gold)],
        Answer::Text { gold, .. } => gold.iter().map(|answer| (answer.clone(), true)).collect(),
        Answer::Box { .. } | Answer::Number { .. } => Vec::new(),
    }
}

/// Probability that a uniform draw is right. The draw is from the options or, for texts and numbers, from the answers
/// that were right before. A box is never right by chance.
fn chance(item: &Item, memory: &Memory) -> f64 {
    match &item.answer {
        Answer::Choice { options, gold, .. } => gold.len() as f64 / options.len().max(1) as f64,
        Answer::Yesno { .. } => 0.5,
        Answer::Text { .. } => 1.0 / memory.words.get(item.question.as_str()).map_or(1, BTreeMap::len).max(1) as f64,
        Answer::Number { gold, abs_tol, rel_tol, .. } => {
            let Some(seen) = memory.numbers.get(item.question.as_str()) else { return 0.0 };
            let mut values = seen.clone();
            values.sort_by(f64::total_cmp);
            values.dedup();
            let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs());
            values.iter().filter(|value| (*value - gold).abs() <= tolerance).count() as f64 / values.len() as f64
        }
        Answer::Box { .. } => 0.0,
    }
}

fn boxes<'a>(case: &'a Case, gold: &'a [String]) -> impl Iterator<Item = [f64; 4]> + 'a {
    gold.iter().filter_map(|id| case.regions.iter().find(|region| region.id == *id)).map(|region| {
        // Relative to the image's sides, so that images of different sizes are comparable.
        let image = case.images.iter().find(|image| image.id == region.image);
        let (width, height) = image.map_or((1.0, 1.0), |image| (f64::from(image.width), f64::from(image.height)));
        let [x0, y0, x1, y1] = region.shape.bounds();
        [x0 / width, y0 / height, x1 / width, y1 / height]
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
