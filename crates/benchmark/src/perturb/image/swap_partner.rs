//! Selects another patient to swap images with: the same question must have an answer that is known to be the same, or
//! known to be another one, on the other patient's images.

use rand::seq::IndexedRandom;
use stepwise_data::case::{Answer, Case, Item, RegionRole};

use crate::perturb::support::option_meaning::{may_follow, rejects_listed};
use crate::perturb::support::presence::{Recorded, asks_presence};
use crate::perturb::{Perturbed, Scene, ShownImages, Skip};
use crate::score::{fold, number_is_right, text_is_right};

/// Relation between the right answers of two items with the same question, one of which lends its images to the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agreement {
    /// The stored answer is true of the other images (for numbers, within the tolerance), and no other option is.
    Same,
    /// The stored answer is false of the other images, and another option or value is true.
    Other,
}

/// Returns the change that shows the images of another patient's case with the same modality, the same number of images,
/// and an item with the same question whose right answer is as `wanted`. For choices, items with the same options come
/// first. `purpose` names the random draw, so that two conditions draw independently.
///
/// # Errors
/// Skips box answers, because boxes of two patients may overlap by chance, and questions that are asked of no other
/// patient. Gives `nobody` as the reason when no case qualifies.
pub fn swapped(scene: &Scene<'_>, wanted: Agreement, purpose: &str, nobody: &'static str) -> Result<Perturbed, Skip> {
    if matches!(scene.item.answer, Answer::Box { .. }) {
        return Err(Skip("boxes of two patients may overlap by chance"));
    }
    let places = scene.pool.same_question(scene.case, scene.item);
    let mine = folded_options(scene.item);
    let rank = |place: &(usize, usize)| rank(scene, &mine, wanted, *place);
    let mut rng = scene.draw(purpose);
    // In a large pool a few draws usually find a partner. Otherwise all items are compared.
    let mut partner = None;
    for place in (0..64).filter_map(|_| places.choose(&mut rng)).copied() {
        match rank(&place) {
            Some(0) => {
                partner = Some(place);
                break;
            }
            Some(_) if partner.is_none() => partner = Some(place),
            _ => {}
        }
    }
    let partner = partner.or_else(|| {
        let best = places.iter().filter_map(rank).min()?;
        let partners: Vec<_> = places.iter().filter(|place| rank(place) == Some(best)).collect();
        partners.choose(&mut rng).map(|place| **place)
    });
    let Some((partner, _)) = partner else {
        let is_asked = places.iter().any(|(number, _)| is_other(scene, *number));
        return Err(Skip(if is_asked { nobody } else { "no other patient is asked this question" }));
    };
    Ok(Perturbed { pictures: ShownImages::Of(partner), ..Perturbed::default() })
}

/// Iterates over the indices of the cases whose images [`swapped`] may show, those with the smallest `distance` first, and
/// cases with equal distances by their id. `distance` is asked only of other patients' cases with the same modality, the same
/// question and the same number of images.
pub fn nearest(scene: &Scene<'_>, wanted: Agreement, distance: impl Fn(usize) -> u64) -> impl Iterator<Item = usize> {
    let mut places = match scene.item.answer {
        // Boxes of two patients may overlap by chance.
        Answer::Box { .. } => Vec::new(),
        _ => scene.pool.same_question(scene.case, scene.item).to_vec(),
    };
    places.retain(|(number, _)| is_other(scene, *number));
    // The sort is stable, and the places are ordered by case id.
    places.sort_by_cached_key(|(number, _)| distance(*number));
    let mine = folded_options(scene.item);
    places.into_iter().filter(move |place| rank(scene, &mine, wanted, *place).is_some()).map(|(number, _)| number)
}

/// Whether the case with the index `number` is of another patient and has as many images.
fn is_other(scene: &Scene<'_>, number: usize) -> bool {
    let case = &scene.pool.cases()[number];
    case.group_id != scene.case.group_id && case.images.len() == scene.case.images.len()
}

/// Rank of a place, the indices of a case and its item with the same question; None if the right answers are not as `wanted`
/// or the case is of the same patient. `mine` holds the normalised options of the question.
fn rank(scene: &Scene<'_>, mine: &[String], wanted: Agreement, (number, place): (usize, usize)) -> Option<u8> {
    if !is_other(scene, number) {
        return None;
    }
    let case = &scene.pool.cases()[number];
    let recorded = scene.pool.presence().recorded(number);
    let (agreement, rank) = compare(scene.item, mine, case, &case.chain[place], recorded)?;
    (agreement == wanted).then_some(rank)
}

/// Normalised options of a choice; empty for other answers.
fn folded_options(item: &Item) -> Vec<String> {
    match &item.answer {
        Answer::Choice { options, .. } => options.iter().map(|option| fold(option)).collect(),
        _ => Vec::new(),
    }
}

/// Returns whether the right answer of `own` agrees with `other`, an item of `case` with the same question, and a rank: 1
/// for choices with different options, else 0. `mine` holds the normalised options of `own`, and `recorded` what `case`
/// records about organs, findings and devices. None when the agreement is not known.
fn compare(own: &Item, mine: &[String], case: &Case, other: &Item, recorded: &Recorded) -> Option<(Agreement, u8)> {
    let agreement = |agrees: bool| if agrees { Agreement::Same } else { Agreement::Other };
    match (&own.answer, &other.answer) {
        (Answer::Choice { .. }, Answer::Choice { .. }) => choices(own, mine, case, other, recorded),
        (Answer::Yesno { gold: mine, .. }, Answer::Yesno { gold: theirs, .. }) => Some((agreement(mine == theirs), 0)),
        (Answer::Number { gold: mine, abs_tol, rel_tol, .. }, Answer::Number { gold: theirs, .. }) => {
            Some((agreement(number_is_right(*theirs, *mine, *abs_tol, *rel_tol)), 0))
        }
        (Answer::Text { gold: mine, aliases }, Answer::Text { gold: theirs, aliases: their_aliases }) => {
            let agrees = theirs.iter().chain(their_aliases).any(|text| text_is_right(text, mine, aliases));
            let is_shown = mine.iter().chain(aliases).any(|text| shows(own, case, recorded, &fold(text)));
            // "Pneumonia" is true of an image whose answer is "viral pneumonia".
            let pairs = || mine.iter().chain(aliases).flat_map(|mine| theirs.iter().map(move |theirs| (mine, theirs)));
            let overlaps = pairs().any(|(mine, theirs)| may_follow(mine, theirs) || may_follow(theirs, mine));
            (agrees || !(is_shown || overlaps)).then_some((agreement(agrees), 0))
        }
        _ => None,
    }
}

/// Whether anything in `case` says that it shows what the normalised answer `name` to the question of `own` names. Organs
/// count where the question asks for presence: "right lung" is else a place.
fn shows(own: &Item, case: &Case, recorded: &Recorded, name: &str) -> bool {
    // The record is looked up first, because few names are present and normalising all labels is slow.
    if asks_presence(own) || recorded.get(name) != Some(&true) {
        return recorded.get(name) == Some(&true);
    }
    let mut found =
        case.regions.iter().filter(|region| matches!(region.role, RegionRole::Finding | RegionRole::Device));
    found.any(|region| fold(&region.label) == name)
}

/// As [`compare`], for two choices.
fn choices(own: &Item, mine: &[String], case: &Case, other: &Item, recorded: &Recorded) -> Option<(Agreement, u8)> {
    let (
        Answer::Choice { options, gold, refusal },
        Answer::Choice { options: others, gold: their_gold, refusal: abstain },
    ) = (&own.answer, &other.answer)
    else {
        return None;
    };
    // Options of one question are mostly written alike, and comparing them as written is fast.
    let place = |index: usize| {
        let as_written = others.iter().position(|other| *other == options[index]);
        as_written.or_else(|| others.iter().position(|other| fold(other) == mine[index]))
    };
    let places: Vec<Option<usize>> = (0..mine.len()).map(place).collect();
    let declines = |gold: &[usize], refusal: Option<usize>| refusal.is_some_and(|refusal| gold.contains(&refusal));
    let has_same_options = options.len() == others.len() && places.iter().all(Option::is_some);
    let rank = u8::from(!has_same_options);
    match (declines(gold, *refusal), declines(their_gold, *abstain)) {
        (true, true) => return Some((Agreement::Same, rank)),
        // Where the other images cannot be judged, nothing is known to be false of them.
        (false, true) => return None,
        _ => {}
    }
    let truth = |index: usize| -> Option<bool> {
        let name = &mine[index];
        match places[index] {
            _ if Some(index) == *refusal => Some(false),
            Some(place) if their_gold.contains(&place) => Some(true),
            // A choice among findings can leave out a finding that the image shows.
            Some(_) if shows(own, case, recorded, name) => None,
            Some(_) => Some(false),
            None => recorded.get(name).copied().filter(|_| asks_presence(own)),
        }
    };
    let mut truths: Vec<Option<bool>> = (0..mine.len()).map(truth).collect();
    if !has_same_options {
        // "None of these" depends on the options that are listed with it.
        for index in (0..mine.len()).filter(|index| rejects_listed(&mine[*index])) {
            let rest = || truths.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, truth)| *truth);
            let is_true = if rest().any(|truth| truth == Some(true)) {
                Some(false)
            } else {
                rest().all(|truth| truth == Some(false)).then_some(true)
            };
            truths[index] = is_true;
        }
    }
    let is_right = |index: &usize| gold.contains(index);
    let all = |right: bool, is: bool| {
        (0..mine.len()).filter(|index| is_right(index) == right).all(|index| truths[index] == Some(is))
    };
    let another = (0..mine.len()).filter(|index| !is_right(index)).any(|index| truths[index] == Some(true));
    if all(true, true) && all(false, false) {
        Some((Agreement::Same, rank))
    } else if all(true, false) && another {
        Some((Agreement::Other, rank))
    } else {
        None
    }
}
