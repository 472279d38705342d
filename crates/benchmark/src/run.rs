//! Asks a plan of a respondent and judges the replies.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::ops::ControlFlow;
use std::sync::Arc;

use image::RgbImage;
use sha2::{Digest, Sha256};
use stepwise_curriculum::case::{Answer, Case};
use stepwise_curriculum::prompt::{Frame, Prompt, prompt};

use crate::outcome::Outcome;
use crate::perturb::{Attack, Perturbed, Pictures, Target};
use crate::plan::{Entry, Plan};
use crate::probe::{Objective, PixelGrid, Probe, Reply, Respondent, RespondentError, Shown};
pub use crate::recall::NO_REPLY;
use crate::recall::Said;
use crate::score::{self, parse::PARSER_VERSION};

/// Gives the decoded pictures of cases. Any `Fn(&Case, usize) -> Result<Arc<RgbImage>, _>` is one.
pub trait Images {
    /// Picture number `index` of `case`, of the size the case states.
    ///
    /// # Errors
    /// When it cannot be read.
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>>;
}

impl<F: Fn(&Case, usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>>> Images for F {
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        self(case, index)
    }
}

/// How a plan is asked.
pub struct Options<'a> {
    /// Digest of the respondent: base weights, adapter, pixel pipeline, template. Part of every outcome's key, so two
    /// respondents with one id would be taken for the same.
    pub respondent: &'a str,
    /// Outcomes already known, by key; they are not asked again.
    pub known: &'a HashMap<String, Outcome>,
    /// Probes handed over at once, at least; those about one case are never parted.
    pub batch: usize,
    /// Hears of every batch and may stop the run.
    pub progress: &'a mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// Entries dealt with.
    pub done: usize,
    /// Entries planned.
    pub total: usize,
    /// Outcomes of the batch just asked.
    pub fresh: &'a [Outcome],
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// In the order of the plan.
    pub outcomes: Vec<Outcome>,
    /// How many were asked now.
    pub asked: usize,
    /// How many were known already.
    pub reused: usize,
    /// For each condition of the suite, how many items of the plan the respondent could not be asked, by reason:
    /// [`NO_GRADIENTS`] or [`NO_REPLY`].
    pub unanswerable: Vec<BTreeMap<&'static str, usize>>,
}

impl Run {
    fn cannot_be_asked(&mut self, entry: Entry, reason: &'static str) {
        *self.unanswerable[entry.condition].entry(reason).or_default() += 1;
    }
}

/// The reason under which items are counted that cannot be attacked.
pub const NO_GRADIENTS: &str = "the respondent gives no pixel gradients";

/// Why a run ended early.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A picture is missing or broken.
    #[error("case {case_id}, picture {index}: {source} -> check the data set with `stepwise check`")]
    Picture {
        /// The case.
        case_id: String,
        /// Which of its pictures.
        index: usize,
        /// What is wrong with it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The respondent failed.
    #[error(transparent)]
    Respondent(#[from] RespondentError),
    /// The progress callback asked to stop.
    #[error("stopped before all probes were asked")]
    Stopped,
}

/// An entry on its way.
struct Asked {
    entry: Entry,
    key: String,
    prompt: Prompt,
    perturbed: Perturbed,
}

/// Asks `plan` of `respondent`.
///
/// # Errors
/// When a picture cannot be read, the respondent fails, or the progress callback stops the run.
pub fn run(
    plan: &Plan<'_>,
    images: &dyn Images,
    respondent: &mut dyn Respondent,
    options: Options<'_>,
) -> Result<Run, RunError> {
    let mut run = Run { unanswerable: vec![BTreeMap::new(); plan.suite.conditions.len()], ..Run::default() };
    let mut batch = Batch::default();
    let mut done = 0;
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
        done += of_case.len();
        if batch.waiting.len() + batch.recalling.len() >= options.batch.max(1) || cases.peek().is_none() {
            let fresh = std::mem::take(&mut batch).answer(plan, images, respondent, &options, &mut run)?;
            let progress = Progress { done, total: plan.entries.len(), fresh: &fresh };
            let flow = (options.progress)(progress);
            run.asked += fresh.len();
            run.outcomes.extend(fresh);
            if flow.is_break() {
                return Err(RunError::Stopped);
            }
        }
    }
    let place =
        |outcome: &Outcome| plan.suite.conditions.iter().position(|condition| condition.id == outcome.condition);
    run.outcomes.sort_by(|a, b| (&a.case_id, &a.item_id, place(a)).cmp(&(&b.case_id, &b.item_id, place(b))));
    Ok(run)
}

/// The questions of some cases on their way, those that show earlier answers again after all others.
#[derive(Default)]
struct Batch {
    waiting: Vec<Asked>,
    recalling: Vec<(Entry, Perturbed)>,
    said: Said,
}

impl Batch {
    /// Takes what is known already into `run`, and the rest into the queue.
    fn take(&mut self, plan: &Plan<'_>, entry: Entry, perturbed: Perturbed, options: &Options<'_>, run: &mut Run) {
        let asked = match prepare(plan, entry, perturbed, options.respondent, &self.said) {
            Ok(asked) => asked,
            Err(reason) => return run.cannot_be_asked(entry, reason),
        };
        let Some(outcome) = options.known.get(&asked.key) else {
            return self.waiting.push(asked);
        };
        self.said.hear(plan, entry, outcome);
        run.outcomes.push(Outcome { condition: plan.condition(entry).id.clone(), ..outcome.clone() });
        run.reused += 1;
    }

    /// Asks everything that waits: first what stands alone, then what shows answers again.
    fn answer(
        mut self,
        plan: &Plan<'_>,
        images: &dyn Images,
        respondent: &mut dyn Respondent,
        options: &Options<'_>,
        run: &mut Run,
    ) -> Result<Vec<Outcome>, RunError> {
        let mut gallery = Gallery { plan, images, loaded: HashMap::new() };
        let first = answer(plan, &mut gallery, respondent, &std::mem::take(&mut self.waiting), run)?;
        first.iter().for_each(|(entry, outcome)| self.said.hear(plan, *entry, outcome));
        for (entry, perturbed) in std::mem::take(&mut self.recalling) {
            self.take(plan, entry, perturbed, options, run);
        }
        let second = answer(plan, &mut gallery, respondent, &self.waiting, run)?;
        Ok(first.into_iter().chain(second).map(|(_, outcome)| outcome).collect())
    }
}

/// The plan holds only entries whose perturbation applies, and perturbing is pure.
fn perturb(plan: &Plan<'_>, entry: Entry) -> Option<Perturbed> {
    plan.condition(entry).perturbation.perturb(&plan.scene(entry)).ok()
}

/// The changed question and its key.
fn prepare(
    plan: &Plan<'_>,
    entry: Entry,
    perturbed: Perturbed,
    respondent: &str,
    said: &Said,
) -> Result<Asked, &'static str> {
    let (case, item) = plan.item(entry);
    let frame = Frame { answer_form: plan.suite.answer_form, ..perturbed.frame.clone() };
    let prompt = match &perturbed.recall {
        None => prompt(case, item, &frame),
        Some(recall) => said.prompt(case, item, entry, frame, recall)?,
    };

    let shown_case = match &perturbed.pictures {
        Pictures::Of(other) => &plan.pool.cases()[*other],
        Pictures::Own | Pictures::Edited(_) => case,
    };
    let edit = match &perturbed.pictures {
        Pictures::Edited(edit) => edit.key(),
        Pictures::Own | Pictures::Of(_) => String::new(),
    };
    let attack = perturbed.attack.as_ref().map(|attack| {
        // Random starts are drawn by item.
        let draws = plan.suite.draws();
        format!("{} {} {} {} {}", attack.key(), draws.seed, draws.version, case.case_id, item.id)
    });
    let mut hash = Sha256::new();
    let mut add = |part: &str| {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    };
    for part in [respondent, PARSER_VERSION, &case.case_id, &item.id, &edit, attack.as_deref().unwrap_or_default()] {
        add(part);
    }
    for image in &shown_case.images {
        add(&image.sha256);
        add(if image.sha256.is_empty() { &shown_case.case_id } else { "" });
    }
    add(&format!(
        "{:?} {:?} {:?}",
        prompt.conversation,
        score::ask(&prompt, plan.suite.scoring, plan.suite.max_new_tokens),
        prompt.stored
    ));
    add(&format!("{:?} {:?} {:?} {:?}", item.answer, perturbed.named, item.stage, item.category));
    add(&format!("{:?} {:?}", case.group_id, score::boxes::gold(case, gold_regions(&item.answer))));
    Ok(Asked { entry, key: format!("{:x}", hash.finalize()), prompt, perturbed })
}

fn gold_regions(answer: &Answer) -> &[String] {
    match answer {
        Answer::Box { gold, .. } => gold,
        _ => &[],
    }
}

/// Asks all of `batch` at once.
fn answer(
    plan: &Plan<'_>,
    gallery: &mut Gallery<'_>,
    respondent: &mut dyn Respondent,
    batch: &[Asked],
    run: &mut Run,
) -> Result<Vec<(Entry, Outcome)>, RunError> {
    let mut probes = Vec::with_capacity(batch.len());
    for asked in batch {
        let (case, item) = plan.item(asked.entry);
        probes.push(Probe {
            case_id: case.case_id.clone(),
            item_id: item.id.clone(),
            condition: plan.condition(asked.entry).id.clone(),
            conversation: asked.prompt.conversation.clone(),
            images: gallery.pictures(asked.entry.case, &asked.perturbed)?,
            ask: score::ask(&asked.prompt, plan.suite.scoring, plan.suite.max_new_tokens),
        });
    }
    let answerable = attack(plan, batch, &mut probes, respondent)?;
    let (mut sent, mut asked) = (Vec::new(), Vec::new());
    for ((probe, waiting), answerable) in probes.into_iter().zip(batch).zip(answerable) {
        if answerable {
            sent.push(probe);
            asked.push(waiting);
        } else {
            run.cannot_be_asked(waiting.entry, NO_GRADIENTS);
        }
    }
    if sent.is_empty() {
        return Ok(Vec::new());
    }
    let replies = respondent.reply(&sent)?;
    if replies.len() != sent.len() {
        return Err(RespondentError::new(format!("{} replies to {} probes", replies.len(), sent.len())).into());
    }
    Ok(asked.into_iter().zip(replies).map(|(asked, reply)| (asked.entry, outcome(plan, asked, &reply))).collect())
}

/// The probes of one batch that one attack is made on.
struct Attacked {
    attack: Arc<dyn Attack>,
    numbers: Vec<usize>,
    targets: Vec<Target>,
}

/// Replaces the first picture of every attacked probe by attacked pixels. False where the respondent gives no pixels.
fn attack(
    plan: &Plan<'_>,
    batch: &[Asked],
    probes: &mut [Probe],
    respondent: &mut dyn Respondent,
) -> Result<Vec<bool>, RunError> {
    let mut answerable = vec![true; probes.len()];
    let mut by_attack: BTreeMap<String, Attacked> = BTreeMap::new();
    let mut pixels: HashMap<*const RgbImage, Option<Arc<PixelGrid>>> = HashMap::new();
    for (number, asked) in batch.iter().enumerate() {
        let Some(attack) = &asked.perturbed.attack else {
            continue;
        };
        let probe = &probes[number];
        let grid = match probe.images.first() {
            // Pixels depend on the picture alone, which all items of a case share.
            Some(Shown::Picture(picture)) => match pixels.get(&Arc::as_ptr(picture)) {
                Some(known) => known.clone(),
                None => {
                    let grid = respondent.pixels(probe)?.map(Arc::new);
                    pixels.insert(Arc::as_ptr(picture), grid.clone());
                    grid
                }
            },
            Some(Shown::Pixels(_)) | None => None,
        };
        let Some(grid) = grid else {
            answerable[number] = false;
            continue;
        };
        let (_, item) = plan.item(asked.entry);
        let target = Target { probe: probe.clone(), objective: objective(&item.answer, &asked.prompt), pixels: grid };
        let group = by_attack.entry(attack.key()).or_insert_with(|| Attacked {
            attack: Arc::clone(attack),
            numbers: Vec::new(),
            targets: Vec::new(),
        });
        group.numbers.push(number);
        group.targets.push(target);
    }
    for group in by_attack.into_values() {
        let attacked = group.attack.attack(&group.targets, plan.suite.draws(), respondent)?;
        for (number, grid) in group.numbers.into_iter().zip(attacked) {
            if let Some(first) = probes[number].images.first_mut() {
                *first = Shown::Pixels(Arc::new(grid));
            }
        }
    }
    Ok(answerable)
}

/// The margin where one option is right, else the likelihood of the right words.
fn objective(answer: &Answer, prompt: &Prompt) -> Objective {
    let only = match answer {
        Answer::Choice { gold, .. } if gold.len() == 1 => Some(gold[0]),
        Answer::Yesno { gold, .. } => Some(usize::from(!gold)),
        _ => None,
    };
    match only.and_then(|stored| prompt.stored.iter().position(|index| *index == stored)) {
        Some(gold) => Objective::Margin { options: prompt.options.clone(), gold },
        None => Objective::Nll { target: prompt.answer.clone() },
    }
}

fn outcome(plan: &Plan<'_>, asked: &Asked, reply: &Reply) -> Outcome {
    let (case, item) = plan.item(asked.entry);
    let judged = score::judge(case, item, &asked.prompt, plan.suite.answer_form, reply);
    let (scores, text) = match reply {
        Reply::Options(shown) => {
            let mut scores: Vec<_> = asked.prompt.stored.iter().zip(shown).collect();
            scores.sort_by_key(|(stored, _)| **stored);
            (scores.into_iter().map(|(_, score)| (*score).into()).collect(), None)
        }
        Reply::Text(text) => (Vec::new(), Some(text.clone())),
    };
    let mut outcome = Outcome {
        key: asked.key.clone(),
        case_id: case.case_id.clone(),
        group_id: case.group_id.clone(),
        item_id: item.id.clone(),
        stage: item.stage,
        category: item.category.clone(),
        condition: plan.condition(asked.entry).id.clone(),
        verdict: judged.verdict,
        answer: judged.answer,
        index: judged.index,
        position: judged.position,
        options: asked.prompt.options.len(),
        gold: stepwise_curriculum::prompt::gold_text(case, item),
        chance: score::chance(&item.answer, &asked.prompt),
        named: asked.perturbed.named.clone(),
        followed: false,
        scores,
        reply: text,
        iou: judged.iou,
    };
    outcome.followed = outcome.named.as_ref().is_some_and(|named| outcome.gives(named));
    outcome
}

/// Decoded and edited pictures of one batch, each made once.
struct Gallery<'a> {
    plan: &'a Plan<'a>,
    images: &'a dyn Images,
    loaded: HashMap<(usize, usize, String), Arc<RgbImage>>,
}

impl Gallery<'_> {
    /// The pictures shown for a case, attacks aside.
    fn pictures(&mut self, case: usize, perturbed: &Perturbed) -> Result<Vec<Shown>, RunError> {
        if perturbed.frame.without_images {
            return Ok(Vec::new());
        }
        picture_list(&perturbed.pictures, case, self.plan.pool.cases())
            .map(|(case, index)| self.picture(case, index, &perturbed.pictures).map(Shown::Picture))
            .collect()
    }

    fn picture(&mut self, case: usize, index: usize, pictures: &Pictures) -> Result<Arc<RgbImage>, RunError> {
        let edit = match pictures {
            Pictures::Edited(edit) => Some(edit),
            Pictures::Own | Pictures::Of(_) => None,
        };
        let key = (case, index, edit.map(|edit| edit.key()).unwrap_or_default());
        if let Some(picture) = self.loaded.get(&key) {
            return Ok(Arc::clone(picture));
        }
        let picture = match edit {
            None => load(self.images, &self.plan.pool.cases()[case], index)?,
            Some(edit) => {
                let mut picture = RgbImage::clone(&*self.picture(case, index, &Pictures::Own)?);
                edit.apply(index, &mut picture);
                Arc::new(picture)
            }
        };
        self.loaded.insert(key, Arc::clone(&picture));
        Ok(picture)
    }
}

fn picture_list(pictures: &Pictures, own: usize, cases: &[Case]) -> impl Iterator<Item = (usize, usize)> + use<> {
    let case = match pictures {
        Pictures::Of(other) => *other,
        Pictures::Own | Pictures::Edited(_) => own,
    };
    (0..cases[case].images.len()).map(move |index| (case, index))
}

/// Loads a picture and checks that it has the size its case states: regions are drawn in those pixels.
fn load(images: &dyn Images, case: &Case, index: usize) -> Result<Arc<RgbImage>, RunError> {
    let failed = |source| RunError::Picture { case_id: case.case_id.clone(), index, source };
    let picture = images.load(case, index).map_err(failed)?;
    let stated = (case.images[index].width, case.images[index].height);
    if picture.dimensions() != stated {
        return Err(failed(format!("is {:?} pixels, the case states {stated:?}", picture.dimensions()).into()));
    }
    Ok(picture)
}

/// The pictures an entry shows, attacks aside: for reports.
///
/// # Errors
/// When a picture cannot be read.
pub fn pictures(plan: &Plan<'_>, images: &dyn Images, entry: Entry) -> Result<Vec<Arc<RgbImage>>, RunError> {
    let Some(perturbed) = perturb(plan, entry) else {
        return Ok(Vec::new());
    };
    let shown = Gallery { plan, images, loaded: HashMap::new() }.pictures(entry.case, &perturbed)?;
    Ok(shown
        .into_iter()
        .filter_map(|shown| match shown {
            Shown::Picture(picture) => Some(picture),
            Shown::Pixels(_) => None,
        })
        .collect())
}
