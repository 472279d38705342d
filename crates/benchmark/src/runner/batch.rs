//! Batches of a run: entries of some cases are queued, attacked and answered together.

use std::collections::BTreeMap;

use stepwise_data::prompt::Prompt;

use crate::model::{Model, ModelError, Query, Response, decoded};
use crate::outcome::Outcome;
use crate::perturb::Perturbed;
use crate::plan::{Plan, PlanEntry};
use crate::runner::attack::{AttackResult, attack};
use crate::runner::error::RunError;
use crate::runner::images::Gallery;
use crate::runner::judge::outcome;
use crate::runner::options::Options;
use crate::runner::outcomes::Run;
use crate::runner::pieces::{DECODED_AT_ONCE, pieces};
use crate::runner::prepare::{ModelDigests, PendingQuery, prepare};
use crate::runner::recall::Said;
use crate::runner::unanswerable::NO_RESPONSE;
use crate::score::{self, letters};

/// Questions of some cases that wait for a response. The questions in `recalling` repeat earlier answers, so
/// they come last.
#[derive(Default)]
pub(super) struct CaseBatch {
    waiting: Vec<PendingQuery>,
    /// Questions that repeat earlier answers, with the changes to them; they are prepared when those answers are known.
    pub recalling: Vec<(PlanEntry, Perturbed)>,
    said: Said,
}

impl CaseBatch {
    /// Adds the outcome of `entry` to `run` where it is known already, or queues the question. A question that cannot
    /// be asked is counted as unanswerable. A known outcome takes condition, question, modality and data set from
    /// the plan, because they are no part of its key.
    pub fn take(
        &mut self,
        plan: &Plan<'_>,
        entry: PlanEntry,
        perturbed: Perturbed,
        options: &Options<'_>,
        run: &mut Run,
    ) {
        let surrogate = options.surrogate.as_ref().map(|surrogate| surrogate.key);
        let digests = ModelDigests { model: options.model, surrogate };
        let asked = match prepare(plan, entry, perturbed, digests, &self.said) {
            Ok(asked) => asked,
            Err(reason) => return run.cannot_be_asked(entry, reason),
        };
        let Some(outcome) = options.known.get(&asked.key) else {
            return self.waiting.push(asked);
        };
        self.said.hear(plan, entry, outcome);
        let (condition, question) = (plan.condition(entry).id.clone(), plan.stored_question(entry).to_owned());
        let (case, _) = plan.item(entry);
        let (modality, dataset) = (case.modality.clone(), case.source.dataset.clone());
        run.outcomes.push(Outcome { condition, question, modality, dataset, asked: asked.asked, ..outcome.clone() });
        run.reused += 1;
    }

    /// Queues the questions that repeat earlier answers. Call this when those answers are known.
    fn recall(&mut self, plan: &Plan<'_>, options: &Options<'_>, run: &mut Run) {
        for (entry, perturbed) in std::mem::take(&mut self.recalling) {
            self.take(plan, entry, perturbed, options, run);
        }
    }

    /// Answers all queued questions and adds their outcomes to `run`: first the independent ones, then those that
    /// repeat earlier answers. Progress is reported after every part and at the end.
    ///
    /// # Errors
    /// When an image cannot be loaded, the model or the surrogate fails, the number of responses differs from that of
    /// queries, or the callback stops the run. The outcomes of finished parts stay in `run`.
    pub fn answer(
        mut self,
        plan: &Plan<'_>,
        gallery: &mut Gallery<'_>,
        model: &mut dyn Model,
        options: &mut Options<'_>,
        run: &mut Run,
    ) -> Result<(), RunError> {
        for part in parts(plan, std::mem::take(&mut self.waiting)) {
            let answered = answer(plan, gallery, model, options, &part, run)?;
            answered.missing.iter().for_each(|entry| self.said.miss(plan, *entry));
            answered.outcomes.iter().for_each(|(entry, outcome)| self.said.hear(plan, *entry, outcome));
            run.keep(plan, answered.outcomes, options)?;
        }
        self.recall(plan, options, run);
        for part in parts(plan, self.waiting) {
            let answered = answer(plan, gallery, model, options, &part, run)?;
            run.keep(plan, answered.outcomes, options)?;
        }
        run.keep(plan, Vec::new(), options)
    }
}

/// Number of questions attacked together. An attack holds several copies of each question's pixels, and the pixels of
/// an image with many tiles are large: 17 tiles of 512 x 512 take 53 MB.
const ATTACKED_AT_ONCE: usize = 16;

/// Splits queued questions into the parts that are answered together: all questions without an attack, then the
/// questions of each attack, at most [`ATTACKED_AT_ONCE`] at a time, and never more than [`DECODED_AT_ONCE`] bytes of
/// images. Attacks are slow, so earlier answers are kept before one starts.
fn parts(plan: &Plan<'_>, waiting: Vec<PendingQuery>) -> impl Iterator<Item = Vec<PendingQuery>> {
    let mut parts: BTreeMap<Option<String>, Vec<PendingQuery>> = BTreeMap::new();
    for asked in waiting {
        parts.entry(asked.perturbed.attack.as_ref().map(|attack| attack.key())).or_default().push(asked);
    }
    let fitting = parts.into_iter().flat_map(|(attack, part)| {
        pieces(plan, part, DECODED_AT_ONCE).into_iter().map(move |piece| (attack.is_some(), piece))
    });
    fitting.flat_map(|(attacked, mut part)| {
        let most = if attacked { ATTACKED_AT_ONCE } else { part.len() };
        let mut pieces = Vec::new();
        while part.len() > most {
            let rest = part.split_off(most);
            pieces.push(std::mem::replace(&mut part, rest));
        }
        pieces.push(part);
        pieces
    })
}

/// Answers to a part of a batch.
#[derive(Default)]
struct Answered {
    outcomes: Vec<(PlanEntry, Outcome)>,
    /// Entries without a response; they are counted in the run already.
    missing: Vec<PlanEntry>,
}

/// Answers all of `batch` in one call of the model. Entries whose attack cannot be made and entries without a response
/// are counted in `run`.
fn answer(
    plan: &Plan<'_>,
    gallery: &mut Gallery<'_>,
    model: &mut dyn Model,
    options: &mut Options<'_>,
    batch: &[PendingQuery],
    run: &mut Run,
) -> Result<Answered, RunError> {
    // Small images of earlier questions are kept for these.
    gallery.make_room(DECODED_AT_ONCE / 4);
    let mut queries = Vec::with_capacity(batch.len());
    for asked in batch {
        let (case, item) = plan.item(asked.entry);
        queries.push(Query {
            case_id: case.case_id.clone(),
            item_id: item.id.clone(),
            condition: plan.condition(asked.entry).id.clone(),
            conversation: asked.prompt.conversation.clone(),
            images: decoded(gallery.pictures(asked.entry.case, &asked.perturbed)?),
            ask: score::ask(&asked.prompt, plan.suite.scoring, plan.suite.max_new_tokens),
        });
    }
    let attacked = batch.iter().map(|asked| (&asked.perturbed, plan.item(asked.entry).1, &asked.prompt));
    let fates = attack(attacked, &mut queries, plan.suite.rng(), model, &mut options.surrogate)?;
    let (mut sent, mut asked) = (Vec::new(), Vec::new());
    for ((query, waiting), fate) in queries.into_iter().zip(batch).zip(fates) {
        let made = match fate {
            AttackResult::Spared => None,
            AttackResult::Attacked(made) => Some(made),
            AttackResult::OutOfReach(reason) => {
                run.cannot_be_asked(waiting.entry, reason);
                continue;
            }
        };
        // All orders show the same image, so the attack is made once, on the first order.
        let of_order = |(_, prompt): &(_, Prompt)| Query {
            conversation: prompt.conversation.clone(),
            ask: score::ask(prompt, plan.suite.scoring, plan.suite.max_new_tokens),
            ..query.clone()
        };
        let others: Vec<Query> = waiting.others.iter().map(of_order).collect();
        sent.push(query);
        sent.extend(others);
        asked.push((waiting, made));
    }
    if sent.is_empty() {
        return Ok(Answered::default());
    }
    let replies = model.reply(&sent)?;
    if replies.len() != sent.len() {
        return Err(ModelError::new(format!("{} responses to {} queries", replies.len(), sent.len())).into());
    }
    let mut rest = replies.as_slice();
    let mut answered = Answered::default();
    for (asked, made) in asked {
        let (own, after) = rest.split_at(1 + asked.others.len());
        rest = after;
        // One order of the options without a response leaves nothing to average.
        if own.contains(&Response::Missing) {
            run.cannot_be_asked(asked.entry, NO_RESPONSE);
            answered.missing.push(asked.entry);
            continue;
        }
        let perturbed = &asked.perturbed;
        let trace = made.map(|made| made.trace(&asked.prompt, &own[0]));
        let outcome =
            Outcome { attack: trace, ..outcome(plan, asked.entry, perturbed, &asked.prompt, &merged(asked, own)) };
        let (key, digest) = (asked.key.clone(), asked.asked.clone());
        answered.outcomes.push((asked.entry, Outcome { key, asked: digest, ..outcome }));
    }
    Ok(answered)
}

/// Combines the responses to all orders of an entry's options into one response.
fn merged(asked: &PendingQuery, replies: &[Response]) -> Response {
    match replies {
        [only] => only.clone(),
        _ => {
            let orders = std::iter::once(&asked.prompt.stored).chain(asked.others.iter().map(|(order, _)| order));
            letters::averaged(&orders.cloned().collect::<Vec<_>>(), replies)
        }
    }
}
