//! Builder of the question chain of one imported case: ids, stages, order of options, negated pairs and the effect of a
//! left-right flip.

use std::sync::LazyLock;

use rand::Rng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use stepwise_data::case::{Answer, Item, Laterality, Region};
use stepwise_data::prompt::box_text;
use stepwise_data::random::stream;
use stepwise_data::taxonomy::Taxonomy;

/// Taxonomy that gives the stage of each category.
static TAXONOMY: LazyLock<Taxonomy> = LazyLock::new(Taxonomy::default);

/// Parts of a question that do not depend on the answer type. Methods add parts and return the question.
#[derive(Clone, Default)]
pub(super) struct Ask {
    category: &'static str,
    question: String,
    paraphrases: Vec<String>,
    parents: Vec<String>,
    evidence: Vec<String>,
    rationale: Option<String>,
}

impl Ask {
    /// Makes a question of the taxonomy category `category`, such as `01`, with one wording and no parents.
    pub(super) fn new(category: &'static str, question: impl Into<String>) -> Self {
        Self { category, question: question.into(), ..Self::default() }
    }

    /// Adds another wording of the question.
    pub(super) fn or(mut self, question: impl Into<String>) -> Self {
        self.paraphrases.push(question.into());
        self
    }

    /// Adds parents: ids of the questions that this one builds on.
    pub(super) fn after<'a>(mut self, parents: impl IntoIterator<Item = &'a String>) -> Self {
        self.parents.extend(parents.into_iter().cloned());
        self
    }

    /// Adds evidence: ids of the regions that the answer rests on.
    pub(super) fn on<'a>(mut self, regions: impl IntoIterator<Item = &'a str>) -> Self {
        self.evidence.extend(regions.into_iter().map(str::to_owned));
        self
    }

    /// Sets the reason why the answer is right.
    pub(super) fn because(mut self, rationale: impl Into<String>) -> Self {
        self.rationale = Some(rationale.into());
        self
    }
}

/// Collects the questions of a case. Every method that adds a question returns its id.
pub(super) struct Chain {
    seed: u64,
    case_id: String,
    width: u32,
    height: u32,
    items: Vec<Item>,
}

impl Chain {
    /// Makes an empty chain of the case `case_id`. `width` and `height` are the size of its image in pixels.
    pub(super) fn new(seed: u64, case_id: &str, width: u32, height: u32) -> Self {
        Self { seed, case_id: case_id.to_owned(), width, height, items: Vec::new() }
    }

    /// Returns the random generator of one decision of this case, named by `about`. Equal names give equal draws.
    pub(super) fn dice(&self, about: &str) -> ChaCha8Rng {
        stream(self.seed, &["import", &self.case_id, about])
    }

    /// Adds a choice with the right option `gold` and the wrong options `others`, in random order; equal options are
    /// kept once. `near` are the wrong options that are easily confused with the right one; others in it are ignored.
    /// Returns the id of the question.
    pub(super) fn choice(&mut self, ask: Ask, gold: &str, others: &[&str], near: &[&str]) -> String {
        let mut options: Vec<&str> = others.iter().copied().chain([gold]).collect();
        // Sorted before shuffling, so that the result does not depend on the order of the arguments.
        options.sort_unstable();
        options.dedup();
        options.shuffle(&mut self.dice(&format!("options of q{}", self.items.len() + 1)));
        let place = |text: &str| options.iter().position(|option| *option == text);
        let confusable = near.iter().filter(|text| **text != gold).filter_map(|text| place(text)).collect();
        let answer = Answer::Choice {
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            gold: place(gold).into_iter().collect(),
            refusal: None,
        };
        let flipped = swap_sides(gold);
        let laterality = Laterality { dependent: flipped != gold, flipped_gold: (flipped != gold).then_some(flipped) };
        self.push(ask, answer, confusable, laterality)
    }

    /// Adds a choice among the steps of an ordered scale, where `step` (from 0) is right. The neighbouring steps are
    /// marked as easily confused. Returns the id of the question.
    ///
    /// # Panics
    /// When `step` is outside the scale.
    pub(super) fn ordinal(&mut self, ask: Ask, scale: &[&str], step: usize) -> String {
        let near: Vec<&str> =
            [step.wrapping_sub(1), step + 1].iter().filter_map(|place| scale.get(*place).copied()).collect();
        self.choice(ask, scale[step], scale, &near)
    }

    /// Adds a yes/no question with the answer `truth` and its negated question `denial`, in random order. The other
    /// wordings in `ask` belong to the question that is not negated. Returns the id of the question that comes first.
    pub(super) fn twins(&mut self, ask: Ask, denial: &str, truth: bool) -> String {
        let denied = Ask { question: denial.to_owned(), paraphrases: Vec::new(), ..ask.clone() };
        let ids = [1, 2].map(|step| format!("q{}", self.items.len() + step));
        let mut pair = [(ask, truth), (denied, !truth)];
        if self.dice(&format!("order of {}", ids[0])).random::<bool>() {
            pair.swap(0, 1);
        }
        for ((ask, gold), twin) in pair.into_iter().zip([&ids[1], &ids[0]]) {
            self.push(ask, Answer::Yesno { gold, pair_of: Some(twin.clone()) }, Vec::new(), independent());
        }
        let [first, _] = ids;
        first
    }

    /// Adds a question for the box around a region, which counts as right from an intersection over union of 0.5.
    /// Returns the id of the question.
    pub(super) fn locate(&mut self, ask: Ask, region: &Region) -> String {
        let [x0, y0, x1, y1] = region.shape.bounds();
        let width = f64::from(self.width);
        let mirrored = box_text([width - x1, y0, width - x0, y1], self.width, self.height);
        let answer = Answer::Box { gold: vec![region.id.clone()], iou_ok: 0.5 };
        let laterality = Laterality { dependent: true, flipped_gold: Some(mirrored) };
        self.push(ask.on([region.id.as_str()]), answer, Vec::new(), laterality)
    }

    /// Adds a question for a count. Answers at most `tolerance` away from `gold` are right. Returns the id of the question.
    pub(super) fn count(&mut self, ask: Ask, gold: usize, tolerance: f64) -> String {
        let answer = Answer::Number { gold: gold as f64, unit: None, abs_tol: Some(tolerance), rel_tol: None };
        self.push(ask, answer, Vec::new(), independent())
    }

    /// Adds a question without parents and evidence as another case of the same data set asks it. Returns the id of the
    /// question.
    pub(super) fn repeat(&mut self, item: &Item) -> String {
        let id = format!("q{}", self.items.len() + 1);
        self.items.push(Item { id: id.clone(), ..item.clone() });
        id
    }

    /// Returns the questions in the order in which they were added.
    pub(super) fn finish(self) -> Vec<Item> {
        self.items
    }

    fn push(&mut self, ask: Ask, answer: Answer, confusable: Vec<usize>, laterality: Laterality) -> String {
        let id = format!("q{}", self.items.len() + 1);
        self.items.push(Item {
            id: id.clone(),
            stage: TAXONOMY.category(ask.category).map_or(0, |category| category.stage),
            category: ask.category.to_owned(),
            parents: ask.parents,
            question: ask.question,
            answer,
            evidence: ask.evidence,
            confusable,
            paraphrases: ask.paraphrases,
            rationale: ask.rationale,
            laterality: Some(laterality),
            vision_required: Some(true),
        });
        id
    }
}

/// Draws up to `count` different values of a pool of (value, weight), with probability proportional to weight. Values
/// with weight 0 are never drawn, so there may be fewer.
///
/// Wrong options are drawn by how often they are right in other cases, so that frequent right answers do not stand out.
pub(super) fn draw<'a>(pool: &[(&'a str, usize)], count: usize, dice: &mut impl Rng) -> Vec<&'a str> {
    let mut left = pool.to_vec();
    let mut drawn = Vec::new();
    while drawn.len() < count {
        let total: usize = left.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            break;
        }
        let mut at = dice.random_range(0..total as u64) as usize;
        let place = left.iter().position(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let Some(place) = place else { break };
        drawn.push(left.remove(place).0);
    }
    drawn
}

fn independent() -> Laterality {
    Laterality { dependent: false, flipped_gold: None }
}

/// Returns the text with the words left and right exchanged.
fn swap_sides(text: &str) -> String {
    let swap = |word| match word {
        "left" => "right",
        "right" => "left",
        other => other,
    };
    text.split(' ').map(swap).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwise_data::case::{RegionRole, Shape};

    #[test]
    fn options_are_shuffled_and_neighbours_are_confusable() {
        let scale = ["none", "few", "some", "many"];
        let mut places = [0; 4];
        for case in 0..200 {
            let mut chain = Chain::new(1, &format!("c{case}"), 10, 10);
            chain.ordinal(Ask::new("17", "How much?"), &scale, 1);
            let items = chain.finish();
            let Answer::Choice { options, gold, .. } = &items[0].answer else { panic!("a choice") };
            assert_eq!(options[gold[0]], "few");
            assert_eq!(
                items[0].confusable.iter().map(|place| options[*place].as_str()).collect::<Vec<_>>(),
                ["none", "some"]
            );
            places[gold[0]] += 1;
        }
        assert!(places.iter().all(|count| (30..70).contains(count)), "{places:?}");
    }

    #[test]
    fn twins_name_each_other_and_disagree() {
        for case in ["a", "b", "c", "d"] {
            let mut chain = Chain::new(1, case, 10, 10);
            chain.choice(Ask::new("01", "Which?"), "MRI", &["CT"], &["CT"]);
            chain.twins(Ask::new("10", "Is it there?"), "Is it absent?", true);
            let items = chain.finish();
            for (item, twin) in [(&items[1], "q3"), (&items[2], "q2")] {
                let truth = item.question == "Is it there?";
                assert_eq!(item.answer, Answer::Yesno { gold: truth, pair_of: Some(twin.into()) });
                assert_eq!(item.stage, 2);
            }
        }
    }

    #[test]
    fn a_flip_exchanges_sides_and_mirrors_boxes() {
        let mut chain = Chain::new(1, "a", 200, 100);
        chain.choice(Ask::new("13", "Which?"), "upper left", &["upper right"], &[]);
        let shape = Shape::Box { bounds: [20.0, 10.0, 60.0, 50.0] };
        let region = Region { id: "r".into(), image: "i0".into(), label: "x".into(), shape, role: RegionRole::Finding };
        chain.locate(Ask::new("12", "Where?"), &region);
        chain.count(Ask::new("14", "How many?"), 2, 0.0);
        let flipped = |item: &Item| item.laterality.clone().and_then(|laterality| laterality.flipped_gold);
        let items = chain.finish();
        let golds: Vec<Option<String>> = items.iter().map(flipped).collect();
        assert_eq!(golds, [Some("upper right".into()), Some("[70, 10, 90, 50]".into()), None]);
    }

    #[test]
    fn draws_are_distinct_and_heavy_values_come_often() {
        let pool = [("a", 90), ("b", 5), ("c", 5), ("never", 0)];
        let mut first = 0;
        for round in 0..100 {
            let drawn = draw(&pool, 4, &mut stream(round, &["draw"]));
            assert_eq!(drawn.len(), 3);
            first += usize::from(drawn[0] == "a");
        }
        assert!(first > 75, "{first}");
    }
}
