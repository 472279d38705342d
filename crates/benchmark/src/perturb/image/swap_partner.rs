//! Selects another patient to swap images with: compares the right answers and the questions of two items.

use rand::seq::IndexedRandom;
use stepwise_data::case::{Answer, Item};

use crate::perturb::{Perturbed, Scene, ShownImages, Skip};
use crate::score::{fold, number_is_right, text_is_right};

/// Relation between the right answers of two items, one of which lends its images to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The right answers are the same (for numbers, within the tolerance).
    Same,
    /// The right answers differ.
    Other,
}

/// Returns the change that shows the images of another patient's case with the same modality, the same number of
/// images, and an item of the same category whose right answer is as `wanted`. The case is drawn among the items with
/// the most similar question; `purpose` names the random draw, so that two conditions draw independently.
///
/// # Errors
/// Skips box answers, because boxes of two patients may overlap by chance. Gives `nobody` as the reason when no case
/// qualifies.
pub fn swapped(scene: &Scene<'_>, wanted: Agreement, purpose: &str, nobody: &'static str) -> Result<Perturbed, Skip> {
    if matches!(scene.item.answer, Answer::Box { .. }) {
        return Err(Skip("boxes of two patients may overlap by chance"));
    }
    let places = scene.pool.places(scene.case, scene.item);
    let rank = |&(index, place): &(usize, usize)| {
        let case = &scene.pool.cases()[index];
        let eligible = case.group_id != scene.case.group_id && case.images.len() == scene.case.images.len();
        let (agreement, rank) = compare(scene.item, &case.chain[place])?;
        (eligible && agreement == wanted).then_some(rank)
    };
    let mut rng = scene.draw(purpose);
    // In a large pool a few draws usually find a partner of the best rank. Otherwise all items are compared.
    let drawn = (0..64).filter_map(|_| places.choose(&mut rng)).find(|place| rank(place) == Some(0)).copied();
    let partner = drawn.or_else(|| {
        let best = places.iter().filter_map(rank).min()?;
        let partners: Vec<_> = places.iter().filter(|place| rank(place) == Some(best)).collect();
        partners.choose(&mut rng).map(|place| **place)
    });
    let (partner, _) = partner.ok_or(Skip(nobody))?;
    Ok(Perturbed { pictures: ShownImages::Of(partner), ..Perturbed::default() })
}

/// Returns whether the right answers agree, and a rank of similarity of the questions. For choices, rank 0 is the same
/// question with the same options, 1 the same options, 2 anything else. For texts, rank 0 is the same question and 1
/// another question. Yes/no and number answers are compared only for the same question, with rank 0. None when the
/// answers cannot be compared: types differ, questions of yes/no or number answers differ, or two sets of right options
/// overlap without being equal.
fn compare(own: &Item, other: &Item) -> Option<(Agreement, u8)> {
    let same_question = fold(&own.question) == fold(&other.question);
    let agreement = |agrees: bool| if agrees { Agreement::Same } else { Agreement::Other };
    match (&own.answer, &other.answer) {
        (
            Answer::Choice { options: mine, gold: mine_gold, .. },
            Answer::Choice { options: theirs, gold: their_gold, .. },
        ) => {
            let sorted = |texts: &mut dyn Iterator<Item = &String>| {
                let mut folded: Vec<String> = texts.map(|text| fold(text)).collect();
                folded.sort_unstable();
                folded
            };
            let golds =
                |options: &[String], gold: &[usize]| sorted(&mut gold.iter().filter_map(|&index| options.get(index)));
            let (mine_right, theirs_right) = (golds(mine, mine_gold), golds(theirs, their_gold));
            let agreement = if mine_right == theirs_right {
                Agreement::Same
            } else if mine_right.iter().any(|text| theirs_right.contains(text)) {
                return None;
            } else {
                Agreement::Other
            };
            let rank = match (sorted(&mut mine.iter()) == sorted(&mut theirs.iter()), same_question) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => 2,
            };
            Some((agreement, rank))
        }
        (Answer::Yesno { gold: mine, .. }, Answer::Yesno { gold: theirs, .. }) => {
            same_question.then_some((agreement(mine == theirs), 0))
        }
        (Answer::Number { gold: mine, abs_tol, rel_tol, .. }, Answer::Number { gold: theirs, .. }) => {
            same_question.then(|| (agreement(number_is_right(*theirs, *mine, *abs_tol, *rel_tol)), 0))
        }
        (Answer::Text { gold: mine, aliases }, Answer::Text { gold: theirs, aliases: their_aliases }) => {
            let agrees = theirs.iter().chain(their_aliases).any(|text| text_is_right(text, mine, aliases));
            Some((agreement(agrees), if same_question { 0 } else { 1 }))
        }
        _ => None,
    }
}
