//! Picks the worst mistakes of a model and collects what a report shows of them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{FilterType, resize};
use image::{ImageFormat, RgbImage};
use stepwise_data::case::Answer;
use stepwise_data::conversation::{Conversation, Message, Part, Role};
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::model::{Model, PixelGrid, Query, QueryImage, decoded};
use crate::outcome::Outcome;
use crate::perturb::kinds::kind;
use crate::perturb::support::evidence::{Evidence, Outline, evidence};
use crate::perturb::support::geometry::Rect;
use crate::perturb::{Perturbed, Purpose, ShownImages};
use crate::plan::{Plan, PlanEntry};
use crate::runner::attack::attack;
use crate::runner::recall::Said;
use crate::runner::{Gallery, Images, RunError, Surrogate, pictures};
use crate::score;

/// Longest side of an embedded image, in pixels.
const SIDE: u32 = 320;

/// One mistake of a model: an item as shown and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstCase {
    /// Id of the case.
    pub case_id: String,
    /// Id of the item in the case.
    pub item_id: String,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Id of the condition.
    pub condition: String,
    /// Description of the condition's kind, as in the registry of kinds.
    pub about: String,
    /// Conversation as shown to the model, with the model's own earlier answers where the condition repeats them.
    pub turns: Vec<Turn>,
    /// Right answer in words.
    pub gold: String,
    /// Whether the base answered the same item under the same condition.
    pub base_asked: bool,
    /// Answer of the base; `None` when it was unparsed or the base was not asked.
    pub base: Option<String>,
    /// Whether the base's answer was right; false where the base was not asked.
    pub base_right: bool,
    /// Answer of the model; `None` when unparsed.
    pub now: Option<String>,
    /// Answer of the model to the clean question; `None` where this is the clean question, or its answer was unparsed
    /// or is unknown.
    pub clean: Option<String>,
    /// Answer that the condition suggests; `None` where it suggests none.
    pub named: Option<String>,
    /// Images, each with a caption: as stored, as shown, and the amplified change, where they differ. Empty for a case
    /// without images.
    pub views: Vec<ImageView>,
}

/// One turn of the conversation in which a mistake was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Role of the speaker.
    pub speaker: Speaker,
    /// Text of the turn.
    pub text: String,
}

/// Role of a speaker in a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// System prompt.
    System,
    /// User, who asks.
    User,
    /// The evaluated model.
    Model,
}

/// One image of a mistake, as the report shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageView {
    /// Caption, as plain text.
    pub caption: String,
    /// Image as a PNG data URI, at most 320 pixels on the longest side.
    pub picture: String,
    /// Width and height of the image in pixels, before it was made smaller; outlines use these pixels.
    pub size: [u32; 2],
    /// Corners `[x, y]` of each evidence region, in pixels of `size`; empty where no evidence is marked.
    pub outlines: Vec<Vec<[f64; 2]>>,
}

/// Models that re-create attacked images, because attacked pixels are not stored.
pub struct LiveModels<'a> {
    /// The evaluated model.
    pub model: &'a mut dyn Model,
    /// Model whose gradients transfer attacks used; with None their attacked images are left out.
    pub surrogate: Option<Surrogate<'a>>,
}

/// Picks at most `most` mistakes of the `tuned` model: wrong under an attack and right without it, or wrong without
/// attack where the base was right. `tuned` and `base` are outcomes of entries of `plan`; others are ignored. Mistakes
/// where the base was right come first, then the most confident ones. A case appears once; a condition appears again
/// only when the other conditions have no further case. Images are loaded with `images`; attacked images are re-created
/// with the models `at_hand` and left out where it is `None`. Mistakes that would show a case whose data set needs
/// credentials are left out, and so are mistakes that show an earlier answer which `tuned` lacks, without a
/// replacement.
///
/// # Errors
/// [`RunError::Image`] when an image cannot be read or has another size than its case states; [`RunError::Model`] or
/// [`RunError::Stopped`] when a model fails or stops while an attack is re-created.
///
/// # Panics
/// When the suite has no clean condition.
pub fn pick(
    plan: &Plan<'_>,
    images: &dyn Images,
    tuned: &[Outcome],
    base: &[Outcome],
    most: usize,
    mut at_hand: Option<LiveModels<'_>>,
) -> Result<Vec<WorstCase>, RunError> {
    let asked: BTreeMap<Key<'_>, PlanEntry> = plan
        .entries
        .iter()
        .map(|&entry| {
            let (case, item) = plan.item(entry);
            ((case.case_id.as_str(), item.id.as_str(), plan.condition(entry).id.as_str()), entry)
        })
        .collect();
    let base: BTreeMap<Key<'_>, &Outcome> = base.iter().map(|outcome| (key(outcome), outcome)).collect();
    let own: BTreeMap<Key<'_>, &Outcome> = tuned.iter().map(|outcome| (key(outcome), outcome)).collect();
    let reference = plan.suite.clean().id.as_str();
    let clean = |outcome: &Outcome| own.get(&(outcome.case_id.as_str(), outcome.item_id.as_str(), reference)).copied();

    let mut wrong: Vec<Wrong<'_>> = Vec::new();
    for outcome in tuned.iter().filter(|outcome| !outcome.is_right()) {
        let Some(&entry) = asked.get(&key(outcome)) else {
            continue;
        };
        let base = base.get(&key(outcome)).copied();
        let base_right = base.is_some_and(Outcome::is_right);
        let clean = clean(outcome);
        let counts = match plan.condition(entry).purpose {
            Purpose::Attack => clean.is_some_and(Outcome::is_right),
            Purpose::Clean => base_right,
            Purpose::Assist | Purpose::EvidenceRemoved | Purpose::Control => false,
        };
        if counts && !shows_credentialed(plan, entry) {
            wrong.push(Wrong { entry, base_right, sureness: sureness(plan, entry, outcome), outcome, base, clean });
        }
    }
    wrong.sort_by(|a, b| {
        let ranks = b.base_right.cmp(&a.base_right).then(b.sureness.total_cmp(&a.sureness));
        ranks.then_with(|| key(a.outcome).cmp(&key(b.outcome)))
    });

    let mut cases = BTreeSet::new();
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let mut picked: Vec<&Wrong<'_>> = Vec::new();
    for round in 1..=most {
        for wrong in &wrong {
            let seen = times.entry(&wrong.outcome.condition).or_default();
            if picked.len() < most && *seen < round && cases.insert(&wrong.outcome.case_id) {
                *seen += 1;
                picked.push(wrong);
            }
        }
    }
    let mut said = Said::default();
    for outcome in tuned {
        asked.get(&key(outcome)).into_iter().for_each(|entry| said.hear(plan, *entry, outcome));
    }
    let show = |wrong| show(plan, images, &said, wrong, at_hand.as_mut());
    picked.into_iter().map(show).filter_map(Result::transpose).collect()
}

/// Counts the cases that `plan` asks about and whose data sets need credentials.
#[must_use]
pub fn credentialed(plan: &Plan<'_>) -> usize {
    let cases: BTreeSet<usize> = plan.entries.iter().map(|entry| entry.case).collect();
    cases.into_iter().filter(|case| plan.pool.cases()[*case].source.credentialed).count()
}

/// Whether an item shows text or images of a case whose data set needs credentials: its own, or images of another case.
fn shows_credentialed(plan: &Plan<'_>, entry: PlanEntry) -> bool {
    let is_credentialed = |case: usize| plan.pool.cases()[case].source.credentialed;
    let shown = plan.perturbed(entry).map(|perturbed| perturbed.pictures);
    is_credentialed(entry.case) || matches!(shown, Some(ShownImages::Of(other)) if is_credentialed(other))
}

/// Ids of case, item and condition.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key(outcome: &Outcome) -> Key<'_> {
    (&outcome.case_id, &outcome.item_id, &outcome.condition)
}

/// A mistake with the outcomes to compare it with.
struct Wrong<'a> {
    entry: PlanEntry,
    base_right: bool,
    sureness: f64,
    outcome: &'a Outcome,
    base: Option<&'a Outcome>,
    clean: Option<&'a Outcome>,
}

/// Log-likelihood of the chosen option minus the one of the right option; 0 where no option was chosen or scored.
fn sureness(plan: &Plan<'_>, entry: PlanEntry, outcome: &Outcome) -> f64 {
    let score = |index: usize| outcome.scores.get(index)?.loglikelihood;
    let right = match &plan.item(entry).1.answer {
        Answer::Choice { gold, .. } => gold.iter().filter_map(|&index| score(index)).reduce(f64::max),
        Answer::Yesno { gold, .. } => score(usize::from(!gold)),
        _ => None,
    };
    outcome.index.and_then(score).zip(right).map_or(0.0, |(chosen, right)| chosen - right)
}

fn show(
    plan: &Plan<'_>,
    images: &dyn Images,
    said: &Said,
    wrong: &Wrong<'_>,
    at_hand: Option<&mut LiveModels<'_>>,
) -> Result<Option<WorstCase>, RunError> {
    let &Wrong { entry, base_right, outcome, base, clean, .. } = wrong;
    let (case, item) = plan.item(entry);
    let condition = plan.condition(entry);
    let Some(perturbed) = plan.perturbed(entry) else { return Ok(None) };
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame.clone() };
    let prompt = match &perturbed.recall {
        None => prompt(case, item, &frame),
        Some(recall) => match said.prompt(case, item, entry, frame, recall) {
            Ok(prompt) => prompt,
            Err(_) => return Ok(None),
        },
    };
    let change = match at_hand {
        Some(at_hand) => attack_again(plan, images, entry, &perturbed, &prompt, at_hand)?,
        None => None,
    };
    Ok(Some(WorstCase {
        case_id: outcome.case_id.clone(),
        item_id: outcome.item_id.clone(),
        stage: outcome.stage,
        condition: outcome.condition.clone(),
        about: kind(condition.kind).map_or_else(String::new, |kind| kind.about.to_owned()),
        turns: turns(&prompt.conversation),
        gold: outcome.gold.clone(),
        base_asked: base.is_some(),
        base: base.and_then(words),
        base_right,
        now: words(outcome),
        clean: clean.filter(|clean| clean.condition != outcome.condition).and_then(words),
        named: outcome.named.as_ref().map(|named| named.text.clone()),
        views: views(plan, images, entry, &perturbed, change)?,
    }))
}

fn turns(conversation: &Conversation) -> Vec<Turn> {
    let of = |message: &Message| {
        let text = message.content.iter().filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } => None,
        });
        let speaker = match message.role {
            Role::System => Speaker::System,
            Role::User => Speaker::User,
            Role::Assistant => Speaker::Model,
        };
        Turn { speaker, text: text.collect::<Vec<_>>().join("\n") }
    };
    conversation.messages.iter().map(of).collect()
}

/// Re-creates an attack and returns the change of the pixels; `None` where the condition has no attack or it
/// cannot be made.
fn attack_again(
    plan: &Plan<'_>,
    images: &dyn Images,
    entry: PlanEntry,
    perturbed: &Perturbed,
    prompt: &Prompt,
    at_hand: &mut LiveModels<'_>,
) -> Result<Option<Drawn>, RunError> {
    if perturbed.attack.is_none() {
        return Ok(None);
    }
    let (case, item) = plan.item(entry);
    let clean = Query {
        case_id: case.case_id.clone(),
        item_id: item.id.clone(),
        condition: plan.condition(entry).id.clone(),
        conversation: prompt.conversation.clone(),
        images: decoded(Gallery::new(plan.pool.cases(), images).pictures(entry.case, perturbed)?),
        ask: score::ask(prompt, plan.suite.scoring, plan.suite.max_new_tokens),
    };
    let LiveModels { model, surrogate } = at_hand;
    let mut queries = [clean.clone()];
    let asked = std::iter::once((perturbed, item, prompt));
    attack(asked, &mut queries, plan.suite.rng(), &mut **model, surrogate)?;
    match (model.pixels(&clean)?, queries[0].images.first()) {
        (Some(before), Some(QueryImage::Pixels(after))) => Ok(moved(&before, after)),
        _ => Ok(None),
    }
}

/// Amplified change: factor, and image of the change around mid-grey.
type Drawn = (u32, RgbImage);

/// Returns the change between two grids, for an image in tiles on the overview, which is the last tile. `None`
/// without a change.
fn moved(before: &PixelGrid, after: &PixelGrid) -> Option<Drawn> {
    let &[_, 3, height, width] = before.shape.as_slice() else { return None };
    let area = height * width;
    let start = before.values.len().checked_sub(3 * area).filter(|_| before.shape == after.shape)?;
    let change = |place: usize| 255.0 * (after.values[start + place] - before.values[start + place]);
    let interleaved = (0..area).flat_map(|pixel| (0..3).map(move |channel| channel * area + pixel));
    amplified([width as u32, height as u32], &interleaved.map(change).collect::<Vec<f32>>())
}

/// Returns the images to show for a mistake; `change` is the change by an attack. A case with several images is
/// represented by the first one with evidence.
fn views(
    plan: &Plan<'_>,
    images: &dyn Images,
    entry: PlanEntry,
    perturbed: &Perturbed,
    change: Option<Drawn>,
) -> Result<Vec<ImageView>, RunError> {
    let clean = plan.suite.conditions.iter().position(|condition| condition.kind == "clean");
    let clean = PlanEntry { condition: clean.unwrap_or(entry.condition), ..entry };
    let stored = pictures(plan, images, clean)?;
    let shown = Gallery::new(plan.pool.cases(), images).pictures(entry.case, perturbed)?;
    let places = |(case, item)| evidence(case, item);
    let (own, moved) = (places(plan.item(clean)), places(plan.item(entry)));
    let which = own.first().map_or(0, |found| found.image);
    let Some(before) = stored.get(which) else { return Ok(Vec::new()) };
    let view = |caption: String, picture: &RgbImage, found: &[Evidence]| ImageView {
        caption,
        picture: data_uri(picture),
        size: picture.dimensions().into(),
        outlines: found.iter().filter(|found| found.image == which).flat_map(corners).collect(),
    };
    let as_stored = || view("as stored".into(), before, &own);
    Ok(match (&perturbed.pictures, &perturbed.attack, shown.get(which).or(shown.first())) {
        (_, _, None) => vec![view("image that was not shown to the model".into(), before, &own)],
        (_, Some(_), _) => {
            let eps = plan.condition(entry).number("eps").unwrap_or_default();
            let caption = format!("before the attack, which changes each pixel value by at most {eps}/255");
            match change {
                Some((factor, change)) => {
                    let what = "change by the attack, re-created on the model's input pixels";
                    vec![view(caption, before, &own), view(format!("{what}, amplified {factor} times"), &change, &[])]
                }
                None => {
                    vec![view(format!("{caption}; attacked image left out: no model to re-create it"), before, &own)]
                }
            }
        }
        (ShownImages::Own, None, Some(_)) => vec![view("as shown".into(), before, &own)],
        (ShownImages::Of(_), None, Some(after)) => {
            vec![as_stored(), view("shown instead: image of another case".into(), after, &[])]
        }
        (ShownImages::Edited(_) | ShownImages::MeanOf(_), None, Some(after)) => {
            let mut views = vec![as_stored(), view("as shown".into(), after, &moved)];
            if let Some((factor, change)) = faint_change(before, after) {
                views.push(view(format!("change, amplified {factor} times"), &change, &[]));
            }
            views
        }
    })
}

/// Returns the corners of each region: of its outline, or of its box where it has no outline.
fn corners(found: &Evidence) -> Vec<Vec<[f64; 2]>> {
    let corners = |(rect, outline): (&Rect, &Outline)| match outline {
        Outline::Polygon(corners) => corners.clone(),
        Outline::Box | Outline::Mask => rect.corners().to_vec(),
    };
    found.rects.iter().zip(&found.outlines).map(corners).collect()
}

/// Largest change in grey levels that is shown amplified in an image of its own.
const FAINT: f32 = 48.0;

/// Returns the amplified change between two images of one size; `None` where the change is clearly visible or
/// there is none.
fn faint_change(before: &RgbImage, after: &RgbImage) -> Option<Drawn> {
    if before.dimensions() != after.dimensions() {
        return None;
    }
    let change: Vec<f32> = before.iter().zip(after.iter()).map(|(a, b)| f32::from(*b) - f32::from(*a)).collect();
    amplified(before.dimensions().into(), &change)
}

/// Draws changes in grey levels (row by row) around mid-grey, amplified by the largest whole factor that grey levels
/// allow. `None` where a change exceeds [`FAINT`] or there is none.
fn amplified([width, height]: [u32; 2], change: &[f32]) -> Option<Drawn> {
    let most = change.iter().map(|value| value.abs()).fold(0.0f32, f32::max);
    if most <= 0.0 || most > FAINT {
        return None;
    }
    // Attacks compute in f32, so the largest step may exceed its size by a rounding error.
    let factor = (127.0 / most + 1e-3).floor();
    let level = |value: &f32| (128.0 + value * factor).round().clamp(0.0, 255.0) as u8;
    Some((factor as u32, RgbImage::from_raw(width, height, change.iter().map(level).collect())?))
}

/// Returns the answer as the model gave it: the generated text, or the chosen option. `None` when unparsed.
fn words(outcome: &Outcome) -> Option<String> {
    outcome.answer.as_ref()?;
    outcome.reply.clone().or_else(|| outcome.answer.clone())
}

/// Encodes an image as a PNG data URI, at most [`SIDE`] pixels on the longest side.
fn data_uri(picture: &RgbImage) -> String {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    let mut bytes = Cursor::new(Vec::new());
    let written = if longest > SIDE {
        let side = |side: u32| (u64::from(side) * u64::from(SIDE)).div_ceil(u64::from(longest)) as u32;
        resize(picture, side(width), side(height), FilterType::CatmullRom).write_to(&mut bytes, ImageFormat::Png)
    } else {
        picture.write_to(&mut bytes, ImageFormat::Png)
    };
    // Writing into memory fails only for empty images, which show nothing.
    written.map_or_else(
        |_| "data:,".to_owned(),
        |()| format!("data:image/png;base64,{}", STANDARD.encode(bytes.get_ref())),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_faint_change_is_drawn_around_grey_and_a_plain_one_is_not() {
        let before = RgbImage::from_pixel(2, 1, Rgb([100; 3]));
        let after = |level: u8| {
            let mut picture = before.clone();
            picture.put_pixel(1, 0, Rgb([100, level, 100]));
            picture
        };
        let (factor, change) = faint_change(&before, &after(92)).expect("eight levels are faint");
        assert_eq!((factor, change.get_pixel(0, 0).0, change.get_pixel(1, 0).0), (15, [128; 3], [128, 8, 128]));
        assert_eq!(faint_change(&before, &after(200)), None);
        assert_eq!(faint_change(&before, &before), None);
        assert_eq!(faint_change(&before, &RgbImage::new(1, 1)), None);
    }
}
