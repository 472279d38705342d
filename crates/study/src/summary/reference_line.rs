//! Lines of a study's reference arm: the accuracy under an attack that its clean accuracy predicts.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::effective_robustness::{RobustnessLine, RobustnessPoint};
use stepwise_benchmark::metrics::{Better, Clusters, Metric, OutcomeTable, family};
use stepwise_benchmark::stats::{Bootstrap, Statistic};
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
///   percentile, over the bootstrap's draws of groups, of the range of the points' changes. The expected range grows
///   with the number of points.
/// - The 95 % interval of the slope over draws of groups lies above 0.
///
/// Intervals of effective robustness fit the line again in every draw of groups. They do not draw the reference's seeds
/// for the line, and the swap test holds the line fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReferenceLine {
    /// Id of the attack's condition.
    pub attack: String,
    /// The fitted line; `None` where all points have the same clean accuracy.
    #[serde(flatten)]
    pub fit: Option<RobustnessLine>,
    /// 95 % interval (low, high) of the slope over draws of groups; `None` without a fitted line or with fewer than two
    /// groups.
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
fn counted(ledger: &OutcomeTable<'_>, attack: usize) -> (Vec<Vec<f64>>, usize) {
    let of = |c: usize| ledger.sums(|row| Some([row.right(c)?, 1.0]));
    let (clean, attacked) = (of(ledger.clean()), of(attack));
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
        let formula = Box::new(move |sums: &[f64]| formula(&points(sums, &items)?));
        Statistic { columns: self.columns.clone(), formula }
    }

    fn line(&self, attack: &str, steps: usize, bootstrap: &Bootstrap, groups: usize) -> ReferenceLine {
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
        let intervals = bootstrap.intervals(&[slope, chance], groups);
        let mut line = ReferenceLine {
            attack: attack.to_owned(),
            fit: fitted,
            slope_ci: intervals[0].filter(|_| fitted.is_some()),
            points: self.items.len(),
            clean,
            refused: None,
        };
        line.refused = line.refusal(steps, intervals[1].map(|[_, high]| high));
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
pub(super) fn lines(
    suite: &Suite,
    groups: &Clusters<'_>,
    runs: &StudyRuns,
    bootstrap: &Bootstrap,
) -> Vec<(ReferenceLine, Points)> {
    let reference = &runs.arms[runs.reference].runs;
    let tested = reference.iter().flat_map(|run| run.earlier.iter().chain([&run.outcomes]));
    // All seeds start from the same base, so it counts once.
    let all = [&runs.base].into_iter().chain(tested);
    let stops: Vec<OutcomeTable<'_>> = all.map(|outcomes| OutcomeTable::new(suite, groups, outcomes)).collect();
    let steps = reference.iter().map(|run| run.earlier.len() + 1).max().unwrap_or_default();
    let attacks = family::representatives(&OutcomeTable::new(suite, groups, []));
    let line = |attack: usize| {
        let points = Points::new(&stops, attack);
        (points.line(&suite.conditions[attack].id, steps, bootstrap, groups.len()), points)
    };
    attacks.into_iter().map(line).collect()
}

/// Effective robustness: log-odds under an attack minus the log-odds that the line predicts at the run's
/// clean accuracy. With `drawn`, every draw of groups fits the line again to these points; with `None` the
/// line is held fixed.
pub(super) fn effective(ledger: &OutcomeTable<'_>, line: &ReferenceLine, drawn: Option<&Points>) -> Option<Metric> {
    let attack = ledger.suite.conditions.iter().position(|condition| condition.id == line.attack)?;
    let (mut columns, n) = counted(ledger, attack);
    let fixed = line.fit?;
    let items = drawn.map(|points| points.items.clone());
    columns.extend(drawn.iter().flat_map(|points| points.columns.iter().cloned()));
    let formula = Box::new(move |sums: &[f64]| {
        let (own, reference) = sums.split_at(4);
        let line = match &items {
            Some(items) => RobustnessLine::fit(&points(reference, items)?)?,
            None => fixed,
        };
        Some(line.residual(point(own, n)?))
    });
    Some(Metric {
        id: format!("{EFFECTIVE}{}", line.attack),
        label: format!("effective robustness under {} (log-odds above the reference's line)", line.attack),
        better: Better::Higher,
        n,
        statistic: Statistic { columns, formula },
    })
}
