//! Evaluates a model on a plan: builds the queries, makes the attacks and judges the responses.

pub(crate) mod attack;
mod images;
pub(crate) mod recall;

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::ops::ControlFlow;

use sha2::{Digest, Sha256};
use stepwise_data::case::Answer;
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

pub use crate::runner::images::{Gallery, Images, pictures};
pub use crate::runner::recall::NO_REPLY;

use crate::model::{Model, ModelError, Query, Response};
use crate::outcome::Outcome;
use crate::perturb::{Attack, GradientSource, Perturbed, ShownImages};
use crate::plan::{Entry, Plan};
use crate::runner::attack::{Fate, attack};
use crate::runner::recall::Said;
use crate::score::closeness::measure;
use crate::score::parse::PARSER_VERSION;
use crate::score::{self, SCORING_VERSION, Scoring, letters};

/// Settings of a run.
pub struct Options<'a> {
    /// Digest of the model: base weights, adapter, pixel pipeline and template. Every outcome's key contains the
    /// digest, so two different models must not share one.
    pub model: &'a str,
    /// Known outcomes by [`Outcome::key`]; their questions are not asked again.
    pub known: &'a HashMap<String, Outcome>,
    /// Minimum number of questions in every batch but the last; a batch always holds whole cases. Within a batch,
    /// questions without an attack are answered first, then the questions of each attack.
    pub batch: usize,
    /// Model whose gradients transfer attacks use. `None` counts the items of such attacks as [`NO_SURROGATE`].
    pub surrogate: Option<Surrogate<'a>>,
    /// Called after every part of a batch. [`ControlFlow::Break`] stops the run with [`RunError::Stopped`].
    pub progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
}

/// Another model with the same pixel pipeline, usually the base model of the evaluated adapter.
pub struct Surrogate<'a> {
    /// Digest of this model, computed as [`Options::model`].
    pub key: &'a str,
    /// The model. Only its gradients are used; it answers no queries.
    pub model: &'a mut dyn Model,
}

/// Progress of a run.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Plan entries that are answered, reused or counted as unanswerable.
    pub done: usize,
    /// All entries of the plan.
    pub total: usize,
    /// Outcomes of the queries answered since the last call; may be empty.
    pub fresh: &'a [Outcome],
}

/// Outcomes of a run.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Outcomes sorted by case id, item id and position of the condition in the suite.
    pub outcomes: Vec<Outcome>,
    /// Number of outcomes that this run asked for.
    pub asked: usize,
    /// Number of outcomes taken from [`Options::known`].
    pub reused: usize,
    /// For each condition of the suite, the number of planned items that could not be asked, by reason:
    /// [`NO_GRADIENTS`], [`NO_PICTURE`], [`NO_SURROGATE`] or [`NO_REPLY`].
    pub unanswerable: Vec<BTreeMap<&'static str, usize>>,
}

impl Run {
    /// Adds answered entries and reports progress. Fails with [`RunError::Stopped`] when the callback breaks.
    fn keep(
        &mut self,
        plan: &Plan<'_>,
        answered: Vec<(Entry, Outcome)>,
        options: &mut Options<'_>,
    ) -> Result<(), RunError> {
        let fresh: Vec<Outcome> = answered.into_iter().map(|(_, outcome)| outcome).collect();
        let unanswerable: usize = self.unanswerable.iter().flat_map(BTreeMap::values).sum();
        let done = self.outcomes.len() + fresh.len() + unanswerable;
        let flow = (options.progress)(Progress { done, total: plan.entries.len(), fresh: &fresh });
        self.asked += fresh.len();
        self.outcomes.extend(fresh);
        if flow.is_break() { Err(RunError::Stopped) } else { Ok(()) }
    }

    fn cannot_be_asked(&mut self, entry: Entry, reason: &'static str) {
        *self.unanswerable[entry.condition].entry(reason).or_default() += 1;
    }
}

/// Reason for items whose attack needs pixel gradients that the model does not give.
pub const NO_GRADIENTS: &str = "the respondent gives no pixel gradients";

/// Reason for items that show no image to attack.
pub const NO_PICTURE: &str = "there is no picture to attack";

/// Reason for items whose attack needs [`Options::surrogate`] where none is given.
pub const NO_SURROGATE: &str = "there is no other model to make the attack on";

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An image cannot be read, or its size differs from the size that its case states.
    #[error("case {case_id}, image {index}: {source}; `stepwise check` lists all such files")]
    Picture {
        /// Id of the case.
        case_id: String,
        /// Index of the image in the case, from 0.
        index: usize,
        /// Cause of the failure.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The model failed.
    #[error(transparent)]
    Model(ModelError),
    /// The progress callback stopped the run, or the model was asked to stop.
    #[error("stopped before all queries were answered")]
    Stopped,
}

impl From<ModelError> for RunError {
    fn from(error: ModelError) -> Self {
        match error {
            ModelError::Stopped => Self::Stopped,
            ModelError::Failed(_) => Self::Model(error),
        }
    }
}

/// An entry with its prompt, waiting for its response.
struct PendingQuery {
    entry: Entry,
    key: String,
    prompt: Prompt,
    /// Further orders of the options with their prompts; empty unless [`Scoring::Letter`] averages over orders.
    others: Vec<(Vec<usize>, Prompt)>,
    perturbed: Perturbed,
}

/// Evaluates `model` on `plan` and returns one outcome per answered entry. Known outcomes are reused.
///
/// # Errors
/// When an image cannot be read, a model fails or returns a wrong number of responses, or the progress callback
/// stops the run.
pub fn run(
    plan: &Plan<'_>,
    images: &dyn Images,
    model: &mut dyn Model,
    mut options: Options<'_>,
) -> Result<Run, RunError> {
    let mut gallery = Gallery::new(plan.pool.cases(), images);
    let mut run = Run { unanswerable: vec![BTreeMap::new(); plan.suite.conditions.len()], ..Run::default() };
    let mut batch = Batch::default();
    let mut planned = 0;
    let mut cases = plan.entries.chunk_by(|a, b| a.case == b.case).peekable();
    while let Some(of_case) = cases.next() {
        for &entry in of_case {
            let Some(perturbed) = perturb(plan, entry) else { continue };
            if perturbed.recall.is_some() {
                batch.recalling.push((entry, perturbed));
            } else {
                batch.take(plan, entry, perturbed, &options, &mut run);
            }
        }
        // Known outcomes count as well, so that a resumed run forms the same batches as the interrupted one.
        planned += of_case.len();
        if planned >= options.batch || cases.peek().is_none() {
            std::mem::take(&mut batch).answer(plan, &mut gallery, model, &mut options, &mut run)?;
            gallery.clear();
            planned = 0;
        }
    }
    let place =
        |outcome: &Outcome| plan.suite.conditions.iter().position(|condition| condition.id == outcome.condition);
    run.outcomes.sort_by(|a, b| (&a.case_id, &a.item_id, place(a)).cmp(&(&b.case_id, &b.item_id, place(b))));
    Ok(run)
}

/// Questions of some cases that wait for a response. The questions in `recalling` repeat earlier answers, so
/// they come last.
#[derive(Default)]
struct Batch {
    waiting: Vec<PendingQuery>,
    recalling: Vec<(Entry, Perturbed)>,
    said: Said,
}

impl Batch {
    /// Adds a known outcome to `run`, or queues the question.
    fn take(&mut self, plan: &Plan<'_>, entry: Entry, perturbed: Perturbed, options: &Options<'_>, run: &mut Run) {
        let asked = match prepare(plan, entry, perturbed, options, &self.said) {
            Ok(asked) => asked,
            Err(reason) => return run.cannot_be_asked(entry, reason),
        };
        let Some(outcome) = options.known.get(&asked.key) else {
            return self.waiting.push(asked);
        };
        self.said.hear(plan, entry, outcome);
        let (condition, question) = (plan.condition(entry).id.clone(), plan.item(entry).1.question.clone());
        run.outcomes.push(Outcome { condition, question, ..outcome.clone() });
        run.reused += 1;
    }

    /// Queues the questions that repeat earlier answers. Call this when those answers are known.
    fn recall(&mut self, plan: &Plan<'_>, options: &Options<'_>, run: &mut Run) {
        for (entry, perturbed) in std::mem::take(&mut self.recalling) {
            self.take(plan, entry, perturbed, options, run);
        }
    }

    /// Answers all queued questions: first the independent ones, then those that repeat earlier answers.
    fn answer(
        mut self,
        plan: &Plan<'_>,
        gallery: &mut Gallery<'_>,
        model: &mut dyn Model,
        options: &mut Options<'_>,
        run: &mut Run,
    ) -> Result<(), RunError> {
        for part in parts(std::mem::take(&mut self.waiting)) {
            let answered = answer(plan, gallery, model, options, &part, run)?;
            answered.iter().for_each(|(entry, outcome)| self.said.hear(plan, *entry, outcome));
            run.keep(plan, answered, options)?;
        }
        self.recall(plan, options, run);
        for part in parts(self.waiting) {
            let answered = answer(plan, gallery, model, options, &part, run)?;
            run.keep(plan, answered, options)?;
        }
        run.keep(plan, Vec::new(), options)
    }
}

/// Number of questions attacked together. An attack holds several copies of each question's pixels, and the pixels of
/// an image with many tiles are large: 17 tiles of 512 x 512 take 53 MB.
const ATTACKED_AT_ONCE: usize = 16;

/// Splits queued questions into the parts that are answered together: all questions without an attack, then the
/// questions of each attack, at most [`ATTACKED_AT_ONCE`] at a time. Attacks are slow, so earlier answers are kept
/// before one starts.
fn parts(waiting: Vec<PendingQuery>) -> impl Iterator<Item = Vec<PendingQuery>> {
    let mut parts: BTreeMap<Option<String>, Vec<PendingQuery>> = BTreeMap::new();
    for asked in waiting {
        parts.entry(asked.perturbed.attack.as_ref().map(|attack| attack.key())).or_default().push(asked);
    }
    parts.into_iter().flat_map(|(attack, mut part)| {
        let most = if attack.is_some() { ATTACKED_AT_ONCE } else { part.len() };
        let mut pieces = Vec::new();
        while part.len() > most {
            let rest = part.split_off(most);
            pieces.push(std::mem::replace(&mut part, rest));
        }
        pieces.push(part);
        pieces
    })
}

/// Perturbs an entry. A plan holds only entries whose perturbation applies, and perturbing is pure, so a planned entry
/// never gives `None`.
fn perturb(plan: &Plan<'_>, entry: Entry) -> Option<Perturbed> {
    plan.condition(entry).perturbation.perturb(&plan.scene(entry)).ok()
}

/// Builds the prompts and the outcome key of a perturbed entry. Fails with the reason why the entry cannot be asked.
fn prepare(
    plan: &Plan<'_>,
    entry: Entry,
    perturbed: Perturbed,
    options: &Options<'_>,
    said: &Said,
) -> Result<PendingQuery, &'static str> {
    let (case, item) = plan.item(entry);
    let shown = |frame: PromptOptions| match &perturbed.recall {
        None => Ok(prompt(case, item, &frame)),
        Some(recall) => said.prompt(case, item, entry, frame, recall),
    };
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame.clone() };
    let prompt = shown(frame.clone())?;
    let mut others = Vec::new();
    if plan.suite.scoring == Scoring::Letter && matches!(item.answer, Answer::Choice { .. }) {
        let permutations = plan.suite.letter_permutations;
        let orders = letters::orders(&prompt.stored, permutations, plan.suite.rng(), &case.case_id, &item.id);
        for order in orders.into_iter().skip(1) {
            let frame = PromptOptions { order: Some(order.clone()), ..frame.clone() };
            others.push((order, shown(frame)?));
        }
    }

    let shown_case = match &perturbed.pictures {
        ShownImages::Of(other) => &plan.pool.cases()[*other],
        ShownImages::Own | ShownImages::Edited(_) | ShownImages::MeanOf(_) => case,
    };
    // The key must not depend on a case's position in the file, so source cases enter it by content and not by index.
    let (edit, sources) = match &perturbed.pictures {
        ShownImages::MeanOf(sources) => {
            let places: Vec<usize> = sources.iter().map(|(_, index)| *index).collect();
            (format!("mean:{places:?}"), sources.iter().map(|(case, _)| &plan.pool.cases()[*case]).collect())
        }
        pictures => (pictures.key(), Vec::new()),
    };
    let attack = perturbed.attack.as_ref().map(|attack| attack_key(plan, entry, &**attack, options)).transpose()?;
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    let attack = attack.unwrap_or_default();
    for part in [options.model, PARSER_VERSION, SCORING_VERSION, &case.case_id, &item.id, &edit, &attack] {
        add(part);
    }
    for shown_case in sources.into_iter().chain([shown_case]) {
        for image in &shown_case.images {
            add(&image.sha256);
            add(if image.sha256.is_empty() { &shown_case.case_id } else { "" });
        }
    }
    for prompt in std::iter::once(&prompt).chain(others.iter().map(|(_, prompt)| prompt)) {
        add(&format!(
            "{:?} {:?} {:?}",
            prompt.conversation,
            score::ask(prompt, plan.suite.scoring, plan.suite.max_new_tokens),
            prompt.stored
        ));
    }
    add(&format!("{:?} {:?} {:?} {:?} {:?}", item.answer, perturbed.named, item.stage, item.category, item.parents));
    add(&format!("{:?} {:?}", case.group_id, score::boxes::gold(case, gold_regions(&item.answer))));
    Ok(PendingQuery { entry, key: format!("{:x}", hash.finalize()), prompt, others, perturbed })
}

/// Key of everything that determines the attacked pixels apart from images and prompt. Random starts are
/// drawn per item.
fn attack_key(
    plan: &Plan<'_>,
    entry: Entry,
    attack: &dyn Attack,
    options: &Options<'_>,
) -> Result<String, &'static str> {
    let gradient_source = match (attack.gradient_source(), &options.surrogate) {
        (GradientSource::Model, _) => "",
        (GradientSource::Surrogate, Some(surrogate)) => surrogate.key,
        (GradientSource::Surrogate, None) => return Err(NO_SURROGATE),
    };
    let (case, item) = plan.item(entry);
    let rng = plan.suite.rng();
    Ok(format!("{} {} {} {} {} {gradient_source}", attack.key(), rng.seed, rng.version, case.case_id, item.id))
}

fn gold_regions(answer: &Answer) -> &[String] {
    match answer {
        Answer::Box { gold, .. } => gold,
        _ => &[],
    }
}

/// Answers all of `batch` in one call of the model. Entries whose attack cannot be made are counted in `run`.
fn answer(
    plan: &Plan<'_>,
    gallery: &mut Gallery<'_>,
    model: &mut dyn Model,
    options: &mut Options<'_>,
    batch: &[PendingQuery],
    run: &mut Run,
) -> Result<Vec<(Entry, Outcome)>, RunError> {
    let mut queries = Vec::with_capacity(batch.len());
    for asked in batch {
        let (case, item) = plan.item(asked.entry);
        queries.push(Query {
            case_id: case.case_id.clone(),
            item_id: item.id.clone(),
            condition: plan.condition(asked.entry).id.clone(),
            conversation: asked.prompt.conversation.clone(),
            images: gallery.pictures(asked.entry.case, &asked.perturbed)?,
            ask: score::ask(&asked.prompt, plan.suite.scoring, plan.suite.max_new_tokens),
        });
    }
    let attacked = batch.iter().map(|asked| (&asked.perturbed, plan.item(asked.entry).1, &asked.prompt));
    let fates = attack(attacked, &mut queries, plan.suite.rng(), model, &mut options.surrogate)?;
    let (mut sent, mut asked) = (Vec::new(), Vec::new());
    for ((query, waiting), fate) in queries.into_iter().zip(batch).zip(fates) {
        let made = match fate {
            Fate::Spared => None,
            Fate::Attacked(made) => Some(made),
            Fate::OutOfReach(reason) => {
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
        return Ok(Vec::new());
    }
    let replies = model.reply(&sent)?;
    if replies.len() != sent.len() {
        return Err(ModelError::new(format!("{} responses to {} queries", replies.len(), sent.len())).into());
    }
    let mut rest = replies.as_slice();
    let mut outcomes = Vec::with_capacity(asked.len());
    for (asked, made) in asked {
        let (own, after) = rest.split_at(1 + asked.others.len());
        rest = after;
        let perturbed = &asked.perturbed;
        let trace = made.map(|made| made.trace(&asked.prompt, &own[0]));
        let outcome =
            Outcome { attack: trace, ..outcome(plan, asked.entry, perturbed, &asked.prompt, &merged(asked, own)) };
        outcomes.push((asked.entry, Outcome { key: asked.key.clone(), ..outcome }));
    }
    Ok(outcomes)
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

/// Judges a response that another tool collected for `entry`. Returns `None` where the entry's condition
/// does not apply.
#[must_use]
pub fn judged(plan: &Plan<'_>, entry: Entry, reply: &Response) -> Option<Outcome> {
    let perturbed = perturb(plan, entry)?;
    let (case, item) = plan.item(entry);
    let frame = PromptOptions { answer_form: plan.suite.form(), ..perturbed.frame.clone() };
    Some(outcome(plan, entry, &perturbed, &prompt(case, item, &frame), reply))
}

fn outcome(plan: &Plan<'_>, entry: Entry, perturbed: &Perturbed, prompt: &Prompt, reply: &Response) -> Outcome {
    let (case, item) = plan.item(entry);
    let judged = score::judge(case, item, prompt, plan.suite.form(), reply);
    let (scores, text) = match reply {
        Response::Options(shown) => {
            let mut scores: Vec<_> = prompt.stored.iter().zip(shown).collect();
            scores.sort_by_key(|(stored, _)| **stored);
            (scores.into_iter().map(|(_, score)| (*score).into()).collect(), None)
        }
        Response::Text(text) => (Vec::new(), Some(text.clone())),
    };
    let (parser, scoring) = if text.is_some() { (PARSER_VERSION, "") } else { ("", SCORING_VERSION) };
    let mut outcome = Outcome {
        key: String::new(),
        case_id: case.case_id.clone(),
        group_id: case.group_id.clone(),
        item_id: item.id.clone(),
        stage: item.stage,
        category: item.category.clone(),
        question: item.question.clone(),
        condition: plan.condition(entry).id.clone(),
        verdict: judged.verdict,
        answer: judged.answer,
        index: judged.index,
        position: judged.position,
        options: prompt.options.len(),
        gold: stepwise_data::prompt::gold_text(case, item),
        chance: score::chance(&item.answer, prompt),
        named: perturbed.named.clone(),
        followed: false,
        scores,
        scoring: scoring.to_owned(),
        reply: text,
        parser: parser.to_owned(),
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
