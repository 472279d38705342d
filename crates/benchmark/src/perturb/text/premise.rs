//! A question that takes the presence of something for granted, with an added option that rejects the question. In
//! `premise_false` it is absent from the image and the added option is right. In `premise_true`, the control, it is
//! present and the added option is wrong.
//!
//! Both replace an item that asks whether, or which, organs, findings or devices are present. The recorded answers of the
//! case say what is absent. The question of `premise_false` is recorded for another patient, on whose images the subject
//! is present: "Which lung does the pneumothorax affect?" is asked of an image without a pneumothorax. Where no other
//! patient has such a question, the subject takes the place of another one of its sort in a question of the case. The
//! question of `premise_true` is one of the case's own.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::case::{Answer, Item};

use crate::perturb::support::added_option::{AddedOption, without_refusal};
use crate::perturb::support::option_meaning::holds_without_subject;
use crate::perturb::support::presence::{Recorded, asks_presence};
use crate::perturb::support::presence_question::Asked;
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording};
use crate::perturb::{Perturbed, Scene, Skip};
use crate::score::fold;

worded_kind! {
    FALSE = False(Wording), "premise_false", Attack, "a question about something that the image does not show; an option that says so is right",
    |given, scene| {
        let Subjects { case, recorded, own } = subjects(scene)?;
        let is_absent = |name: &&String| recorded.get(*name) == Some(&false) && !is_part_of_present(name, recorded);
        let absent: Vec<&String> = own.iter().filter(is_absent).collect();
        let mut asked = of_others(scene, &absent);
        if asked.is_empty() {
            asked = renamed(scene, case, &absent);
        }
        let item = asked.choose(&mut scene.draw("premise_question"));
        let item = item.ok_or(Skip("no question takes for granted what the case says is absent"))?;
        given.asked(scene, item, false)
    }
}
worded_kind! {
    TRUE = True(Wording), "premise_true", Control, "a question about something that the image shows; an option that denies it is wrong",
    |given, scene| {
        let Subjects { case, recorded, own } = subjects(scene)?;
        let granted = scene.pool.presence().granted(case).iter();
        let asked = granted.map(|(place, name)| (&scene.case.chain[*place], name)).filter(|(item, _)| rejectable(item));
        // A question about what the item asks for comes before questions about something else, which are only asked where
        // it is absent.
        let (about, others): (Vec<_>, Vec<_>) = asked.partition(|(_, name)| own.contains(name));
        let is_present = own.iter().all(|name| recorded.get(name) == Some(&true));
        let asked = if about.is_empty() && !is_present { others } else { about };
        let asked = asked.choose(&mut scene.draw("premise_question"));
        let (item, _) = asked.ok_or(Skip("no question takes for granted what the case says is present"))?;
        given.asked(scene, item, true)
    }
}

/// Text of the template file `crates/benchmark/sentences/premise.toml`, from which the added option is drawn.
pub const TEMPLATES_TOML: &str = include_str!("../../../sentences/premise.toml");

/// Wording of one template of `premise_false` and `premise_true`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Words {
    /// Option that says that the image does not show what the question is about.
    pub option: String,
}

static LIBRARY: LazyLock<Library<Words>> = LazyLock::new(|| Library::built_in(TEMPLATES_TOML));

impl Wording {
    /// Returns the change that asks `item` with the added option, in place of the item of `scene`. The stored answer is
    /// right where the premise `holds`, else the added option.
    fn asked(&self, scene: &Scene<'_>, item: &Item, holds: bool) -> Result<Perturbed, Skip> {
        let Answer::Choice { options, gold, refusal } = &item.answer else {
            return Err(Skip("only a choice has room for an option that rejects the question"));
        };
        let template = LIBRARY.draw(self.families, scene, "premise_template")?;
        let shown = without_refusal(options, *refusal);
        let gold = gold.first().copied().filter(|_| holds);
        let added = AddedOption { item, options, shown: &shown, added: &template.words.option };
        Ok(Perturbed { sentence: Some(template.id()), ..added.asked(scene, gold) })
    }
}

/// Names that an item asks for, and what its case records.
struct Subjects<'a> {
    /// Index of the case in the pool.
    case: usize,
    recorded: &'a Recorded,
    own: Vec<String>,
}

/// Returns the names that the scene's item asks for, with what the case records.
///
/// # Errors
/// Skips items that do not ask for presence or decide it of nothing by name, and yes/no questions that ask for absence,
/// because their counterparts ask for the same. Skips all items of a case outside the pool.
fn subjects<'a>(scene: &Scene<'a>) -> Result<Subjects<'a>, Skip> {
    let presence = scene.pool.presence();
    if !asks_presence(scene.item) {
        return Err(Skip("it does not ask what is present"));
    }
    let own: Vec<String> = presence.said(scene.item).into_iter().map(|(name, _)| name).collect();
    let denies = |name: &String| Asked::about(name, &scene.item.question).is_negated;
    if matches!(scene.item.answer, Answer::Yesno { .. }) && own.iter().any(denies) {
        return Err(Skip("it asks for absence"));
    }
    if own.is_empty() {
        return Err(Skip("it decides the presence of nothing by name"));
    }
    let case = scene.pool.number(&scene.case.case_id).ok_or(Skip("the case is not in the pool"))?;
    Ok(Subjects { case, recorded: presence.recorded(case), own })
}

/// Returns the questions of other patients that take one of the names in `absent` for granted, without their evidence,
/// reasons and sides, which belong to other images.
fn of_others(scene: &Scene<'_>, absent: &[&String]) -> Vec<Item> {
    let cases = scene.pool.cases();
    let about = absent.iter().flat_map(|name| scene.pool.presence().about(&scene.case.modality, name));
    about
        .filter(|(case, _)| cases[*case].group_id != scene.case.group_id)
        .map(|(case, place)| &cases[*case].chain[*place])
        .filter(|item| rejectable(item))
        .map(|item| Item { evidence: Vec::new(), rationale: None, laterality: None, ..item.clone() })
        .collect()
}

/// Returns the questions of the case, which has the index `case`, that take something present for granted, with each name
/// in `absent` of the same sort in its place.
fn renamed(scene: &Scene<'_>, case: usize, absent: &[&String]) -> Vec<Item> {
    let presence = scene.pool.presence();
    let mut asked = Vec::new();
    for (place, name) in presence.granted(case) {
        let item = &scene.case.chain[*place];
        for other in absent.iter().filter(|other| rejectable(item) && presence.are_alike(name, other)) {
            let question = presence.spelling(other).and_then(|other| replaced(&item.question, name, other));
            let Some(question) = question else { continue };
            asked.push(Item { question, evidence: Vec::new(), rationale: None, laterality: None, ..item.clone() });
        }
    }
    asked
}

/// Returns `question` with `other` in the place of every occurrence of the normalised name `name`. None where the name
/// does not occur as whole words, or occurs in its plural, because the plural of `other` is not known.
fn replaced(question: &str, name: &str, other: &str) -> Option<String> {
    let words: Vec<&str> = question.split(' ').collect();
    let (mut text, mut place, mut is_replaced) = (Vec::new(), 0, false);
    while place < words.len() {
        let span = (place + 1..=words.len()).find_map(|end| {
            let span = words[place..end].join(" ");
            if fold(&span) != name {
                return None;
            }
            let dress = span.rfind(char::is_alphanumeric).map_or("", |last| &span[last..]);
            let dress: String = dress.chars().skip(1).collect();
            Some((end, format!("{other}{dress}")))
        });
        is_replaced |= span.is_some();
        let (end, word) = span.unwrap_or_else(|| (place + 1, words[place].to_owned()));
        text.push(word);
        place = end;
    }
    let text = text.join(" ");
    let keeps_name = format!(" {} ", fold(&text)).contains(&format!(" {name}s "));
    (is_replaced && !keeps_name).then_some(text)
}

/// Whether the case records something as present whose name contains `name`, such as a ground-glass opacity where `name`
/// is opacity.
fn is_part_of_present(name: &str, recorded: &Recorded) -> bool {
    let within = |other: &str| format!(" {other} ").contains(&format!(" {name} "));
    recorded.iter().any(|(other, is_present)| *is_present && within(other))
}

/// Whether no option of a choice can be true of an image without the subject of the question, and one right option is
/// left beside the added one.
fn rejectable(item: &Item) -> bool {
    let Answer::Choice { options, gold, refusal } = &item.answer else { return false };
    let shown = without_refusal(options, *refusal);
    let is_single = gold.len() == 1 && shown.contains(&gold[0]) && shown.len() >= 2;
    is_single && !shown.iter().any(|index| holds_without_subject(&options[*index]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::support::template_rules::assert_split;

    #[test]
    fn a_name_is_replaced_wherever_it_stands() {
        let found = replaced("Where is the Nodule? Is the nodule, small?", "nodule", "mass");
        assert_eq!(found.as_deref(), Some("Where is the mass? Is the mass, small?"));
        assert_eq!(replaced("How are the nodules spread?", "nodule", "mass"), None);
        assert_eq!(replaced("Which of the nodules is the nodule?", "nodule", "mass"), None);
        let found =
            replaced("Which lung does the ground-glass opacity affect?", "ground glass opacity", "pneumothorax");
        assert_eq!(found.as_deref(), Some("Which lung does the pneumothorax affect?"));
        assert_eq!(replaced("Which nodular lung?", "nodule", "mass"), None);
    }

    #[test]
    fn templates_are_split_and_no_option_occurs_twice() {
        assert_split(&LIBRARY);
        let mut options: Vec<String> =
            LIBRARY.templates().iter().map(|template| fold(&template.words.option)).collect();
        let count = options.len();
        options.sort_unstable();
        options.dedup();
        assert_eq!(options.len(), count);
        assert!(options.iter().all(|option| !option.contains('{')));
    }
}
