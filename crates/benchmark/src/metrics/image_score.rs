//! Paired image score: whether the model's confidence in the right answer depends on the image.

use super::metric::{Better, Metric};
use super::outcome_table::{ClusterSums, ItemRow, OutcomeTable};

/// Returns `image_score` and `image_score:stage_N` (`N` from 1 to 4) for every condition `swap_near`, and
/// `image_score_control` for every `swap_same`.
///
/// The image score is the share of items whose right answer is more likely with the case's own image than with the
/// image of another patient for whom the answer is wrong: `P[log-odds(g | own) > log-odds(g | other)]`, ties half,
/// where `g` is the right answer and its probability the softmax over the options shown. A model that does not use the
/// image has 0.5, whatever it knows of the question, because the prior of the question is the same on both sides. The
/// control replaces the image by one with the *same* answer; its distance from 0.5 is the part of the score that other
/// differences between the images explain. Items whose answers are generated have no likelihoods and are left out.
/// Without items a metric is not defined.
///
/// The metrics of the condition with default parameters carry no suffix, and the others end in the id of their
/// condition.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for (c, condition, first) in table.variants("swap_near") {
        let id = OutcomeTable::name("image_score", condition, first);
        let label = "paired image score (right answer likelier with the own image; 0.5 is blind)";
        metrics.push(Metric::mean(id.clone(), label, Better::Higher, scores(table, c, |_| true)));
        metrics.extend((1..=4u8).map(|stage| {
            let of_stage = scores(table, c, |row| row.stage == stage);
            Metric::mean(format!("{id}:stage_{stage}"), format!("{label}, stage {stage}"), Better::Higher, of_stage)
        }));
    }
    for (c, condition, first) in table.variants("swap_same") {
        let id = OutcomeTable::name("image_score_control", condition, first);
        let label = "control of the paired image score (other image with the same answer)";
        metrics.push(Metric::mean(id, label, Better::Neither, scores(table, c, |_| true)));
    }
    metrics
}

/// Sums of the score and of the items that `counts` keeps.
fn scores<'a>(table: &OutcomeTable<'a>, c: usize, counts: impl Fn(&ItemRow<'a>) -> bool) -> ClusterSums<2> {
    table.sums(|row| {
        let (own, other) = (row.clean()?.gold_log_odds()?, row.at(c)?.gold_log_odds()?);
        let score = match own.total_cmp(&other) {
            _ if (own - other).abs() <= TIE => 0.5,
            std::cmp::Ordering::Greater => 1.0,
            _ => 0.0,
        };
        counts(row).then_some([score, 1.0])
    })
}

/// Largest difference of log-odds that is rounding and not an effect of the image.
const TIE: f64 = 1e-9;
