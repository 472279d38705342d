//! A question that takes the presence of something for granted, with an added option that rejects the question. In
//! `premise_false` it is absent from the image and the added option is right. In `premise_true`, the control, it is
//! present and the added option is wrong.
//!
//! Both replace an item that asks whether, or which, organs, findings or devices are present. The recorded answers of the
//! case say what is absent. The question of `premise_false` is recorded for another patient, on whose images the subject
//! is present: "Which lung does the pneumothorax affect?" is asked of an image without a pneumothorax. The question of
//! `premise_true` is one of the case's own.

use std::sync::LazyLock;

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_data::case::{Answer, Item};

use crate::perturb::support::added_option::{AddedOption, without_refusal};
use crate::perturb::support::option_meaning::holds_without_subject;
use crate::perturb::support::presence::{Asked, Recorded, asks_presence};
use crate::perturb::support::registry::worded_kind;
use crate::perturb::support::templates::{Library, Wording};
use crate::perturb::{Perturbed, Scene, Skip};

worded_kind! {
    FALSE = False(Wording), "premise_false", Attack, "a question about something that the image does not show; an option that says so is right",
    |given, scene| {
        let (recorded, own) = subjects(scene)?;
        let absent = own.iter().filter(|name| recorded.get(*name) == Some(&false) && !is_part_of_present(name, &recorded));
        let cases = scene.pool.cases();
        let asked: Vec<&Item> = absent
            .flat_map(|name| scene.pool.presence().about(&scene.case.modality, name))
            .filter(|(case, _)| cases[*case].group_id != scene.case.group_id)
            .map(|(case, place)| &cases[*case].chain[*place])
            .filter(|item| rejectable(item))
            .collect();
        let item = asked.choose(&mut scene.draw("premise_question"));
        let item = item.ok_or(Skip("no question takes for granted what the case says is absent"))?;
        // Evidence, reason and sides belong to the images of the other patient.
        let item = Item { evidence: Vec::new(), rationale: None, laterality: None, ..(*item).clone() };
        given.asked(scene, &item, false)
    }
}
worded_kind! {
    TRUE = True(Wording), "premise_true", Control, "a question about something that the image shows; an option that denies it is wrong",
    |given, scene| {
        let (recorded, own) = subjects(scene)?;
        let asked: Vec<(&Item, bool)> = scene
            .case
            .chain
            .iter()
            .filter(|item| rejectable(item))
            .filter_map(|item| Some((item, scene.pool.presence().taken_for_granted(item)?)))
            .filter(|(_, name)| recorded.get(name) == Some(&true))
            .map(|(item, name)| (item, own.contains(&name)))
            .collect();
        // A question about what the item asks for comes before questions about something else.
        let is_about = asked.iter().any(|(_, is_about)| *is_about);
        let asked: Vec<&Item> = asked.into_iter().filter(|(_, about)| *about == is_about).map(|(item, _)| item).collect();
        let item = asked.choose(&mut scene.draw("premise_question"));
        given.asked(scene, item.ok_or(Skip("no question takes for granted what the case says is present"))?, true)
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
        let added = &LIBRARY.draw(self.families, scene, "premise_template")?.option;
        let shown = without_refusal(options, *refusal);
        let gold = gold.first().copied().filter(|_| holds);
        Ok(AddedOption { item, options, shown: &shown, added }.asked(scene, gold))
    }
}

/// Returns what the case records, and the names that the scene's item asks for.
///
/// # Errors
/// Skips items that do not ask for presence or decide it of nothing by name, and yes/no questions that ask for absence,
/// because their counterparts ask for the same.
fn subjects(scene: &Scene<'_>) -> Result<(Recorded, Vec<String>), Skip> {
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
    Ok((presence.of(scene.case), own))
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
    use crate::perturb::support::templates::assert_split;
    use crate::score::fold;

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
