//! Rules of each answer type.

use super::{Faults, region_ids};
use crate::answer_text::fold;
use crate::case::{Answer, Case, Item};

/// Checks the answer of the question `item` by the rules of its type, and its confusable options, and adds the problems
/// to `faults`. `at` is the path of the question, such as `chain[2]`.
pub(super) fn check(case: &Case, item: &Item, at: &str, faults: &mut Faults) {
    let field = |key: &str| format!("{at}.answer.{key}");
    match &item.answer {
        Answer::Choice { options, gold, refusal } => {
            check_options(options, &field("options"), faults);
            check_places(gold, options, &field("gold"), faults);
            if gold.is_empty() {
                faults.add(field("gold"), "is empty", "name the right option by its index, from 0");
            } else if (0..options.len()).all(|index| gold.contains(&index)) {
                faults.add(field("gold"), "every option is right", "add an option that is wrong");
            }
            check_places(refusal.as_slice(), options, &field("refusal"), faults);
            check_places(&item.confusable, options, &format!("{at}.confusable"), faults);
            for (place, index) in item.confusable.iter().enumerate().filter(|(_, index)| gold.contains(index)) {
                let what = format!("option {index} is right");
                faults.add(format!("{at}.confusable[{place}]"), what, "name only options that are wrong");
            }
        }
        Answer::Yesno { gold, pair_of } => {
            if let Some(twin) = pair_of {
                check_twin(case, item, *gold, twin, &field("pair_of"), faults);
            }
        }
        Answer::Text { gold, aliases } => {
            if gold.is_empty() {
                faults.add(field("gold"), "is empty", "write the right answer");
            }
            for (key, words) in [("gold", gold), ("aliases", aliases)] {
                for (place, text) in words.iter().enumerate() {
                    faults.answer(&format!("{}[{place}]", field(key)), text);
                }
            }
        }
        Answer::Box { gold, iou_ok } => {
            if gold.is_empty() {
                faults.add(field("gold"), "is empty", "name the right region");
            }
            for (place, id) in gold.iter().enumerate() {
                faults.known(&format!("{}[{place}]", field("gold")), id, "region", region_ids(case));
            }
            faults.all_different(|place| format!("{}[{place}]", field("gold")), gold.iter().map(String::as_str));
            if !(*iou_ok > 0.0 && *iou_ok <= 1.0) {
                faults.add(field("iou_ok"), format!("is {iou_ok}"), "use a number above 0 and at most 1");
            }
        }
        Answer::Number { gold, unit, abs_tol, rel_tol } => {
            if let Some(unit) = unit.as_ref().filter(|unit| !unit.is_empty()) {
                faults.plain(&field("unit"), unit);
            }
            if !gold.is_finite() {
                faults.add(field("gold"), format!("is {gold}"), "use a finite number");
            }
            for (key, tolerance) in [("abs_tol", abs_tol), ("rel_tol", rel_tol)] {
                if let Some(tolerance) = tolerance.filter(|tolerance| !(tolerance.is_finite() && *tolerance >= 0.0)) {
                    faults.add(field(key), format!("is {tolerance}"), "use 0 or more");
                }
            }
        }
    }
    if !item.confusable.is_empty() && !matches!(item.answer, Answer::Choice { .. }) {
        faults.add(format!("{at}.confusable"), "there are no options to confuse", "remove it");
    }
}

fn check_options(options: &[String], field: &str, faults: &mut Faults) {
    if options.len() < 2 {
        faults.add(field, format!("has {}", options.len()), "give at least two");
    }
    let mut known: Vec<String> = Vec::with_capacity(options.len());
    for (place, option) in options.iter().enumerate() {
        let field = format!("{field}[{place}]");
        faults.answer(&field, option);
        let folded = fold(option);
        if let Some(first) = known.iter().position(|other| *other == folded).filter(|_| !folded.is_empty()) {
            let what = format!("{option:?} is the same answer as {:?} to the parser", options[first]);
            faults.add(field, what, "make them differ in more than case, punctuation and variants of characters");
        }
        known.push(folded);
    }
}

fn check_places(places: &[usize], options: &[String], field: &str, faults: &mut Faults) {
    for (place, index) in places.iter().enumerate() {
        if *index >= options.len() {
            let what = format!("there is no option {index}");
            faults.add(field, what, format!("use an index from 0 to {}", options.len().saturating_sub(1)));
        } else if places[..place].contains(index) {
            faults.add(field, format!("option {index} is named twice"), "name it once");
        }
    }
}

/// Checks a negated pair: both questions are yes/no questions, name each other and have opposite answers.
fn check_twin(case: &Case, item: &Item, gold: bool, twin: &str, field: &str, faults: &mut Faults) {
    if !faults.known(field, twin, "item", case.chain.iter().map(|other| other.id.as_str())) {
        return;
    }
    let Some(other) = case.chain.iter().find(|other| other.id == *twin) else { return };
    match &other.answer {
        _ if twin == item.id => faults.add(field, "the item names itself", "name the negated question"),
        Answer::Yesno { gold: same, .. } if *same == gold => {
            faults.add(field, format!("\"{twin}\" has the same answer"), "give it the opposite answer");
        }
        Answer::Yesno { pair_of: Some(back), .. } if *back == item.id => {}
        Answer::Yesno { .. } => {
            faults.add(field, format!("\"{twin}\" does not name this item in turn"), "set its pair_of to this item");
        }
        _ => faults.add(field, format!("\"{twin}\" is not a yes/no question"), "name the negated question"),
    }
}
