//! Prompts and outcome key of an entry, before it is asked.

use sha2::{Digest, Sha256};
use stepwise_data::case::Answer;
use stepwise_data::prompt::{Prompt, PromptOptions, prompt};

use crate::perturb::{Attack, GradientSource, Perturbed, ShownImages};
use crate::plan::{Plan, PlanEntry};
use crate::runner::options::Options;
use crate::runner::recall::Said;
use crate::runner::unanswerable::NO_SURROGATE;
use crate::score::parse::PARSER_VERSION;
use crate::score::{self, SCORING_VERSION, Scoring, letters};

/// An entry with its prompt, waiting for its response.
pub(super) struct PendingQuery {
    /// Entry of the plan that is asked.
    pub entry: PlanEntry,
    /// Key of the outcome, see [`Outcome::key`](crate::outcome::Outcome::key).
    pub key: String,
    /// Prompt with the options in the order of the condition.
    pub prompt: Prompt,
    /// Further orders of the options with their prompts; empty unless [`Scoring::Letter`] averages over orders.
    pub others: Vec<(Vec<usize>, Prompt)>,
    /// Changes that the entry's condition makes to its item.
    pub perturbed: Perturbed,
}

/// Builds the prompts and the outcome key of a perturbed entry. `said` holds the model's earlier answers, which some
/// conditions show again. The key is a SHA-256 digest of everything that determines the outcome.
///
/// # Errors
/// The reason why the entry cannot be asked: [`NO_SURROGATE`](crate::runner::NO_SURROGATE) without a surrogate for a
/// transfer attack, or [`NO_REPLY`](crate::runner::NO_REPLY) where an earlier answer is missing or empty.
pub(super) fn prepare(
    plan: &Plan<'_>,
    entry: PlanEntry,
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

    let shown_case = &plan.pool.cases()[perturbed.shown_case(entry.case)];
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
    add(perturbed.sentence.as_deref().unwrap_or_default());
    add(&format!("{:?} {:?}", case.group_id, score::boxes::gold(case, gold_regions(&item.answer))));
    Ok(PendingQuery { entry, key: format!("{:x}", hash.finalize()), prompt, others, perturbed })
}

/// Key of everything that determines the attacked pixels apart from images and prompt. Random starts are
/// drawn per item.
fn attack_key(
    plan: &Plan<'_>,
    entry: PlanEntry,
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
