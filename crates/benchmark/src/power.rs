//! Power analysis: the smallest differences that a run can detect, computed before the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::stats::FEWEST_CLUSTERS;
use super::stats::design::{design_effect, intra_cluster_correlation, minimum_detectable_difference};
use super::stats::inference::smallest_p;
use crate::outcome::Outcome;
use crate::perturb::kinds::kind;
use crate::plan::Plan;
use crate::suite::Condition;

/// Correlation of right answers within groups, 0 to 1, that is assumed where no outcomes are known. It is a choice of
/// this benchmark.
pub const ASSUMED_CORRELATION: f64 = 0.3;

/// Assumed correlation of the difference between two models within a question: the value where each model's accuracy
/// varies between questions with a standard deviation of about 0.6 log-odds.
pub const ASSUMED_QUESTION_CORRELATION: f64 = 0.1;

/// Assumed share of items that one of two models gets right and the other wrong. The true share is unknown until both
/// models are evaluated.
pub const ASSUMED_DISCORDANT: f64 = 0.2;

/// Level of all tests together.
const LEVEL: f64 = 0.05;

/// Smallest difference between two models that a run can detect under one condition of a plan, and what it depends on.
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
    /// Number of different questions among these items.
    pub questions: usize,
    /// Number of different sentences that are drawn for these items; None where the condition draws none.
    pub sentences: Option<usize>,
    /// Correlation of right answers within groups, 0 to 1.
    pub correlation: f64,
    /// Whether `correlation` was estimated from known outcomes; otherwise it is [`ASSUMED_CORRELATION`].
    pub is_estimated: bool,
    /// Factor by which clustering by groups and by questions multiplies the variance.
    pub design_effect: f64,
    /// Smallest difference between the accuracies of two models, as a share from 0 to 1, that is detected with a power
    /// of 80 % at a level of 5 % over all primary endpoints, under [`ASSUMED_DISCORDANT`]. None without items, and
    /// where no difference can be significant.
    pub detectable: Option<f64>,
}

/// Computes the power of every condition of the plan, in plan order. `base` holds known outcomes of the base model; the
/// correlation within groups is then estimated from whether its answers under the condition are right.
/// [`ASSUMED_CORRELATION`] stands in where `base` is None or too small to estimate it.
#[must_use]
pub fn power(plan: &Plan<'_>, base: Option<&[Outcome]>) -> Vec<Power> {
    let conditions = plan.suite.conditions.len();
    let mut groups: Vec<BTreeMap<&str, usize>> = vec![BTreeMap::new(); conditions];
    let mut questions = groups.clone();
    let mut sentences: Vec<BTreeSet<String>> = vec![BTreeSet::new(); conditions];
    let is_worded = |condition: &Condition| kind(condition.kind).is_some_and(|kind| !kind.templates.is_empty());
    let worded: Vec<bool> = plan.suite.conditions.iter().map(is_worded).collect();
    for &entry in &plan.entries {
        let case = &plan.pool.cases()[entry.case];
        *groups[entry.condition].entry(&case.group_id).or_default() += 1;
        *questions[entry.condition].entry(&case.chain[entry.item].question).or_default() += 1;
        if worded[entry.condition] {
            sentences[entry.condition].extend(plan.perturbed(entry).and_then(|perturbed| perturbed.sentence));
        }
    }
    let mut known: BTreeMap<&str, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    for outcome in base.unwrap_or_default() {
        let groups = known.entry(&outcome.condition).or_default();
        groups.entry(&outcome.group_id).or_default().push(f64::from(u8::from(outcome.is_right())));
    }
    let endpoints = plan.suite.primary.len().max(1);
    plan.suite
        .conditions
        .iter()
        .zip(groups.into_iter().zip(questions))
        .zip(sentences)
        .map(|((condition, (groups, questions)), sentences)| {
            let sentences = Some(sentences.len()).filter(|sentences| *sentences > 0);
            let items: usize = groups.values().sum();
            let clusters: Vec<Vec<f64>> =
                known.remove(condition.id.as_str()).unwrap_or_default().into_values().collect();
            let estimated = intra_cluster_correlation(&clusters);
            let correlation = estimated.unwrap_or(ASSUMED_CORRELATION);
            let design_effect = design_effect(mean_size(&groups), correlation)
                + design_effect(mean_size(&questions), ASSUMED_QUESTION_CORRELATION)
                - 1.0;
            let scarcer = groups.len().min(questions.len()).min(sentences.unwrap_or(usize::MAX));
            let level = LEVEL / endpoints as f64;
            let detectable = (scarcer >= FEWEST_CLUSTERS && smallest_p(scarcer) <= level).then(|| {
                minimum_detectable_difference(items, ASSUMED_DISCORDANT, design_effect, scarcer - 1, level).min(1.0)
            });
            Power {
                condition: condition.id.clone(),
                is_shown: condition.kind == "clean" || plan.suite.claims(&condition.id),
                items,
                groups: groups.len(),
                questions: questions.len(),
                sentences,
                correlation,
                is_estimated: estimated.is_some(),
                design_effect,
                detectable,
            }
        })
        .collect()
}

/// Mean cluster size weighted by items: the sum of squared sizes over the number of items. Large clusters cost more
/// precision than small clusters save.
fn mean_size(sizes: &BTreeMap<&str, usize>) -> f64 {
    let items: usize = sizes.values().sum();
    let squares: usize = sizes.values().map(|size| size * size).sum();
    squares as f64 / items.max(1) as f64
}

impl fmt::Display for Power {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.items == 0 {
            return write!(f, "{}: no items", self.condition);
        }
        let sentences = self.sentences.map_or_else(String::new, |count| format!(" and {count} sentences"));
        write!(
            f,
            "{}: {} items in {} groups with {} questions{sentences}, ",
            self.condition, self.items, self.groups, self.questions
        )?;
        let Some(detectable) = self.detectable else {
            return write!(f, "NO DIFFERENCE CAN BE SIGNIFICANT, however large");
        };
        let source = if self.is_estimated { "" } else { " assumed" };
        write!(
            f,
            "correlation {:.2}{source}, design effect {:.2}, smallest detectable difference {:.1} percentage points",
            self.correlation,
            self.design_effect,
            100.0 * detectable
        )
    }
}

/// Returns the text printed before a run: the assumptions, one line for each condition with `is_shown`, one line for
/// all other conditions that have items, and advice where no difference can be significant. Lines are joined by line
/// feeds, without one at the end.
#[must_use]
pub fn describe(power: &[Power]) -> String {
    let mut lines = vec![format!(
        "differences this run can detect (two-sided 5 % over all primary endpoints, power 80 %, if two models differ on {:.0} % \
         of the items, and their difference correlates by {ASSUMED_QUESTION_CORRELATION} within a question):",
        100.0 * ASSUMED_DISCORDANT
    )];
    lines.extend(power.iter().filter(|power| power.is_shown).map(|power| format!("  {power}")));
    lines.extend(others(power));
    if power.iter().any(|power| power.items > 0 && power.detectable.is_none()) {
        lines.push(format!(
            "  a claim needs {FEWEST_CLUSTERS} groups and {FEWEST_CLUSTERS} questions or more, because with m of them no p-value can \
             be below 2^(1 - m) -> evaluate more patients to make claims"
        ));
    }
    lines.join("\n")
}

/// Line for the conditions without a line of their own; None without such conditions.
fn others(power: &[Power]) -> Option<String> {
    let others: Vec<&Power> = power.iter().filter(|power| !power.is_shown && power.items > 0).collect();
    let items = others.iter().map(|power| power.items);
    let (fewest, most) = (items.clone().min()?, items.max()?);
    let points = || others.iter().filter_map(|power| Some(100.0 * power.detectable?));
    let range = if points().next().is_none() {
        "no difference can be significant".to_owned()
    } else {
        format!(
            "smallest detectable differences {:.1} to {:.1} percentage points",
            points().fold(f64::INFINITY, f64::min),
            points().fold(0.0, f64::max)
        )
    };
    Some(format!("  {} more conditions: {fewest} to {most} items, {range}", others.len()))
}
