//! Which items to show as pictures: those an attack turned wrong most surely, and those the base still had right.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::imageops::{FilterType, resize};
use image::{ImageFormat, RgbImage};
use stepwise_curriculum::case::Answer;
use stepwise_curriculum::conversation::Part;
use stepwise_curriculum::prompt::{Frame, prompt};

use crate::outcome::Outcome;
use crate::perturb::evidence::evidence;
use crate::perturb::{Pictures, Purpose, kind};
use crate::plan::{Entry, Plan};
use crate::run::{Images, RunError, pictures};

/// Longest side of an embedded picture.
const SIDE: u32 = 320;

/// One item as it was shown and answered.
#[derive(Clone, Debug, PartialEq)]
pub struct WorstCase {
    /// The case.
    pub case_id: String,
    /// The item of the case.
    pub item_id: String,
    /// Clinical stage.
    pub stage: u8,
    /// Id of the condition.
    pub condition: String,
    /// What the condition does.
    pub about: String,
    /// The conversation as it was shown.
    pub shown: String,
    /// The right answer.
    pub gold: String,
    /// What the base said; none when unparsed or not asked.
    pub base: Option<String>,
    /// Whether that was right.
    pub base_right: bool,
    /// What the learner said; none when unparsed.
    pub now: Option<String>,
    /// What the learner said to the clean question.
    pub clean: Option<String>,
    /// The answer a hint named.
    pub named: Option<String>,
    /// The picture as a data URI, perturbed as it was shown.
    pub picture: Option<String>,
    /// Evidence on it, `[x, y, width, height]` in percent of its sides.
    pub evidence: Vec<[f64; 4]>,
    /// Whether the pixels were attacked as well, which a picture of this size does not show.
    pub attacked: bool,
}

/// The `most` worst: wrong under an attack though right clean, or wrong clean though the base was right. Items that the
/// base got right come first, then the surest mistakes. No case and, as far as others are left, no condition comes twice.
///
/// # Errors
/// When a picture cannot be read.
pub fn pick(
    plan: &Plan<'_>,
    images: &dyn Images,
    tuned: &[Outcome],
    base: &[Outcome],
    most: usize,
) -> Result<Vec<WorstCase>, RunError> {
    let asked: BTreeMap<Key<'_>, Entry> = plan
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
            Purpose::Reference => base_right,
            Purpose::Help | Purpose::Removal | Purpose::Control => false,
        };
        if counts {
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
    picked.into_iter().map(|wrong| show(plan, images, wrong)).filter_map(Result::transpose).collect()
}

/// Case, item and condition.
type Key<'a> = (&'a str, &'a str, &'a str);

fn key(outcome: &Outcome) -> Key<'_> {
    (&outcome.case_id, &outcome.item_id, &outcome.condition)
}

/// A mistake with what stands around it.
struct Wrong<'a> {
    entry: Entry,
    base_right: bool,
    sureness: f64,
    outcome: &'a Outcome,
    base: Option<&'a Outcome>,
    clean: Option<&'a Outcome>,
}

/// By how much the chosen option is likelier per token than the right one; 0 where nothing was chosen among options.
fn sureness(plan: &Plan<'_>, entry: Entry, outcome: &Outcome) -> f64 {
    let mean = |index: usize| {
        let score = outcome.scores.get(index)?;
        Some(score.loglikelihood? / score.tokens.max(1) as f64)
    };
    let right = match &plan.item(entry).1.answer {
        Answer::Choice { gold, .. } => gold.iter().filter_map(|&index| mean(index)).reduce(f64::max),
        Answer::Yesno { gold, .. } => mean(usize::from(!gold)),
        _ => None,
    };
    outcome.index.and_then(mean).zip(right).map_or(0.0, |(chosen, right)| chosen - right)
}

fn show(plan: &Plan<'_>, images: &dyn Images, wrong: &Wrong<'_>) -> Result<Option<WorstCase>, RunError> {
    let &Wrong { entry, base_right, outcome, base, clean, .. } = wrong;
    let (case, item) = plan.item(entry);
    let condition = plan.condition(entry);
    let Ok(perturbed) = condition.perturbation.perturb(&plan.scene(entry)) else {
        return Ok(None);
    };
    let frame = Frame { answer_form: plan.suite.answer_form, ..perturbed.frame };
    let conversation = prompt(case, item, &frame).conversation;
    let shown: Vec<&str> = conversation
        .messages
        .iter()
        .flat_map(|message| &message.content)
        .filter_map(|part| match part {
            Part::Text { text } => Some(text.as_str()),
            Part::Image { .. } => None,
        })
        .collect();
    let places = evidence(case, item);
    let which = places.first().map_or(0, |found| found.image);
    let own = !matches!(perturbed.pictures, Pictures::Of(_));
    let rects = places.first().filter(|_| own).map(|found| {
        let (width, height) = (found.frame.x1 as f64, found.frame.y1 as f64);
        let share = |part: i64, whole: f64| part as f64 / whole * 100.0;
        let of = |r: &crate::perturb::geometry::Rect| {
            [share(r.x0, width), share(r.y0, height), share(r.x1 - r.x0, width), share(r.y1 - r.y0, height)]
        };
        found.rects.iter().map(of).collect()
    });
    let picture = pictures(plan, images, entry)?.get(which).map(|picture| data_uri(picture));
    Ok(Some(WorstCase {
        case_id: outcome.case_id.clone(),
        item_id: outcome.item_id.clone(),
        stage: outcome.stage,
        condition: outcome.condition.clone(),
        about: kind(condition.kind).map_or_else(String::new, |kind| kind.about.to_owned()),
        shown: shown.join("\n"),
        gold: outcome.gold.clone(),
        base: base.and_then(said),
        base_right,
        now: said(outcome),
        clean: clean.and_then(said),
        named: outcome.named.as_ref().map(|named| named.text.clone()),
        picture,
        evidence: rects.unwrap_or_default(),
        attacked: perturbed.attack.is_some(),
    }))
}

/// The answer as said: the generated words where there are any.
fn said(outcome: &Outcome) -> Option<String> {
    outcome.answer.as_ref()?;
    outcome.reply.clone().or_else(|| outcome.answer.clone())
}

/// A small PNG inside the page.
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
    // Writing into memory fails for empty pictures only; then there is nothing to show.
    written.map_or_else(
        |_| "data:,".to_owned(),
        |()| format!("data:image/png;base64,{}", STANDARD.encode(bytes.get_ref())),
    )
}
