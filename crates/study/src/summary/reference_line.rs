//! Lines of a study's reference arm: the accuracy under an attack that its clean accuracy predicts.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::effective_robustness::{RobustnessLine, RobustnessPoint};
use stepwise_benchmark::metrics::{Better, Crossing, Metric, OutcomeTable, family};
use stepwise_benchmark::stats::bootstrap::quantile_over_patients;
use stepwise_benchmark::stats::{Cells, Statistic, infer};
use stepwise_benchmark::suite::Suite;

use super::runs::StudyRuns;

/// Prefix of the ids of effective robustness; the id of the attack's condition follows.
pub const EFFECTIVE: &str = "effective_robustness:";

/// Advice that reports give for a study in which no [`ReferenceLine`] can be used, so that effective robustness is not
/// defined.
pub const LINE_ADVICE: &str = "effective robustness needs a reference that is evaluated several times at different clean \
     accuracies: train it for several epochs, or with a curriculum.order that has phases";

/// Minimum number of evaluated steps of a run besides the base. A line through the base and one step would always fit.
const FEWEST_STEPS: usize = 2;

/// Line of the accuracy under one attack over the clean accuracy, fitted to the base and to every evaluated step of all
/// runs of the reference.
///
/// A line is used where all of the following hold, and refused otherwise:
/// - A run of the reference was evaluated at two steps or more, so that there are three points with the base.
/// - The range of the points' clean accuracies exceeds the range expected by chance for equal models: the 97.5th
///   percentile, over bootstrap draws of patients, of the range of the points' changes. The expected range grows with the
///   number of points.
/// - The 95 % interval of the slope over patients and questions lies above 0.
///
/// Intervals and tests of effective robustness fit the line again without each patient and without each question. They
/// do not vary the reference's seeds for the line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceLine {
    /// Id of the attack's condition.
    pub attack: String,
    /// The fitted line; `None` where all points have the same clean accuracy.
    #[serde(flatten)]
    pub fit: Option<RobustnessLine>,
    /// 95 % interval (low, high) of the slope over patients and questions.
    pub slope_ci: Option<[f64; 2]>,
    /// Number of points: the base and every evaluated step of every seed.
    pub points: usize,
    /// Lowest and highest clean accuracy of the points, 0 to 1; `None` without points.
    pub clean: Option<[f64; 2]>,
    /// Why the line is refused; `None` where it is used.
    pub refused: Option<String>,
}

/// Points that a line is fitted to.
#[derive(Clone, Debug)]
pub(super) struct Points {
    /// Four columns per point, by group: right and answered items without attack, then under the attack.
    columns: Vec<Vec<f64>>,
    /// Number of items of each point.
    items: Vec<usize>,
}

/// Returns right and answered items by group, without attack and then under `attack`, and the smaller number of items.
fn counted(table: &OutcomeTable<'_>, attack: usize) -> (Vec<Vec<f64>>, usize) {
    let of = |c: usize| table.sums(|row| Some([row.right(c)?, 1.0]));
    let (clean, attacked) = (of(table.clean()), of(attack));
    let items = clean.n.min(attacked.n);
    (clean.columns.into_iter().chain(attacked.columns).collect(), items)
}

/// Returns the point with these sums of the four columns; `None` where no item was answered.
fn point(sums: &[f64], n: usize) -> Option<RobustnessPoint> {
    let share = |right: f64, asked: f64| (asked > 0.0).then(|| right / asked);
    Some(RobustnessPoint { clean: share(sums[0], sums[1])?, attacked: share(sums[2], sums[3])?, n })
}

fn points(sums: &[f64], items: &[usize]) -> Option<Vec<RobustnessPoint>> {
    sums.chunks_exact(4).zip(items).map(|(sums, n)| point(sums, *n)).collect()
}

/// Returns the lowest and the highest value.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)])
}

impl Points {
    fn new(ledgers: &[OutcomeTable<'_>], attack: usize) -> Self {
        let (columns, items): (Vec<_>, Vec<_>) = ledgers.iter().map(|ledger| counted(ledger, attack)).unzip();
        Self { columns: columns.into_iter().flatten().collect(), items }
    }

    fn statistic(&self, formula: impl Fn(&[RobustnessPoint]) -> Option<f64> + Send + Sync + 'static) -> Statistic {
        let items = self.items.clone();
        Statistic::new(self.columns.clone(), move |sums: &[f64]| formula(&points(sums, &items)?))
    }

    fn line(&self, attack: &str, steps: usize, cells: &Cells) -> ReferenceLine {
        let sums: Vec<f64> = self.columns.iter().map(|column| column.iter().sum()).collect();
        let found = points(&sums, &self.items).unwrap_or_default();
        let fitted = RobustnessLine::fit(&found);
        let centre: Vec<f64> = found.iter().map(|point| point.clean).collect();
        let clean = (!found.is_empty()).then(|| ends(centre.iter().copied()));
        let slope = self.statistic(|points| Some(RobustnessLine::fit(points)?.slope));
        let chance = self.statistic(move |points| {
            let [low, high] = ends(points.iter().zip(&centre).map(|(point, centre)| point.clean - centre));
            Some(high - low)
        });
        let chance = quantile_over_patients(&chance, cells, 0.975, 0);
        let mut line = ReferenceLine {
            attack: attack.to_owned(),
            fit: fitted,
            slope_ci: infer(&slope, cells).and_then(|found| found.ci).filter(|_| fitted.is_some()),
            points: self.items.len(),
            clean,
            refused: None,
        };
        line.refused = line.refusal(steps, chance);
        line
    }
}

impl ReferenceLine {
    /// Returns why the line is refused. `steps` is the number of evaluated steps of one run, `chance` the range of
    /// clean accuracy that equal models would show.
    fn refusal(&self, steps: usize, chance: Option<f64>) -> Option<String> {
        if steps < FEWEST_STEPS {
            return Some(format!(
                "evaluated steps of the reference besides its base: {steps}, but a line needs {FEWEST_STEPS}"
            ));
        }
        let (Some(RobustnessLine { slope, .. }), Some([least, most]), Some([low, high]), Some(chance)) =
            (self.fit, self.clean, self.slope_ci, chance)
        else {
            return Some("all points have the same clean accuracy, or there are fewer than two groups".to_owned());
        };
        let range = most - least;
        if range <= chance {
            let (range, chance) = (range * 100.0, chance * 100.0);
            return Some(format!(
                "clean accuracies differ by {range:.1} percentage points, no more than expected by chance ({chance:.1})"
            ));
        }
        (low <= 0.0)
            .then(|| format!("the interval of its slope, {slope:.2} [{low:.2}, {high:.2}], does not lie above 0"))
    }
}

/// Returns the line of one representative attack per family, with its points.
pub(super) fn lines(suite: &Suite, crossing: &Crossing<'_>, runs: &StudyRuns) -> Vec<(ReferenceLine, Points)> {
    let reference = &runs.arms[runs.reference].runs;
    let tested = reference.iter().flat_map(|run| run.earlier.iter().chain([&run.outcomes]));
    // All seeds start from the same base, so it counts once.
    let all = [&runs.base].into_iter().chain(tested);
    let stops: Vec<OutcomeTable<'_>> = all.map(|outcomes| OutcomeTable::new(suite, crossing, outcomes)).collect();
    let steps = reference.iter().map(|run| run.earlier.len() + 1).max().unwrap_or_default();
    let attacks = family::representatives(&OutcomeTable::new(suite, crossing, []));
    let line = |attack: usize| {
        let points = Points::new(&stops, attack);
        (points.line(&suite.conditions[attack].id, steps, crossing.cells()), points)
    };
    attacks.into_iter().map(line).collect()
}

/// Effective robustness: log-odds under an attack minus the log-odds that the line predicts at the run's clean accuracy.
/// The line is fitted to `points` again wherever the statistic is computed without some of the answers.
pub(super) fn effective(table: &OutcomeTable<'_>, line: &ReferenceLine, fitted: &Points) -> Option<Metric> {
    let attack = table.suite.conditions.iter().position(|condition| condition.id == line.attack)?;
    let (mut columns, n) = counted(table, attack);
    columns.extend(fitted.columns.iter().cloned());
    let items = fitted.items.clone();
    let formula = move |sums: &[f64]| {
        let (own, reference) = sums.split_at(4);
        Some(RobustnessLine::fit(&points(reference, &items)?)?.residual(point(own, n)?))
    };
    Some(Metric {
        id: format!("{EFFECTIVE}{}", line.attack),
        label: format!("effective robustness under {} (log-odds above the reference's line)", line.attack),
        better: Better::Higher,
        n,
        statistic: Statistic::new(columns, formula),
    })
}
