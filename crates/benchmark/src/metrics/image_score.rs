//! Paired image score: whether the model's confidence in the right answer depends on the image.

use super::metric::{Better, Metric};
use super::outcome_table::{ItemRow, OutcomeTable};

/// Returns, for every condition `swap_near`, `image_score` and `image_score:stage_N` (`N` from 1 to 4), and for every
/// `swap_same`, `image_score_control` and `image_score_control:stage_N`. The module [`subgroup`](super::subgroup) has
/// the scores by category, modality and data set.
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
    let kinds = [
        (
            "swap_near",
            "image_score",
            "paired image score (right answer likelier with the own image; 0.5 is blind)",
            Better::Higher,
        ),
        (
            "swap_same",
            "image_score_control",
            "control of the paired image score (other image with the same answer)",
            Better::Neither,
        ),
    ];
    let mut metrics = Vec::new();
    for (kind, base, label, better) in kinds {
        for (c, condition, first) in table.variants(kind) {
            let id = OutcomeTable::name(base, condition, first);
            let all = table.sums(|row| Some([score(row, c)?, 1.0]));
            metrics.push(Metric::mean(id.clone(), label, better, all));
            metrics.extend((1..=4u8).map(|stage| {
                let sums = table.sums(|row| if row.stage == stage { Some([score(row, c)?, 1.0]) } else { None });
                Metric::mean(format!("{id}:stage_{stage}"), format!("{label}, stage {stage}"), better, sums)
            }));
        }
    }
    metrics
}

/// Returns the score of one item: 1 where its right answer is likelier with the own image than with the image of the
/// condition with index `c`, 0 where it is less likely, 0.5 where both are equal. None where the item was not evaluated
/// under both, or has no likelihoods.
pub(super) fn score(row: &ItemRow<'_>, c: usize) -> Option<f64> {
    let (own, other) = (row.clean()?.gold_log_odds()?, row.at(c)?.gold_log_odds()?);
    Some(match own.total_cmp(&other) {
        _ if (own - other).abs() <= TIE => 0.5,
        std::cmp::Ordering::Greater => 1.0,
        _ => 0.0,
    })
}

/// Largest difference of log-odds that is rounding and not an effect of the image.
const TIE: f64 = 1e-9;
