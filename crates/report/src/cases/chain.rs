//! Chain of questions as a tree: by stage, and below the question that each one builds on.

use std::collections::BTreeMap;

use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::taxonomy::AnswerType;

use super::input::CasesInput;
use super::legend::short;
use super::prompts;
use crate::markup::{escape, plural};

/// Deepest level that is indented further than its parent.
const DEEPEST: usize = 5;

/// Renders the chain of a case, which has an index in the data set and is the shown case number `shown`.
pub fn tree(input: &CasesInput<'_>, (case, index): (&Case, usize), shown: usize) -> String {
    stages(case)
        .into_iter()
        .map(|(stage, items)| {
            let list: String = ordered(case, &items)
                .into_iter()
                .map(|(place, depth)| question(input, (case, index), shown, place, depth))
                .collect();
            format!("<h4>{}</h4><ol class=\"items\">{list}</ol>", escape(&input.stage(stage)))
        })
        .collect()
}

/// Renders the chain without texts: number of questions by stage, category and answer type.
pub fn outline(input: &CasesInput<'_>, case: &Case) -> String {
    stages(case)
        .into_iter()
        .map(|(stage, items)| {
            let mut kinds: BTreeMap<(String, &str), usize> = BTreeMap::new();
            for place in items {
                let item = &case.chain[place];
                *kinds.entry((input.category(&item.category), AnswerType::of(&item.answer).word())).or_default() += 1;
            }
            let list: String = kinds
                .into_iter()
                .map(|((category, kind), count)| {
                    format!("<li>{}, {kind}: {}</li>", escape(&category), plural(count, "question"))
                })
                .collect();
            format!("<h4>{}</h4><ul>{list}</ul>", escape(&input.stage(stage)))
        })
        .collect()
}

/// Places of the questions of each stage, in the order of the chain.
fn stages(case: &Case) -> BTreeMap<u8, Vec<usize>> {
    let mut stages: BTreeMap<u8, Vec<usize>> = BTreeMap::new();
    case.chain.iter().enumerate().for_each(|(place, item)| stages.entry(item.stage).or_default().push(place));
    stages
}

/// Orders the questions of a stage as a tree: each one below its first parent of the stage that comes earlier, with its
/// depth from 0.
fn ordered(case: &Case, items: &[usize]) -> Vec<(usize, usize)> {
    let mut children: BTreeMap<Option<usize>, Vec<usize>> = BTreeMap::new();
    for &place in items {
        let is_parent = |other: &&usize| **other < place && case.chain[place].parents.contains(&case.chain[**other].id);
        children.entry(items.iter().find(is_parent).copied()).or_default().push(place);
    }
    let of = |parent: Option<usize>, depth: usize| {
        children.get(&parent).into_iter().flatten().rev().map(move |place| (*place, depth))
    };
    let mut open: Vec<(usize, usize)> = of(None, 0).collect();
    let mut order = Vec::with_capacity(items.len());
    while let Some((place, depth)) = open.pop() {
        order.push((place, depth));
        open.extend(of(Some(place), depth + 1));
    }
    order
}

fn question(input: &CasesInput<'_>, (case, index): (&Case, usize), shown: usize, place: usize, depth: usize) -> String {
    let item = &case.chain[place];
    let regions = |ids: &[String]| -> Vec<usize> {
        ids.iter().filter_map(|id| case.regions.iter().position(|region| region.id == *id)).collect()
    };
    let evidence = regions(&item.evidence);
    let boxes = if let Answer::Box { gold, .. } = &item.answer { regions(gold) } else { Vec::new() };
    let lights: String = evidence.iter().chain(&boxes).map(|number| format!(" e{number}")).collect();
    let focus = if lights.is_empty() { "" } else { " tabindex=\"0\"" };
    let mut facts = vec![escape(&input.category(&item.category))];
    if !item.parents.is_empty() {
        let links: Vec<String> = item.parents.iter().map(|id| link(case, shown, id)).collect();
        facts.push(format!("builds on {}", links.join(", ")));
    }
    if !item.evidence.is_empty() {
        facts.push(format!("evidence: {}", named(case, &item.evidence)));
    }
    facts.extend(extras(item));
    format!(
        "<li id=\"c{shown}i{place}\" class=\"d{}\"><div class=\"item{lights}\"{focus}><p class=\"ask\"><b>{}</b> {}</p>\
         {}<p class=\"about\">{}</p>{}</div></li>",
        depth.min(DEEPEST),
        escape(&item.id),
        escape(&item.question),
        answer(case, item),
        facts.join(" \u{b7} "),
        prompts::folded(input, index, place),
    )
}

/// A question by its id, as a link where it exists.
fn link(case: &Case, shown: usize, id: &str) -> String {
    match case.chain.iter().position(|item| item.id == *id) {
        Some(place) => format!("<a href=\"#c{shown}i{place}\">{}</a>", escape(id)),
        None => escape(id),
    }
}

/// Regions by number and label, or by id where they do not exist.
fn named(case: &Case, ids: &[String]) -> String {
    let name = |id: &String| match case.regions.iter().position(|region| region.id == *id) {
        Some(number) => escape(&format!("{} {}", number + 1, case.regions[number].label)),
        None => escape(id),
    };
    ids.iter().map(name).collect::<Vec<_>>().join(", ")
}

/// Facts that few questions have, as markup.
fn extras(item: &Item) -> Vec<String> {
    let mut extras = Vec::new();
    if !item.paraphrases.is_empty() {
        extras.push(format!("other wordings: {}", escape(&item.paraphrases.join(" / "))));
    }
    if let Some(rationale) = &item.rationale {
        extras.push(format!("reason: {}", escape(rationale)));
    }
    if let Some(laterality) = item.laterality.as_ref().filter(|laterality| laterality.dependent) {
        let flipped = laterality.flipped_gold.as_ref().map_or_else(String::new, |gold| format!(" to {}", escape(gold)));
        extras.push(format!("a left-right flip changes the answer{flipped}"));
    }
    match item.vision_required {
        Some(true) => extras.push("needs the image".to_owned()),
        Some(false) => extras.push("does not need the image".to_owned()),
        None => {}
    }
    extras
}

fn answer(case: &Case, item: &Item) -> String {
    match &item.answer {
        Answer::Choice { options, gold, refusal } => {
            let entry = |(place, text): (usize, &String)| {
                let mut notes = Vec::new();
                if *refusal == Some(place) {
                    notes.push("declines to answer");
                }
                if item.confusable.contains(&place) {
                    notes.push("easily confused");
                }
                option(text, gold.contains(&place), &notes.join(", "))
            };
            list(options.iter().enumerate().map(entry))
        }
        Answer::Yesno { gold, pair_of } => {
            let twin = pair_of.as_ref().map_or_else(String::new, |twin| format!("negated question: {twin}"));
            let note = |is_right: bool| if is_right { twin.as_str() } else { "" };
            list([option("yes", *gold, note(*gold)), option("no", !gold, note(!gold))])
        }
        Answer::Text { gold, aliases } => list(
            gold.iter()
                .map(|text| option(text, true, ""))
                .chain(aliases.iter().map(|text| option(text, true, "other wording"))),
        ),
        Answer::Box { gold, iou_ok } => list([format!(
            "<li class=\"right\">{} <span class=\"about\">right from an IoU of {iou_ok}</span></li>",
            named(case, gold)
        )]),
        Answer::Number { gold, unit, abs_tol, rel_tol } => {
            let unit = unit.as_ref().map_or_else(String::new, |unit| format!(" {unit}"));
            let tolerance = abs_tol.unwrap_or(0.0).max(rel_tol.unwrap_or(0.0) * gold.abs());
            let note = if tolerance > 0.0 {
                format!("right from {} to {}{unit}", short(gold - tolerance), short(gold + tolerance))
            } else {
                "no tolerance".to_owned()
            };
            list([option(&format!("{gold}{unit}"), true, &note)])
        }
    }
}

fn list(options: impl IntoIterator<Item = String>) -> String {
    format!("<ul class=\"options\">{}</ul>", options.into_iter().collect::<String>())
}

/// An option as plain text; a right one has a mark that is also text.
fn option(text: &str, is_right: bool, note: &str) -> String {
    let class = if is_right { " class=\"right\"" } else { "" };
    let note = if note.is_empty() { String::new() } else { format!(" <span class=\"about\">{}</span>", escape(note)) };
    format!("<li{class}>{}{note}</li>", escape(text))
}
