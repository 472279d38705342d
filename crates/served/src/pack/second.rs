//! Writes the second pass of a pack: the questions that repeat the model's own first replies.

use std::collections::HashSet;
use std::path::Path;

use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::{Images, each_question};

use super::write::{Lines, Requests, gold_row};
use super::{GOLD, PackError, PackOptions, Replies, Reply, SECOND_REQUESTS, model_key};

/// File of the right and the suggested answers of the second pass.
const SECOND_ANSWERS: &str = "answers-2.jsonl";

/// Writes the second requests of the pack in `options.out`, with the model's first replies in their slots, and returns
/// their number. `surrogate` is [`Manifest::surrogate`](super::Manifest::surrogate) of the pack. Existing second requests are replaced. Questions whose first reply is missing are left out.
///
/// # Errors
/// When a file cannot be written, an image cannot be read, or a reply belongs to no question of the pack.
pub fn write_second(
    plan: &Plan<'_>,
    images: &dyn Images,
    options: PackOptions<'_>,
    surrogate: Option<&str>,
    replies: &Replies,
) -> Result<usize, PackError> {
    let out: &Path = options.out;
    let mut requests = Requests::new(plan, images, options, None, out.join(SECOND_REQUESTS))?;
    let mut answers = Lines::create(out.join(GOLD).join(SECOND_ANSWERS))?;
    let mut first = HashSet::new();
    each_question(plan, model_key(surrogate), surrogate, &mut |question| {
        if question.perturbed.recall.is_some() {
            requests.add(question)?;
            answers.add(&gold_row(plan, question))?;
            return Ok::<_, PackError>(None);
        }
        first.insert(question.key.to_owned());
        Ok(match replies.get(question.key) {
            Some(Reply::Text(text)) => Some(text.clone()),
            Some(Reply::Failed) | None => None,
        })
    })?;
    answers.finish()?;
    let (count, _) = requests.finish()?;
    let stray = replies.unknown(|key| first.contains(key));
    if stray.is_empty() { Ok(count) } else { Err(PackError::Replies(stray)) }
}
