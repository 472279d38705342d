//! Power analysis: the smallest differences that a run can detect, computed before the run.

use std::collections::BTreeMap;
use std::fmt;

use super::stats::design::{design_effect, intra_cluster_correlation, minimum_detectable_difference};
use crate::outcome::Outcome;
use crate::plan::Plan;

/// Correlation of right answers within groups, 0 to 1, that is assumed where no outcomes are known. It is a choice of
/// this benchmark.
pub const ASSUMED_CORRELATION: f64 = 0.3;

/// Assumed share of items, 0 to 1, that one of two models gets right and the other wrong. It is a choice of this
/// benchmark: the true share is unknown until both models are evaluated.
pub const ASSUMED_DISCORDANT: f64 = 0.2;

/// Detectable difference under one condition of a plan.
#[derive(Clone, Debug, PartialEq)]
pub struct Power {
    /// Id of the condition.
    pub condition: String,
    /// Whether [`describe`] gives the condition a line of its own: it is the clean condition, or a primary endpoint is
    /// about it.
    pub is_shown: bool,
    /// Number of items evaluated under the condition.
    pub items: usize,
    /// Number of groups these items belong to.
    pub groups: usize,
    /// Mean group size weighted by items: the sum of squared sizes over the number of items. Large groups cost more
    /// precision than small groups save.
    pub group_size: f64,
    /// Correlation of right answers within groups, 0 to 1.
    pub correlation: f64,
    /// Whether `correlation` was estimated from known outcomes; otherwise it is [`ASSUMED_CORRELATION`].
    pub is_estimated: bool,
    /// Factor by which clustering multiplies the variance: `1 + (group_size - 1) * correlation` (Kish, 1965).
    pub design_effect: f64,
    /// Smallest difference between the accuracies of two models, as a share from 0 to 1, that is detected with a power
    /// of 80 % at a level of 5 % under [`ASSUMED_DISCORDANT`]. None without items.
    pub detectable: Option<f64>,
}

/// Computes the power of every condition of the plan, in the order of the suite. `base` holds known outcomes of the
/// base model, from which the correlation is estimated where they allow it; where it is None, [`ASSUMED_CORRELATION`]
/// is used.
#[must_use]
pub fn power(plan: &Plan<'_>, base: Option<&[Outcome]>) -> Vec<Power> {
    let mut sizes: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new(); plan.suite.conditions.len()];
    for &entry in &plan.entries {
        *sizes[entry.condition].entry(&plan.pool.cases()[entry.case].group_id).or_default() += 1;
    }
    let mut known: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for outcome in base.unwrap_or_default() {
        let groups = known.entry(&outcome.condition).or_default();
        groups.entry(&outcome.group_id).or_default().push(f64::from(u8::from(outcome.is_right())));
    }
    plan.suite
        .conditions
        .iter()
        .zip(sizes)
        .map(|(condition, sizes)| {
            let items: usize = sizes.values().sum();
            let squares: usize = sizes.values().map(|size| size * size).sum();
            let group_size = if items > 0 { squares as f64 / items as f64 } else { 0.0 };
            let clusters: Vec<Vec<f64>> =
                known.remove(condition.id.as_str()).unwrap_or_default().into_values().collect();
            let estimated = intra_cluster_correlation(&clusters);
            let correlation = estimated.unwrap_or(ASSUMED_CORRELATION);
            let design_effect = design_effect(group_size, correlation);
            Power {
                condition: condition.id.clone(),
                is_shown: condition.kind == "clean" || plan.suite.claims(&condition.id),
                items,
                groups: sizes.len(),
                group_size,
                correlation,
                is_estimated: estimated.is_some(),
                design_effect,
                detectable: (items > 0)
                    .then(|| minimum_detectable_difference(items, ASSUMED_DISCORDANT, design_effect).min(1.0)),
            }
        })
        .collect()
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(detectable) = self.detectable else { return write!(f, "{}: no items", self.condition) };
        let source = if self.is_estimated { "" } else { " assumed" };
        write!(
            f,
            "{}: {} items in {} groups, correlation {:.2}{source}, design effect {:.2}, \
             smallest detectable difference {:.1} percentage points",
            self.condition,
            self.items,
            self.groups,
            self.correlation,
            self.design_effect,
            100.0 * detectable
        )
    }
}

/// Returns the text printed before a run: the assumptions, one line for each condition with `is_shown`, and one line
/// for all other conditions that have items. Lines are joined by line feeds, without one at the end.
#[must_use]
pub fn describe(power: &[Power]) -> String {
    let mut lines = vec![format!(
        "differences this run can detect (two-sided 5 %, power 80 %, if two models differ on {:.0} % of the items):",
        100.0 * ASSUMED_DISCORDANT
    )];
    lines.extend(power.iter().filter(|power| power.is_shown).map(|power| format!("  {power}")));
    let others: Vec<(usize, f64)> = power
        .iter()
        .filter(|power| !power.is_shown)
        .filter_map(|power| Some((power.items, 100.0 * power.detectable?)))
        .collect();
    if let Some((items, points)) = others.first() {
        let mut range = (*items, *items, *points, *points);
        for (items, points) in &others {
            range = (range.0.min(*items), range.1.max(*items), range.2.min(*points), range.3.max(*points));
        }
        lines.push(format!(
            "  {} more conditions: {} to {} items, smallest detectable differences {:.1} to {:.1} percentage points",
            others.len(),
            range.0,
            range.1,
            range.2,
            range.3
        ));
    }
    lines.join("\n")
}
