//! Judged responses as outcomes.

use stepwise_data::box_format::BoxFormat;
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::model::Response;
use crate::outcome::Outcome;
use crate::perturb::Perturbed;
use crate::plan::{Plan, PlanEntry};
use crate::score::closeness::measure;
use crate::score::flexible::FLEXIBLE_VERSION;
use crate::score::parse::PARSER_VERSION;
use crate::score::{self, SCORING_VERSION};

/// Judges a response that another tool collected for `entry` and returns the outcome, with an empty key and without an
/// attack. None where the entry's condition does not apply to the item.
///
/// # Panics
/// When the plan's pool has no such case or item, or its suite no such condition.
#[must_use]
pub fn judged(plan: &Plan<'_>, entry: PlanEntry, reply: &Response) -> Option<Outcome> {
    let perturbed = plan.perturbed(entry)?;
    let (case, item) = plan.item(entry);
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame.clone() };
    Some(outcome(plan, entry, &perturbed, &prompt(case, item, &frame), reply))
}

/// Judges the generated responses among `outcomes`, which answer entries of `plan`, again by the flexible reading
/// ([`crate::score::flexible`]), and returns the outcomes in the same order. Outcomes without a generated response, and outcomes that
/// are not in the plan, stay as they are.
///
/// # Panics
/// When the plan's suite or pool contradicts its entries.
#[must_use]
pub fn reread(plan: &Plan<'_>, outcomes: &[Outcome]) -> Vec<Outcome> {
    outcomes.iter().map(|outcome| read_again(plan, outcome).unwrap_or_else(|| outcome.clone())).collect()
}

fn read_again(plan: &Plan<'_>, outcome: &Outcome) -> Option<Outcome> {
    let reply = outcome.reply.as_ref()?;
    let entry = plan.entry(&outcome.case_id, &outcome.item_id, &outcome.condition)?;
    let perturbed = plan.perturbed(entry)?;
    let (case, item) = plan.item(entry);
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame };
    let (judged, text) = score::judge_flexibly(case, item, &prompt(case, item, &frame), plan.suite.form(), reply);
    let mut outcome = Outcome {
        verdict: judged.verdict,
        answer: judged.answer,
        index: judged.index,
        position: judged.position,
        iou: judged.iou,
        measure: measure(case, item, &Response::Text(text.unwrap_or_default())),
        parser: FLEXIBLE_VERSION.to_owned(),
        ..outcome.clone()
    };
    outcome.followed = outcome.named.as_ref().is_some_and(|named| outcome.gives(named));
    Some(outcome)
}

/// Judges the response `reply` to `prompt` and returns the outcome of `entry` under the changes in `perturbed`, with an
/// empty key and without an attack. A response with likelihoods must have one for each option of the prompt.
pub(super) fn outcome(
    plan: &Plan<'_>,
    entry: PlanEntry,
    perturbed: &Perturbed,
    prompt: &Prompt,
    reply: &Response,
) -> Outcome {
    let (case, item) = plan.item(entry);
    let judged = score::judge(case, item, prompt, plan.suite.form(), reply);
    let (scores, right_scores, text) = match reply {
        Response::Options(shown) => {
            let mut scores: Vec<_> = prompt.stored.iter().zip(shown).collect();
            scores.sort_by_key(|(stored, _)| **stored);
            let is_right = |place: &usize| is_right(&item.answer, *scores[*place].0);
            let right = (0..scores.len()).filter(is_right).collect();
            (scores.iter().map(|(_, score)| (**score).into()).collect(), right, None)
        }
        Response::Text(text) => (Vec::new(), Vec::new(), Some(text.clone())),
        Response::Missing => (Vec::new(), Vec::new(), None),
    };
    let (parser, scoring) = if text.is_some() { (PARSER_VERSION, "") } else { ("", SCORING_VERSION) };
    let mut outcome = Outcome {
        key: String::new(),
        asked: String::new(),
        case_id: case.case_id.clone(),
        group_id: case.group_id.clone(),
        item_id: item.id.clone(),
        stage: item.stage,
        category: item.category.clone(),
        modality: case.modality.clone(),
        dataset: case.source.dataset.clone(),
        question: plan.stored_question(entry).to_owned(),
        condition: plan.condition(entry).id.clone(),
        verdict: judged.verdict,
        answer: judged.answer,
        index: judged.index,
        position: judged.position,
        options: prompt.options.len(),
        gold: stepwise_data::prompt::gold_text(case, item),
        chance: score::chance(&item.answer, prompt),
        named: perturbed.named.clone(),
        sentence: perturbed.sentence.clone(),
        followed: false,
        scores,
        right_scores,
        scoring: scoring.to_owned(),
        reply: text,
        parser: parser.to_owned(),
        box_format: box_format(case, item),
        iou: judged.iou,
        measure: measure(case, item, reply),
        parents: item.parents.clone(),
        pair_of: pair_of(&item.answer),
        refusal: refusal(&item.answer),
        attack: None,
    };
    outcome.followed = outcome.named.as_ref().is_some_and(|named| outcome.gives(named));
    outcome
}

/// Whether the option with the stored index `stored` is right; for yes/no, 0 is yes and 1 is no.
fn is_right(answer: &Answer, stored: usize) -> bool {
    match answer {
        Answer::Choice { gold, .. } => gold.contains(&stored),
        Answer::Yesno { gold, .. } => usize::from(!gold) == stored,
        _ => false,
    }
}

/// Unit of the boxes of an answer; the default for other answers.
fn box_format(case: &Case, item: &Item) -> BoxFormat {
    if matches!(item.answer, Answer::Box { .. }) { case.box_format() } else { BoxFormat::default() }
}

fn pair_of(answer: &Answer) -> Option<String> {
    match answer {
        Answer::Yesno { pair_of, .. } => pair_of.clone(),
        _ => None,
    }
}

fn refusal(answer: &Answer) -> Option<usize> {
    match answer {
        Answer::Choice { gold, refusal, .. } => refusal.filter(|refusal| !gold.contains(refusal)),
        _ => None,
    }
}
