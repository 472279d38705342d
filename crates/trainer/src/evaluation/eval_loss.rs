//! Evaluation loss: the loss of the right answers to the clean questions, comparable with the training loss.

use std::collections::HashMap;

use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_data::case::Answer;

/// Returns the mean negative log-likelihood of the right options, in nats per token, over the clean questions whose
/// options were scored. `None` where no such question was answered, as with generated answers.
#[must_use]
pub fn eval_loss(plan: &Plan<'_>, outcomes: &[Outcome]) -> Option<f64> {
    let clean = plan.suite.clean().id.as_str();
    let gold: HashMap<(&str, &str), usize> = plan
        .entries
        .iter()
        .filter(|entry| plan.condition(**entry).id == clean)
        .filter_map(|entry| {
            let (case, item) = plan.item(*entry);
            let index = match &item.answer {
                Answer::Choice { gold, .. } => *gold.first()?,
                Answer::Yesno { gold, .. } => usize::from(!*gold),
                _ => return None,
            };
            Some(((case.case_id.as_str(), item.id.as_str()), index))
        })
        .collect();
    let (mut sum, mut tokens) = (0.0, 0);
    for outcome in outcomes.iter().filter(|outcome| outcome.condition == clean) {
        let index = gold.get(&(outcome.case_id.as_str(), outcome.item_id.as_str()));
        let Some(score) = index.and_then(|index| outcome.scores.get(*index)) else { continue };
        let Some(loglikelihood) = score.loglikelihood else { continue };
        sum -= loglikelihood;
        tokens += score.tokens;
    }
    (tokens > 0).then(|| sum / tokens as f64)
}
