//! Answers that stay true where the evidence is gone. Conditions that remove the image leave out their items, because the
//! stored answer would still be right.

use stepwise_data::case::{Answer, Item};

use super::option_meaning::rejects_all;
use super::presence::asks_presence;
use super::presence_question::denies;
use crate::perturb::Skip;
use crate::score::number_is_right;

/// Skips an item whose right answer is also true of an empty or foreign image: an answer that says that something is
/// absent, a count of none, and the abstain option.
///
/// # Errors
/// A [`Skip`] for such an item.
pub fn needs_its_image(item: &Item) -> Result<(), Skip> {
    let holds = match &item.answer {
        Answer::Yesno { gold, .. } => asks_presence(item) && *gold == denies(&item.question),
        Answer::Choice { options, gold, refusal } => {
            let says_absent = |index: &usize| options.get(*index).is_some_and(|option| rejects_all(option));
            gold.iter().any(|index| Some(*index) == *refusal || (asks_presence(item) && says_absent(index)))
        }
        Answer::Number { gold, abs_tol, rel_tol, .. } => number_is_right(0.0, *gold, *abs_tol, *rel_tol),
        Answer::Text { .. } | Answer::Box { .. } => false,
    };
    if holds { Err(Skip("the right answer is also true of an image without the evidence")) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn is_left_out(category: &str, question: &str, answer: Value) -> bool {
        let item: Item = serde_json::from_value(json!({
            "id": "q", "stage": 2, "category": category, "question": question, "answer": answer
        }))
        .expect("valid");
        needs_its_image(&item).is_err()
    }

    #[test]
    fn answers_that_deny_presence_are_left_out() {
        let yesno = |gold: bool| json!({"type": "yesno", "gold": gold});
        let options = ["mass", "none of these", "cannot tell"];
        let choice = |gold: usize, refusal: Option<usize>| json!({"type": "choice", "options": options, "gold": [gold], "refusal": refusal});
        for (category, question) in [("10", "Does this image show a mass?"), ("15", "Is a tube visible?")] {
            assert_eq!([false, true].map(|gold| is_left_out(category, question, yesno(gold))), [true, false]);
        }
        let free = "Is this slice free of abnormalities?";
        assert_eq!([false, true].map(|gold| is_left_out("09", free, yesno(gold))), [false, true]);
        assert!(!is_left_out("23", "Is the mass bright?", yesno(false)), "it asks for no presence");
        assert_eq!([0, 1, 2].map(|gold| is_left_out("11", "Which?", choice(gold, Some(2)))), [false, true, true]);
        assert_eq!([1, 2].map(|gold| is_left_out("19", "Which?", choice(gold, Some(2)))), [false, true]);
        let number = |gold: f64, tolerance: f64| json!({"type": "number", "gold": gold, "abs_tol": tolerance});
        assert!(is_left_out("14", "How many?", number(0.0, 0.0)) && is_left_out("14", "How many?", number(1.0, 1.0)));
        assert!(!is_left_out("14", "How many?", number(2.0, 1.0)));
    }
}
