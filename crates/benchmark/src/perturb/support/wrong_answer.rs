//! The answers that perturbations name: the right answer, or a wrong answer drawn once per item, the same at every
//! epoch and in every condition.

use rand::seq::IndexedRandom;
use stepwise_data::case::Answer;
use stepwise_data::prompt::gold_text;

use crate::perturb::support::wrong_number::{RightNumber, wrong_number};
use crate::perturb::{Named, Scene, Skip};
use crate::score::{fold, text_is_right};

const YES_NO: [&str; 2] = ["yes", "no"];

/// Returns the right answer in words, as a perturbation names it; the first one of a choice with several right options.
///
/// # Errors
/// Skips box answers, because no sentence names a box.
pub fn right_answer(scene: &Scene<'_>) -> Result<Named, Skip> {
    let index = match &scene.item.answer {
        Answer::Choice { gold, .. } => Some(gold[0]),
        Answer::Yesno { gold, .. } => Some(usize::from(!gold)),
        Answer::Text { .. } | Answer::Number { .. } => None,
        Answer::Box { .. } => return Err(NO_BOXES),
    };
    Ok(Named { text: gold_text(scene.case, scene.item), index })
}

/// Draws a wrong answer, the same one at every epoch and in every condition. For a choice it is the first wrong option
/// that the case lists as confusable, otherwise a random wrong option, the abstain option only without another. For
/// yes/no it is the opposite, for a number one near it ([`wrong_number`]), and for text the answer of another patient to
/// a question of the same category and modality.
///
/// # Errors
/// Skips box answers and items without a wrong answer: choices whose options are all right, numbers too large to have
/// neighbours, and texts without another patient's different answer.
pub fn wrong_answer(scene: &Scene<'_>) -> Result<Named, Skip> {
    let mut rng = scene.draw("wrong_answer");
    match &scene.item.answer {
        Answer::Choice { options, gold, refusal } => {
            let wrong = |index: &usize| *index < options.len() && !gold.contains(index);
            let index = scene.item.confusable.iter().copied().find(wrong).or_else(|| {
                let all: Vec<usize> = (0..options.len()).filter(wrong).collect();
                // The abstain option is named only when no other wrong option exists.
                let said: Vec<usize> = all.iter().copied().filter(|index| Some(*index) != *refusal).collect();
                said.choose(&mut rng).or(all.first()).copied()
            });
            let index = index.ok_or(Skip("every option is right"))?;
            Ok(Named { text: options[index].clone(), index: Some(index) })
        }
        Answer::Yesno { gold, .. } => {
            let index = usize::from(*gold);
            Ok(Named { text: YES_NO[index].to_owned(), index: Some(index) })
        }
        Answer::Number { gold, unit, abs_tol, rel_tol } => {
            let right = RightNumber { gold: *gold, unit: unit.as_deref(), abs_tol: *abs_tol, rel_tol: *rel_tol };
            Ok(Named { text: wrong_number(right, &mut rng)?.to_string(), index: None })
        }
        Answer::Text { gold, aliases } => {
            let mut others: Vec<&String> = scene
                .pool
                .alike(scene.case, scene.item)
                .filter(|(case, _)| case.group_id != scene.case.group_id)
                .filter_map(|(_, item)| match &item.answer {
                    Answer::Text { gold, .. } => gold.first(),
                    _ => None,
                })
                .filter(|text| !text_is_right(text, gold, aliases))
                .collect();
            others.sort_unstable_by_key(|text| fold(text));
            others.dedup_by_key(|text| fold(text));
            let text = others.choose(&mut rng).ok_or(Skip("no other case has another answer of this category"))?;
            Ok(Named { text: (*text).clone(), index: None })
        }
        Answer::Box { .. } => Err(NO_BOXES),
    }
}

const NO_BOXES: Skip = Skip("no sentence names a box");
