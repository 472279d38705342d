//! What cases record about the presence of named organs, findings and devices: from their regions, and from questions
//! that ask whether or which of them an image shows.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use stepwise_data::case::{Answer, Case, Item, RegionRole};
use stepwise_data::taxonomy::is_about_marks;

use super::option_meaning::rejects_all;
use super::presence_question::{Asked, plain_subject, takes_for_granted};
use crate::score::fold;

/// Categories that ask whether, or which, organs, findings or devices are present, in Stepwise's own taxonomy.
const CATEGORIES: [&str; 5] = ["05", "09", "10", "11", "15"];

/// Largest number of words in a name that questions are searched for.
const LONGEST_NAME: usize = 8;

/// Returns whether `item` asks whether, or which, organs, findings or devices are present: a choice or a yes/no question
/// of a category of presence.
#[must_use]
pub fn asks_presence(item: &Item) -> bool {
    CATEGORIES.contains(&item.category.as_str()) && matches!(item.answer, Answer::Choice { .. } | Answer::Yesno { .. })
}

/// Recorded presence of each name in one case: true where anything in the case says that it is present, false where
/// something says that it is absent and nothing that it is present. Names of which nothing is recorded have no entry.
pub type Recorded = BTreeMap<String, bool>;

/// Names of organs, findings and devices in a set of cases, with what each case records about them, and the questions
/// that take one of them for granted. Names are normalised by [`fold`].
#[derive(Clone, Debug, Default)]
pub struct Presence {
    /// Normalised names, each with a spelling from the cases.
    names: BTreeMap<String, String>,
    /// Normalised names with what questions call them.
    sorts: BTreeMap<String, Sort>,
    /// Recorded presence for each case, in the order of the cases.
    recorded: Vec<Recorded>,
    /// Questions of each case that take something present for granted: index of the item, and name.
    granted: Vec<Vec<(usize, String)>>,
    /// Modality and name to the `(case, item)` indices of these questions, ordered by case id.
    about: HashMap<(String, String), Vec<(usize, usize)>>,
}

impl Presence {
    /// Collects names, records and questions from `cases`. `order` lists the indices of all cases by case id.
    #[must_use]
    pub fn new(cases: &[Case], order: &[usize]) -> Self {
        let mut presence = Self::default();
        for name in order.iter().flat_map(|&number| names(&cases[number])) {
            presence.names.entry(fold(name)).or_insert_with(|| name.to_owned());
        }
        // Labels and options come first, because their spelling is not normalised.
        let items = order.iter().flat_map(|&number| &cases[number].chain);
        let asked: BTreeSet<String> = items.filter_map(asked_by_name).collect();
        for name in &asked {
            // "Nodules" is the plural of a name, and no other name.
            let singular = name.strip_suffix('s');
            if !singular.is_some_and(|name| asked.contains(name) || presence.names.contains_key(name)) {
                presence.names.entry(name.clone()).or_insert_with(|| name.clone());
            }
        }
        presence.recorded = cases.iter().map(|case| presence.of(case)).collect();
        for item in order.iter().flat_map(|&number| &cases[number].chain) {
            let Some(sort) = sort(item) else { continue };
            for (name, _) in presence.said(item) {
                presence.sorts.entry(name).or_insert(sort);
            }
        }
        let granted = |(case, recorded): (&Case, &Recorded)| {
            let places = case.chain.iter().enumerate();
            let names = places.filter_map(|(place, item)| Some((place, presence.taken_for_granted(item)?)));
            names.filter(|(_, name)| recorded.get(name) == Some(&true)).collect()
        };
        presence.granted = cases.iter().zip(&presence.recorded).map(granted).collect();
        for &number in order {
            for (place, name) in &presence.granted[number] {
                let key = (cases[number].modality.clone(), name.clone());
                presence.about.entry(key).or_default().push((number, *place));
            }
        }
        presence
    }

    /// Returns what the case with this index, from 0, records.
    ///
    /// # Panics
    /// When there is no such case.
    #[must_use]
    pub fn recorded(&self, case: usize) -> &Recorded {
        &self.recorded[case]
    }

    fn of(&self, case: &Case) -> Recorded {
        let regions = case.regions.iter().filter(|region| is_structure(region.role));
        let mut recorded: Recorded = regions.map(|region| (fold(&region.label), true)).collect();
        for (name, is_present) in case.chain.iter().flat_map(|item| self.said(item)) {
            *recorded.entry(name).or_default() |= is_present;
        }
        recorded
    }

    /// Returns the names that `item` says to be present or absent: the subject of a yes/no question, or the options of a
    /// choice. Empty for questions that do not ask for presence.
    #[must_use]
    pub fn said(&self, item: &Item) -> Vec<(String, bool)> {
        match &item.answer {
            _ if !asks_presence(item) => Vec::new(),
            Answer::Yesno { gold, .. } => {
                let Some(name) = self.subject(&item.question) else { return Vec::new() };
                let asked = Asked::about(&name, &item.question);
                let is_present = *gold != asked.is_negated;
                if is_present || asked.is_plain { vec![(name, is_present)] } else { Vec::new() }
            }
            Answer::Choice { options, gold, refusal } => {
                if refusal.is_some_and(|refusal| gold.contains(&refusal)) {
                    return Vec::new();
                }
                let named = options.iter().enumerate().filter(|(index, _)| Some(*index) != *refusal);
                named
                    .map(|(index, option)| (fold(option), gold.contains(&index)))
                    .filter(|(name, _)| self.names.contains_key(name))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Returns the longest name in `question`, as whole words, also in its plural with "s". None without a name.
    fn subject(&self, question: &str) -> Option<String> {
        let folded = fold(question);
        let words: Vec<&str> = folded.split(' ').collect();
        let spans = (1..=LONGEST_NAME.min(words.len())).rev().flat_map(|length| words.windows(length));
        let known = |span: &[&str]| {
            let text = span.join(" ");
            let singular = text.strip_suffix('s').map(str::to_owned);
            [Some(text), singular].into_iter().flatten().find(|name| self.names.contains_key(name))
        };
        spans.filter_map(known).max_by_key(String::len)
    }

    /// Returns the name whose presence a choice takes for granted: the longest name in the question, where it stands with
    /// "the", as in "Which lung does the pneumothorax affect?". None for questions of stage 1, for questions that ask for
    /// presence or under a condition ("if"), for questions about marks, which other images do not have, and for other
    /// answers than choices.
    fn taken_for_granted(&self, item: &Item) -> Option<String> {
        let is_other = asks_presence(item) || is_about_marks(&item.category);
        if item.stage < 2 || is_other || !matches!(item.answer, Answer::Choice { .. }) {
            return None;
        }
        self.subject(&item.question).filter(|name| takes_for_granted(&item.question, name))
    }

    /// Returns the choices of the case with this index, from 0, that take something for granted whose presence the case
    /// records: the index of the item in the chain, and the name. Empty without such a question.
    ///
    /// # Panics
    /// When there is no such case.
    #[must_use]
    pub fn granted(&self, case: usize) -> &[(usize, String)] {
        &self.granted[case]
    }

    /// Returns the spelling of a normalised name in the cases; None for an unknown name.
    #[must_use]
    pub fn spelling(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// Returns whether questions ask for the presence of both normalised names as things of one sort: organs, findings or
    /// devices.
    #[must_use]
    pub fn are_alike(&self, name: &str, other: &str) -> bool {
        self.sorts.get(name).is_some_and(|sort| self.sorts.get(other) == Some(sort))
    }

    /// Returns `(case, item)` indices of the choices that take `name` for granted, in cases of this modality that record
    /// its presence, ordered by case id. Empty without such a question.
    #[must_use]
    pub fn about(&self, modality: &str, name: &str) -> &[(usize, usize)] {
        self.about.get(&(modality.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
    }
}

fn is_structure(role: RegionRole) -> bool {
    matches!(role, RegionRole::Organ | RegionRole::Finding | RegionRole::Device)
}

/// What the question calls the things whose presence it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Organ,
    Finding,
    Device,
}

/// Returns the sort of the things whose presence `item` asks for; None for other questions.
fn sort(item: &Item) -> Option<Sort> {
    match item.category.as_str() {
        _ if !asks_presence(item) => None,
        "05" => Some(Sort::Organ),
        "15" => Some(Sort::Device),
        _ => Some(Sort::Finding),
    }
}

/// Names in a case as written: labels of its regions, and the options of its choices among organs, findings and devices.
fn names(case: &Case) -> impl Iterator<Item = &str> {
    let labels = case.regions.iter().filter(|region| is_structure(region.role)).map(|region| region.label.as_str());
    let choices = case.chain.iter().filter(|item| asks_presence(item));
    let options = choices.filter_map(|item| match &item.answer {
        Answer::Choice { options, refusal, .. } => Some((options, *refusal)),
        _ => None,
    });
    let options = options.flat_map(|(options, refusal)| {
        let named = options.iter().enumerate().filter(move |(index, _)| Some(*index) != refusal);
        named.map(|(_, option)| option.as_str()).filter(|name| !rejects_all(name))
    });
    labels.chain(options).filter(|name| !fold(name).is_empty())
}

/// Subject of a plain yes/no question about presence; None for other items.
fn asked_by_name(item: &Item) -> Option<String> {
    let is_asked = asks_presence(item) && matches!(item.answer, Answer::Yesno { .. });
    is_asked.then(|| plain_subject(&item.question)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn case(id: &str, labels: &[&str], chain: Value) -> Case {
        let region = |(place, label): (usize, &&str)| {
            let role = if *label == "left lung" { "organ" } else { "finding" };
            json!({"id": format!("r{place}"), "image": "i", "label": label, "kind": "box", "box": [1, 1, 3, 3], "role": role})
        };
        serde_json::from_value(json!({
            "schema": "case/1", "case_id": id, "group_id": id, "split": "test",
            "source": {"dataset": "d", "licence": "l"}, "modality": "x-ray",
            "images": [{"id": "i", "path": "i.png", "sha256": "", "width": 8, "height": 8}],
            "regions": labels.iter().enumerate().map(region).collect::<Vec<_>>(), "chain": chain
        }))
        .expect("valid")
    }

    fn asked(question: &str, gold: bool) -> Value {
        json!({"id": question, "stage": 2, "category": "10", "question": question, "answer": {"type": "yesno", "gold": gold}})
    }

    #[test]
    fn regions_questions_and_options_say_what_is_present() {
        let options = json!({"id": "which", "stage": 2, "category": "11", "question": "Which finding is shown?",
            "answer": {"type": "choice", "options": ["effusion", "none of these", "mass", "cannot tell"], "gold": [2], "refusal": 3}});
        let about = |question: &str| {
            json!({"id": question, "stage": 2, "category": "13", "question": question,
                   "answer": {"type": "choice", "options": ["left lung", "right lung"], "gold": [0]}})
        };
        let rule = about("A rule: without the nodule go on, otherwise wait. What now?");
        // Marks belong to one image.
        let mut mark = about("Which mark holds the nodule?");
        mark["category"] = json!("16");
        let cases = [
            case(
                "a",
                &["nodule", "left lung"],
                json!([
                    mark,
                    asked("Is there a nodule?", true),
                    about("In which lung are the Nodules?"),
                    about("How large is a nodule?"),
                    rule
                ]),
            ),
            case("b", &[], json!([asked("Is the image free of nodules?", true), options])),
            // A region outweighs an answer that contradicts it.
            case("c", &["ground-glass opacity"], json!([asked("Is there a ground glass opacity?", false)])),
            case("d", &["opacity"], json!([asked("Is there a ground-glass opacity?", false)])),
            case("e", &[], json!([asked("Is there a mass on the left?", false), asked("Is free air seen?", true)])),
            case("f", &["free air"], json!([asked("Is there a mass on the left?", true)])),
        ];
        let presence = Presence::new(&cases, &[0, 1, 2, 3, 4, 5]);
        let of = |case: usize, name: &str| presence.recorded(case).get(name).copied();
        assert_eq!((of(0, "nodule"), of(0, "left lung"), of(0, "mass")), (Some(true), Some(true), None));
        assert_eq!((of(1, "nodule"), of(1, "effusion"), of(1, "mass")), (Some(false), Some(false), Some(true)));
        assert_eq!((of(1, "none of these"), of(1, "cannot tell")), (None, None));
        assert_eq!(of(2, "ground glass opacity"), Some(true));
        // The longest name is the subject, so an absent "ground-glass opacity" says nothing of other opacities.
        assert_eq!((of(3, "ground glass opacity"), of(3, "opacity")), (Some(false), Some(true)));
        // An answer about one side denies nothing of the other side.
        assert_eq!((of(4, "mass"), of(5, "mass"), of(4, "free air")), (None, Some(true), Some(true)));
        assert_eq!(presence.about("x-ray", "nodule"), [(0, 2)]);
        assert_eq!((presence.about("ct", "nodule"), presence.about("x-ray", "mass")), (&[][..], &[][..]));
    }
}
