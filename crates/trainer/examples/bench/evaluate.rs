//! Log-likelihoods of the answer options of all records with options.

use std::time::Instant;

use serde_json::{Map, Value, json};
use stepwise_vlm::nn::parameter::Pass;

use crate::measure::{Peaks, adapted, since};
use crate::records::read;
use crate::{Common, Failure};

/// Arguments of `eval`.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    pub common: Common,
}

/// Questions scored at once, as in the benchmark.
const BATCH: usize = 64;

/// Scores all records with options and returns answers, log-likelihoods and times.
pub fn run(common: &Common) -> Result<Map<String, Value>, Failure> {
    let mut pipeline = adapted(common)?;
    let records = read(&common.conversations)?;
    let before = Instant::now();
    let mut asked = Vec::new();
    for (number, record) in records.iter().enumerate() {
        if let Some(options) = &record.options {
            asked.push((number, (record.example(&pipeline.processor, false)?, options.clone())));
        }
    }
    let prepare_seconds = since(before);
    let (numbers, asked): (Vec<usize>, Vec<_>) = asked.into_iter().unzip();

    let peaks = Peaks::restart()?;
    pipeline.score(&asked[..common.warmup.min(asked.len())], &Pass::ANSWER)?;
    pipeline.refresh(); // Empties the feature cache filled by the warm-up.
    let (mut answers, mut scores, mut option_tokens, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for batch in asked.chunks(BATCH) {
        let before = Instant::now();
        let scored = pipeline.score(batch, &Pass::ANSWER)?;
        let each = since(before) / batch.len() as f64;
        for ((_, options), scored) in batch.iter().zip(scored) {
            let score = |index: usize| scored[index].loglikelihood;
            let best = (1..options.len()).fold(0, |best, index| if score(index) > score(best) { index } else { best });
            answers.push(options[best].clone());
            scores.push(scored.iter().map(|score| score.loglikelihood).collect::<Vec<_>>());
            option_tokens.push(scored.iter().map(|score| score.token_ids.len()).collect::<Vec<_>>());
            seconds.push(each);
        }
    }
    let result = json!({
        "records": numbers, "answers": answers, "log_likelihoods": scores, "option_tokens": option_tokens,
        "seconds": seconds, "prepare_seconds": prepare_seconds,
    });
    let Value::Object(mut result) = result else { unreachable!("an object was written") };
    peaks.report(&mut result, pipeline.model.device())?;
    Ok(result)
}
