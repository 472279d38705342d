//! `swap_near`: the pictures of another patient to whom the same question has another answer.
//!
//! A reader that looks now gives the other patient's answer, so its accuracy against the stored one must fall.

use rand::seq::IndexedRandom;
use serde::Deserialize;
use stepwise_curriculum::case::{Answer, Item};

use super::{Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};
use crate::score::{fold, number_is_right, text_is_right};

/// The registry entry.
pub const KIND: Kind = Kind::of::<SwapNear>(
    "swap_near",
    Purpose::Removal,
    "pictures of another patient, same modality and category, with another answer",
);

/// A partner of another group, of the same modality and category, with as many pictures and another right answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwapNear {}

impl Perturbation for SwapNear {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        if matches!(scene.item.answer, Answer::Box { .. }) {
            return Err(Skip("boxes of two patients may overlap by chance"));
        }
        let places = scene.pool.places(scene.case, scene.item);
        let rank = |&(index, place): &(usize, usize)| {
            let case = &scene.pool.cases()[index];
            let eligible = case.group_id != scene.case.group_id && case.images.len() == scene.case.images.len();
            if eligible { closeness(scene.item, &case.chain[place]) } else { None }
        };
        let mut rng = scene.draw("swap_near");
        // In a large pool most draws soon meet a partner of the best rank; only otherwise is everyone looked at.
        let drawn = (0..64).filter_map(|_| places.choose(&mut rng)).find(|place| rank(place) == Some(0)).copied();
        let partner = drawn.or_else(|| {
            let best = places.iter().filter_map(rank).min()?;
            let partners: Vec<_> = places.iter().filter(|place| rank(place) == Some(best)).collect();
            partners.choose(&mut rng).map(|place| **place)
        });
        let (partner, _) = partner.ok_or(Skip("no other patient with another answer"))?;
        Ok(Perturbed { pictures: Pictures::Of(partner), ..Perturbed::default() })
    }
}

/// How good a partner is, 0 the best: the same question with the same options, then the same options, then any. `None`
/// when the right answers agree or cannot be compared: a yes or a number answers only its own question.
fn closeness(own: &Item, other: &Item) -> Option<u8> {
    let same_question = fold(&own.question) == fold(&other.question);
    match (&own.answer, &other.answer) {
        (
            Answer::Choice { options: mine, gold: mine_gold, .. },
            Answer::Choice { options: theirs, gold: their_gold, .. },
        ) => {
            let golds = |options: &[String], gold: &[usize]| -> Vec<String> {
                gold.iter().filter_map(|&index| options.get(index)).map(|text| fold(text)).collect()
            };
            let theirs_right = golds(theirs, their_gold);
            if golds(mine, mine_gold).iter().any(|text| theirs_right.contains(text)) {
                return None;
            }
            let set = |options: &[String]| {
                let mut folded: Vec<String> = options.iter().map(|text| fold(text)).collect();
                folded.sort_unstable();
                folded
            };
            Some(match (set(mine) == set(theirs), same_question) {
                (true, true) => 0,
                (true, false) => 1,
                (false, _) => 2,
            })
        }
        (Answer::Yesno { gold: mine, .. }, Answer::Yesno { gold: theirs, .. }) => {
            (same_question && mine != theirs).then_some(0)
        }
        (Answer::Number { gold: mine, abs_tol, rel_tol, .. }, Answer::Number { gold: theirs, .. }) => {
            (same_question && !number_is_right(*theirs, *mine, *abs_tol, *rel_tol)).then_some(0)
        }
        (Answer::Text { gold: mine, aliases }, Answer::Text { gold: theirs, aliases: their_aliases }) => {
            let agrees = theirs.iter().chain(their_aliases).any(|text| text_is_right(text, mine, aliases));
            (!agrees).then_some(if same_question { 0 } else { 1 })
        }
        _ => None,
    }
}
