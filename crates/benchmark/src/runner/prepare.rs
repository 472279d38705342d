//! Prompts and outcome key of an entry, before it is asked.

use sha2::{Digest, Sha256};
use stepwise_data::case::Answer;
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::perturb::{Attack, GradientSource, Perturbed, ShownImages};
use crate::plan::{Plan, PlanEntry};
use crate::runner::recall::Said;
use crate::runner::shown::shown_prompt;
use crate::runner::unanswerable::NO_SURROGATE;
use crate::score::parse::PARSER_VERSION;
use crate::score::{self, SCORING_VERSION, Scoring, letters};

/// An entry with its prompt, waiting for its response.
pub(super) struct PendingQuery {
    /// Entry of the plan that is asked.
    pub entry: PlanEntry,
    /// Key of the outcome, see [`Outcome::key`](crate::outcome::Outcome::key).
    pub key: String,
    /// Digest of the question without the model, see [`Outcome::asked`](crate::outcome::Outcome::asked).
    pub asked: String,
    /// Prompt with the options in the order of the condition.
    pub prompt: Prompt,
    /// Further orders of the options with their prompts; empty unless [`Scoring::Letter`] averages over orders.
    pub others: Vec<(Vec<usize>, Prompt)>,
    /// Changes that the entry's condition makes to its item.
    pub perturbed: Perturbed,
}

/// Digests of the models that decide an outcome.
#[derive(Clone, Copy)]
pub(super) struct ModelDigests<'a> {
    /// Digest of the evaluated model, see [`Options::model`](crate::runner::Options::model).
    pub model: &'a str,
    /// Digest of the model that transfer attacks are made on; None without one.
    pub surrogate: Option<&'a str>,
}

/// Hash of texts, each with its length, so that no two lists of texts have the same bytes.
#[derive(Default)]
struct TextHash(Sha256);

impl TextHash {
    fn add(&mut self, part: &str) {
        self.0.update((part.len() as u64).to_le_bytes());
        self.0.update(part.as_bytes());
    }

    fn hex(self) -> String {
        format!("{:x}", self.0.finalize())
    }
}

/// Builds the prompts and the outcome key of a perturbed entry. `said` holds the model's earlier answers, which some
/// conditions show again. The key is a SHA-256 digest of everything that determines the outcome.
///
/// # Errors
/// The reason why the entry cannot be asked: [`NO_SURROGATE`](crate::runner::NO_SURROGATE) without a surrogate for a
/// transfer attack, [`NO_RESPONSE`](crate::runner::NO_RESPONSE) where an earlier response is missing, or
/// [`NO_REPLY`](crate::runner::NO_REPLY) where it is empty.
pub(super) fn prepare(
    plan: &Plan<'_>,
    entry: PlanEntry,
    perturbed: Perturbed,
    digests: ModelDigests<'_>,
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

    let shown_case = &plan.pool.cases()[perturbed.shown_case(entry.case)];
    // The key must not depend on a case's position in the file, so source cases enter it by content and not by index.
    let (edit, sources) = match &perturbed.pictures {
        ShownImages::MeanOf(sources) => {
            let places: Vec<usize> = sources.iter().map(|(_, index)| *index).collect();
            (format!("mean:{places:?}"), sources.iter().map(|(case, _)| &plan.pool.cases()[*case]).collect())
        }
        pictures => (pictures.key(), Vec::new()),
    };
    let attack = perturbed.attack.as_ref().map(|attack| attack_key(plan, entry, &**attack, digests)).transpose()?;
    let attack = attack.unwrap_or_default();
    let images: Vec<(&str, &str)> = sources
        .into_iter()
        .chain([shown_case])
        .flat_map(|case| case.images.iter().map(|image| (image.sha256.as_str(), case.case_id.as_str())))
        .collect();
    let asked = asked(plan, entry, &perturbed, &images, &edit);
    let mut hash = TextHash::default();
    let mut add = |part: &str| hash.add(part);
    for part in [digests.model, PARSER_VERSION, SCORING_VERSION, &case.case_id, &item.id, &edit, &attack] {
        add(part);
    }
    for (sha256, case_id) in images {
        add(sha256);
        add(if sha256.is_empty() { case_id } else { "" });
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
    add(perturbed.sentence.as_deref().unwrap_or_default());
    add(&format!("{:?} {:?}", case.group_id, score::boxes::gold(case, gold_regions(&item.answer))));
    Ok(PendingQuery { entry, key: hash.hex(), asked, prompt, others, perturbed })
}

/// Digest of a question without the model. `images` are the shown images as SHA-256 and id of their case, and `edit` is
/// the key of the change to them. An image without a recorded digest counts by its case.
fn asked(plan: &Plan<'_>, entry: PlanEntry, perturbed: &Perturbed, images: &[(&str, &str)], edit: &str) -> String {
    let (case, item) = plan.item(entry);
    let prompt = shown_prompt(plan, entry, perturbed, "");
    let rng = plan.suite.rng();
    let mut hash = TextHash::default();
    for part in [case.case_id.as_str(), &item.id, edit, perturbed.sentence.as_deref().unwrap_or_default()] {
        hash.add(part);
    }
    for (sha256, case_id) in images {
        hash.add(if sha256.len() == SHA256_DIGITS { sha256 } else { case_id });
    }
    if let Some(attack) = &perturbed.attack {
        hash.add(&format!("{} {} {}", attack.key(), rng.seed, rng.version));
    }
    hash.add(&format!("{:?} {:?} {:?}", prompt.conversation, prompt.options, prompt.stored));
    hash.hex()
}

/// Length of a recorded SHA-256; synthetic cases have a name in its place.
const SHA256_DIGITS: usize = 64;

/// Key of everything that determines the attacked pixels apart from images and prompt. Random starts are
/// drawn per item.
fn attack_key(
    plan: &Plan<'_>,
    entry: PlanEntry,
    attack: &dyn Attack,
    digests: ModelDigests<'_>,
) -> Result<String, &'static str> {
    let gradient_source = match (attack.gradient_source(), digests.surrogate) {
        (GradientSource::Model, _) => "",
        (GradientSource::Surrogate, Some(surrogate)) => surrogate,
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
