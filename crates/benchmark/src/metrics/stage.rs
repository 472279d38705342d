//! Decline of accuracy along the clinical stages, corrected for chance: without the correction a decline may only be a
//! decline of the chance level.

use super::metric::{Better, Metric, share};
use super::outcome_table::{ClusterSums, OutcomeTable};

/// Returns the decline of clean accuracy along the stages, in chance-corrected accuracy `(accuracy - chance) / (1 -
/// chance)`; `chance` is the mean probability that a random pick is right:
///
/// - `chance_corrected:stage_N`: value of stage `N`, 1 to 4;
/// - `stage_slope`: least-squares slope over stages 1 to 4;
/// - `stage_fall`: value of stage 1 less value of stage 4;
/// - `stage_largest_step`: largest fall from one stage to the next.
///
/// The last three count the cases that have all four stages and were evaluated clean on all items. A metric without
/// items, or whose chance level is 1, is not defined; nor are the last three where groups are questions.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let clean = table.clean();
    let mut metrics: Vec<Metric> = (1..=4u8)
        .map(|stage| {
            let sums = table.sums(|row| (row.stage == stage).then_some([row.right(clean)?, row.chance, 1.0]));
            let label = format!("stage {stage}, chance-corrected");
            Metric::new(format!("chance_corrected:stage_{stage}"), label, Better::Higher, sums, kappa)
        })
        .collect();
    metrics.push(Metric::new(
        "stage_slope",
        "degradation slope (chance-corrected accuracy per stage, complete chains)",
        Better::Higher,
        complete(table),
        |t| {
            // Least squares on stages 1 to 4: the weights (s - 2.5) / 5.
            let k = [kappa(&t[0..3])?, kappa(&t[3..6])?, kappa(&t[6..9])?, kappa(&t[9..12])?];
            Some(-0.3 * k[0] - 0.1 * k[1] + 0.1 * k[2] + 0.3 * k[3])
        },
    ));
    metrics.push(Metric::new(
        "stage_fall",
        "fall from stage 1 to stage 4 (chance-corrected, complete chains)",
        Better::Lower,
        complete(table),
        |t| Some(kappa(&t[0..3])? - kappa(&t[9..12])?),
    ));
    metrics.push(Metric::new(
        "stage_largest_step",
        "largest fall from one stage to the next (chance-corrected, complete chains)",
        Better::Lower,
        complete(table),
        |t| {
            let k = [kappa(&t[0..3])?, kappa(&t[3..6])?, kappa(&t[6..9])?, kappa(&t[9..12])?];
            k.windows(2).map(|pair| pair[0] - pair[1]).reduce(f64::max)
        },
    ));
    metrics
}

/// Chance-corrected accuracy `K = (A - c) / (1 - c)` from the sums `right, chance, items`.
fn kappa(t: &[f64]) -> Option<f64> {
    let (accuracy, chance) = (share(t[0], t[2])?, share(t[1], t[2])?);
    share(accuracy - chance, 1.0 - chance)
}

/// Sums `right, chance, items` of each stage over the cases that have all four stages and no item of an unknown stage.
fn complete(table: &OutcomeTable<'_>) -> ClusterSums<12> {
    let clean = table.clean();
    table.case_sums(|rows| {
        let mut sums = [0.0; 12];
        for row in rows {
            let stage = sums.chunks_exact_mut(3).nth(usize::from(row.stage).checked_sub(1)?)?;
            let right = row.right(clean)?;
            for (sum, value) in stage.iter_mut().zip([right, row.chance, 1.0]) {
                *sum += value;
            }
        }
        sums.chunks_exact(3).all(|stage| stage[2] > 0.0).then_some(sums)
    })
}
