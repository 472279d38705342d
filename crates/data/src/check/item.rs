//! Rules of a question chain: stages, categories, parents, evidence, wordings and the effect of a left-right flip.

use super::{Faults, answer, region_ids};
use crate::answer_text::{control_fault, fold};
use crate::case::{Answer, Case, Item, Laterality};
use crate::taxonomy::Taxonomy;

/// Checks the questions of a case and adds the problems to `faults`: ids, wordings, stages, categories (against
/// `taxonomy`, or only that they are not blank for None), parents, evidence, answers, and answers after a flip.
pub(super) fn check_chain(case: &Case, taxonomy: Option<&Taxonomy>, faults: &mut Faults) {
    if case.chain.is_empty() {
        faults.add("chain", "there is no question", "add at least one");
    }
    faults.all_different(|index| format!("chain[{index}].id"), case.chain.iter().map(|item| item.id.as_str()));
    for (index, item) in case.chain.iter().enumerate() {
        let at = format!("chain[{index}]");
        faults.not_blank(&format!("{at}.id"), &item.id);
        faults.plain(&format!("{at}.question"), &item.question);
        faults.text(&format!("{at}.rationale"), item.rationale.as_deref().and_then(control_fault));
        check_kind(item, taxonomy, &at, faults);
        check_parents(case, index, &at, faults);
        for (place, id) in item.evidence.iter().enumerate() {
            faults.known(&format!("{at}.evidence[{place}]"), id, "region", region_ids(case));
        }
        faults.all_different(|place| format!("{at}.evidence[{place}]"), item.evidence.iter().map(String::as_str));
        for (place, paraphrase) in item.paraphrases.iter().enumerate() {
            faults.plain(&format!("{at}.paraphrases[{place}]"), paraphrase);
        }
        let wordings = std::iter::once(&item.question).chain(&item.paraphrases).map(String::as_str);
        faults.all_different(|place| format!("{at}.paraphrases[{}]", place.saturating_sub(1)), wordings);
        answer::check(case, item, &at, faults);
        check_laterality(item, &at, faults);
    }
}

fn check_kind(item: &Item, taxonomy: Option<&Taxonomy>, at: &str, faults: &mut Faults) {
    if !(1..=4).contains(&item.stage) {
        faults.add(format!("{at}.stage"), format!("there is no stage {}", item.stage), "use 1 to 4");
    }
    let Some(taxonomy) = taxonomy else {
        faults.not_blank(&format!("{at}.category"), &item.category);
        return;
    };
    match taxonomy.category(&item.category) {
        None => {
            let what = format!("there is no category \"{}\"", item.category);
            faults.add(format!("{at}.category"), what, format!("use an id of {}, for example \"01\"", taxonomy.name));
        }
        Some(category) if category.stage != item.stage => {
            let what = format!("category {} ({}) is of stage {}", category.id, category.name, category.stage);
            faults.add(format!("{at}.stage"), format!("is {}, but {what}", item.stage), "correct one of them");
        }
        Some(_) => {}
    }
}

/// Checks that parents come before their children, so that there are no cycles, and are of no later stage.
fn check_parents(case: &Case, index: usize, at: &str, faults: &mut Faults) {
    let item = &case.chain[index];
    faults.all_different(|place| format!("{at}.parents[{place}]"), item.parents.iter().map(String::as_str));
    for (place, id) in item.parents.iter().enumerate() {
        let field = format!("{at}.parents[{place}]");
        if !faults.known(&field, id, "item", case.chain.iter().map(|other| other.id.as_str())) {
            continue;
        }
        let Some(parent) = case.chain.iter().position(|other| other.id == *id) else { continue };
        if parent == index {
            faults.add(field, "the item is its own parent", "remove it");
        } else if parent > index {
            faults.add(field, format!("\"{id}\" comes after its child"), "put parents before their children");
        } else if case.chain[parent].stage > item.stage {
            let what = format!("\"{id}\" is of stage {}, later than {}", case.chain[parent].stage, item.stage);
            faults.add(field, what, "use parents of the same or an earlier stage");
        }
    }
}

fn check_laterality(item: &Item, at: &str, faults: &mut Faults) {
    let Some(Laterality { dependent, flipped_gold: Some(flipped) }) = &item.laterality else { return };
    let field = format!("{at}.laterality.flipped_gold");
    if !dependent {
        faults.add(field, "is given for an answer that a flip does not change", "remove it, or set dependent to true");
        return;
    }
    faults.answer(&field, flipped);
    let same = match &item.answer {
        Answer::Choice { options, gold, .. } => {
            gold.iter().filter_map(|index| options.get(*index)).any(|right| fold(right) == fold(flipped))
        }
        Answer::Yesno { gold, .. } => match flipped.as_str() {
            "yes" => *gold,
            "no" => !*gold,
            _ => {
                faults.add(field, format!("\"{flipped}\" is not a yes/no answer"), "write \"yes\" or \"no\"");
                return;
            }
        },
        // A box in the middle can be its own mirror image. Numbers and texts are not compared here.
        Answer::Box { .. } | Answer::Number { .. } | Answer::Text { .. } => false,
    };
    if same {
        let what = format!("\"{flipped}\" is also right without the flip");
        faults.add(field, what, "correct it, or set dependent to false");
    }
}
