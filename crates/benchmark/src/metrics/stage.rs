//! Decline of accuracy along the clinical stages, corrected for chance: without the correction a decline may only be a
//! decline of the chance level.

use super::metric::{Better, Metric, above_baseline};
use super::outcome_table::{ClusterSums, OutcomeTable};
use crate::outcome::Outcome;

/// Returns the decline of clean accuracy along the stages, in chance-corrected accuracy `(accuracy - chance) / (1 -
/// chance)`; `chance` is the mean probability that a random pick is right:
///
/// - `chance_corrected:stage_N`: value of stage `N`, 1 to 4;
/// - `stage_slope`: least-squares slope over stages 1 to 4;
/// - `stage_fall`: value of stage 1 less value of stage 4;
/// - `stage_largest_step`: largest fall from one stage to the next.
///
/// The last three count the cases that have all four stages and were evaluated clean on all items. Stages differ in
/// their answer forms as well: boxes and numbers have no chance level, and yes/no questions have a high one. Therefore
/// the first three also exist with the suffix `:choice`, over the choices alone: `chance_corrected:stage_N:choice`,
/// `stage_slope:choice` and `stage_fall:choice`, the last two over the cases with a choice in each of the four stages.
///
/// A metric without items, or whose chance level is 1, is not defined; nor are the metrics of cases where groups are
/// questions.
#[must_use]
pub fn metrics(table: &OutcomeTable<'_>) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = FORMS.iter().flat_map(|form| of_form(table, form)).collect();
    metrics.push(Metric::new(
        "stage_largest_step",
        "largest fall from one stage to the next (chance-corrected, complete chains)",
        Better::Lower,
        complete(table, |_| true),
        |t| {
            let k = [
                above_baseline(&t[0..3])?,
                above_baseline(&t[3..6])?,
                above_baseline(&t[6..9])?,
                above_baseline(&t[9..12])?,
            ];
            k.windows(2).map(|pair| pair[0] - pair[1]).reduce(f64::max)
        },
    ));
    metrics
}

/// Answer forms over which the decline is computed.
struct Form {
    /// Suffix of ids.
    id: &'static str,
    /// Suffix of labels.
    label: &'static str,
    counts: fn(&Outcome) -> bool,
}

const FORMS: [Form; 2] = [
    Form { id: "", label: "", counts: |_| true },
    Form { id: ":choice", label: ", choices only", counts: Outcome::is_choice },
];

fn of_form(table: &OutcomeTable<'_>, form: &Form) -> Vec<Metric> {
    let Form { id, label, counts } = form;
    let clean = table.clean();
    let of_stage = |stage: u8| {
        let sums = table.sums(|row| {
            let is_counted = row.stage == stage && counts(row.clean()?);
            is_counted.then_some([row.right(clean)?, row.chance, 1.0])
        });
        let label = format!("stage {stage}, chance-corrected{label}");
        Metric::above_baseline(format!("chance_corrected:stage_{stage}{id}"), label, sums)
    };
    let slope = Metric::new(
        format!("stage_slope{id}"),
        format!("degradation slope (chance-corrected accuracy per stage, complete chains{label})"),
        Better::Higher,
        complete(table, counts),
        |t| {
            // Least squares on stages 1 to 4: the weights (s - 2.5) / 5.
            let k = [
                above_baseline(&t[0..3])?,
                above_baseline(&t[3..6])?,
                above_baseline(&t[6..9])?,
                above_baseline(&t[9..12])?,
            ];
            Some(-0.3 * k[0] - 0.1 * k[1] + 0.1 * k[2] + 0.3 * k[3])
        },
    );
    let fall = Metric::new(
        format!("stage_fall{id}"),
        format!("fall from stage 1 to stage 4 (chance-corrected, complete chains{label})"),
        Better::Lower,
        complete(table, counts),
        |t| Some(above_baseline(&t[0..3])? - above_baseline(&t[9..12])?),
    );
    (1..=4u8).map(of_stage).chain([slope, fall]).collect()
}

/// Sums `right, chance, items` of each stage, of the items whose clean outcome `counts`, over the cases that have such
/// items in all four stages and no item of an unknown stage.
fn complete(table: &OutcomeTable<'_>, counts: impl Fn(&Outcome) -> bool) -> ClusterSums<12> {
    let clean = table.clean();
    table.case_sums(|rows| {
        let mut sums = [0.0; 12];
        for row in rows {
            let stage = sums.chunks_exact_mut(3).nth(usize::from(row.stage).checked_sub(1)?)?;
            let right = row.right(clean)?;
            if counts(row.clean()?) {
                for (sum, value) in stage.iter_mut().zip([right, row.chance, 1.0]) {
                    *sum += value;
                }
            }
        }
        sums.chunks_exact(3).all(|stage| stage[2] > 0.0).then_some(sums)
    })
}
