//! The line of a study's reference: what accuracy under an attack its clean accuracy promises.

use serde::{Deserialize, Serialize};
use stepwise_benchmark::metrics::robustness::{Point, Trend};
use stepwise_benchmark::metrics::{Better, Groups, Ledger, Metric, family};
use stepwise_benchmark::stats::{Bootstrap, Statistic};
use stepwise_benchmark::suite::Suite;

use super::StudyRuns;

/// What the ids of effective robustness begin with.
pub const EFFECTIVE: &str = "effective_robustness:";

/// What gives a study lines that can be used.
pub const LINE_ADVICE: &str = "effective robustness needs a reference that is tested on its way, at clean accuracies that \
     differ: several epochs, or a curriculum.order with phases";

/// Tested steps of a run beside its base: two places make a line of whatever they hold.
const FEWEST_STEPS: usize = 2;

/// How accuracy under one attack goes with clean accuracy, in log-odds: least squares through the base and every tested step of
/// all runs of the reference (Taori et al., 2020). What an arm has above it is its effective robustness.
///
/// A line is used where all of these hold, and else refused:
/// - a run of the reference was tested at two steps or more, so that with the base there are three places;
/// - the range of the points' clean accuracies exceeds what drawing other groups gives points that are all alike: the 97.5th
///   percentile, over the bootstrap's draws, of the range of each point's change. It grows with the number of points;
/// - the 95 % interval of the slope over draws of groups lies above 0: better models withstand more.
///
/// The line is fitted anew in every draw of groups from which an interval of effective robustness is made. The reference's
/// seeds are not drawn for it, and the swap test holds it fixed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// The attack.
    pub attack: String,
    /// Attacked log-odds for one of clean log-odds; none where all points have one clean accuracy.
    pub slope: Option<f64>,
    /// Its 95 % interval over groups.
    pub slope_ci: Option<[f64; 2]>,
    /// Attacked log-odds where clean log-odds are zero.
    pub intercept: Option<f64>,
    /// The base, and every tested step of every seed.
    pub points: usize,
    /// Lowest and highest clean accuracy among them.
    pub clean: Option<[f64; 2]>,
    /// Why there is no effective robustness under this attack; none where there is.
    pub refused: Option<String>,
}

/// What a line is fitted to.
#[derive(Clone, Debug)]
pub(super) struct Points {
    /// Four for each point, by group: right and asked, clean and then under the attack.
    columns: Vec<Vec<f64>>,
    /// Items behind each point.
    items: Vec<usize>,
}

/// Right and asked, clean and then under `attack`, by group; and the items behind the smaller of the two.
fn counted(ledger: &Ledger<'_>, attack: usize) -> (Vec<Vec<f64>>, usize) {
    let of = |c: usize| ledger.sums(|row| Some([row.right(c)?, 1.0]));
    let (clean, attacked) = (of(ledger.clean()), of(attack));
    let items = clean.n.min(attacked.n);
    (clean.columns.into_iter().chain(attacked.columns).collect(), items)
}

/// The point that sums of those columns make; none where nothing was asked.
fn point(sums: &[f64], n: usize) -> Option<Point> {
    let share = |right: f64, asked: f64| (asked > 0.0).then(|| right / asked);
    Some(Point { clean: share(sums[0], sums[1])?, attacked: share(sums[2], sums[3])?, n })
}

fn points(sums: &[f64], items: &[usize]) -> Option<Vec<Point>> {
    sums.chunks_exact(4).zip(items).map(|(sums, n)| point(sums, *n)).collect()
}

/// Lowest and highest.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| [low.min(value), high.max(value)])
}

impl Points {
    fn new(ledgers: &[Ledger<'_>], attack: usize) -> Self {
        let (columns, items): (Vec<_>, Vec<_>) = ledgers.iter().map(|ledger| counted(ledger, attack)).unzip();
        Self { columns: columns.into_iter().flatten().collect(), items }
    }

    fn statistic(&self, formula: impl Fn(&[Point]) -> Option<f64> + Send + Sync + 'static) -> Statistic {
        let items = self.items.clone();
        let formula = Box::new(move |sums: &[f64]| formula(&points(sums, &items)?));
        Statistic { columns: self.columns.clone(), formula }
    }

    fn line(&self, attack: &str, steps: usize, bootstrap: &Bootstrap, groups: usize) -> Line {
        let sums: Vec<f64> = self.columns.iter().map(|column| column.iter().sum()).collect();
        let found = points(&sums, &self.items).unwrap_or_default();
        let trend = Trend::fit(&found);
        let centre: Vec<f64> = found.iter().map(|point| point.clean).collect();
        let clean = (!found.is_empty()).then(|| ends(centre.iter().copied()));
        let slope = self.statistic(|points| Some(Trend::fit(points)?.slope));
        let chance = self.statistic(move |points| {
            let [low, high] = ends(points.iter().zip(&centre).map(|(point, centre)| point.clean - centre));
            Some(high - low)
        });
        let intervals = bootstrap.intervals(&[slope, chance], groups);
        let mut line = Line {
            attack: attack.to_owned(),
            slope: trend.map(|trend| trend.slope),
            slope_ci: intervals[0].filter(|_| trend.is_some()),
            intercept: trend.map(|trend| trend.intercept),
            points: self.items.len(),
            clean,
            refused: None,
        };
        line.refused = line.refusal(steps, intervals[1].map(|[_, high]| high));
        line
    }
}

impl Line {
    /// What keeps it from being used. `steps` are the tested ones of one run, `chance` is the range of clean accuracy that
    /// points would have that are all alike.
    fn refusal(&self, steps: usize, chance: Option<f64>) -> Option<String> {
        if steps < FEWEST_STEPS {
            return Some(format!(
                "tested steps of the reference beside its base: {steps}, and a line needs {FEWEST_STEPS}"
            ));
        }
        let (Some(slope), Some([least, most]), Some([low, high]), Some(chance)) =
            (self.slope, self.clean, self.slope_ci, chance)
        else {
            return Some("its points have one clean accuracy, or there are fewer than two groups".to_owned());
        };
        let range = most - least;
        if range <= chance {
            let (range, chance) = (range * 100.0, chance * 100.0);
            return Some(format!(
                "clean accuracies lie {range:.1} points apart, no more than chance gives models that are alike ({chance:.1})"
            ));
        }
        (low <= 0.0).then(|| format!("its slope {slope:.2} [{low:.2}, {high:.2}] is not surely above 0"))
    }
}

/// The lines of one attack of every family, with what each was fitted to.
pub(super) fn lines(
    suite: &Suite,
    groups: &Groups<'_>,
    runs: &StudyRuns,
    bootstrap: &Bootstrap,
) -> Vec<(Line, Points)> {
    let reference = &runs.arms[runs.reference].runs;
    let tested = reference.iter().flat_map(|run| run.earlier.iter().chain([&run.outcomes]));
    // The base is the same for all seeds, and counts once.
    let all = [&runs.base].into_iter().chain(tested);
    let stops: Vec<Ledger<'_>> = all.map(|outcomes| Ledger::new(suite, groups, outcomes)).collect();
    let steps = reference.iter().map(|run| run.earlier.len() + 1).max().unwrap_or_default();
    let attacks = family::representatives(&Ledger::new(suite, groups, []));
    let line = |attack: usize| {
        let points = Points::new(&stops, attack);
        (points.line(&suite.conditions[attack].id, steps, bootstrap, groups.len()), points)
    };
    attacks.into_iter().map(line).collect()
}

/// By how much the log-odds under an attack exceed those that the reference's line promises at the run's clean accuracy. The
/// line is fitted to the same draw of what it is `drawn` from, or else held fixed.
pub(super) fn effective(ledger: &Ledger<'_>, line: &Line, drawn: Option<&Points>) -> Option<Metric> {
    let attack = ledger.suite.conditions.iter().position(|condition| condition.id == line.attack)?;
    let (mut columns, n) = counted(ledger, attack);
    let fixed = Trend { intercept: line.intercept?, slope: line.slope?, points: line.points };
    let items = drawn.map(|points| points.items.clone());
    columns.extend(drawn.iter().flat_map(|points| points.columns.iter().cloned()));
    let formula = Box::new(move |sums: &[f64]| {
        let (own, line) = sums.split_at(4);
        let trend = match &items {
            Some(items) => Trend::fit(&points(line, items)?)?,
            None => fixed,
        };
        Some(trend.residual(point(own, n)?))
    });
    Some(Metric {
        id: format!("{EFFECTIVE}{}", line.attack),
        label: format!("effective robustness under {} (log-odds above the reference's line)", line.attack),
        better: Better::Higher,
        n,
        statistic: Statistic { columns, formula },
    })
}
