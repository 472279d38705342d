//! Text tables for the terminal: results against the base with intervals, and the plan of a run.

use indexmap::IndexMap;
use stepwise_benchmark::compat::CompatScore;
use stepwise_benchmark::metrics::fake_robustness::CheckVerdict;
use stepwise_benchmark::plan::CAPPED;
use stepwise_benchmark::summary::{Estimate, Summary};
use stepwise_recipe::Freeze;
use stepwise_trainer::batches::augment::ContextKind;
use stepwise_trainer::preflight::plan_summary::{PhaseSummary, PlanSummary};

/// Contents of a table, independent of the output format.
pub struct Table {
    /// Title.
    pub title: String,
    /// Headings of the columns.
    pub head: Vec<String>,
    /// Rows; each has as many cells as `head`.
    pub rows: Vec<Vec<String>>,
    /// Notes below the table, one line each.
    pub notes: Vec<String>,
}

impl Table {
    /// Makes a table without rows and notes.
    pub fn new<const N: usize>(title: impl Into<String>, head: [&str; N]) -> Self {
        Self { title: title.into(), head: head.map(str::to_owned).to_vec(), rows: Vec::new(), notes: Vec::new() }
    }

    /// Formats the table as text with aligned columns. Without rows, the headings are left out.
    pub fn text(&self) -> String {
        let rows: Vec<&Vec<String>> = std::iter::once(&self.head).chain(&self.rows).collect();
        let table = if self.rows.is_empty() { String::new() } else { aligned(&rows) };
        let parts = std::iter::once(&self.title).chain((!table.is_empty()).then_some(&table)).chain(&self.notes);
        parts.cloned().collect::<Vec<_>>().join("\n")
    }
}

/// Formats the accuracy under each condition, compared with the base, then the main results and footnotes. A metric of
/// a single condition, stage or attack has a colon in its id; the table shows such a metric only if it is primary. The
/// report shows all.
pub fn gains(title: &str, summary: &Summary) -> String {
    let head = ["", "n", "left out", "base", title, "gain [95 % interval]", "p, adjusted", "unparsed"];
    let mut rows = vec![head.map(str::to_owned)];
    let is_paired = is_paired(summary);
    for condition in &summary.conditions {
        let gain = condition.gain_vs_base.as_ref();
        rows.push([
            condition.id.clone(),
            condition.n.to_string(),
            condition.skipped.to_string(),
            number(condition.base.and_then(|base| base.value)),
            number(condition.accuracy),
            gain.map_or_else(String::new, |gain| with_interval(&gain.estimate)),
            gain.map_or_else(String::new, |gain| p_value(gain.p_adjusted)),
            match (is_paired, condition.unparsed_base) {
                (false, _) => condition.unparsed.to_string(),
                (true, None) => format!("{}, -", condition.unparsed),
                (true, Some(base)) => format!("{}, {base}", condition.unparsed),
            },
        ]);
    }
    rows.push(Default::default());
    for (id, metric) in summary.metrics.iter().filter(|(id, metric)| metric.primary || !id.contains(':')) {
        rows.push([
            id.clone(),
            metric.estimate.n.to_string(),
            String::new(),
            number(metric.base.and_then(|base| base.value)),
            number(metric.estimate.value),
            metric.gain_vs_base.as_ref().map_or_else(String::new, with_interval),
            metric.test.map_or_else(String::new, |test| p_value(test.p_adjusted)),
            String::new(),
        ]);
    }
    std::iter::once(aligned(&rows)).chain(footnotes(summary)).collect::<Vec<_>>().join("\n")
}

/// Maximum number of names in a list; the others are only counted.
const NAMED: usize = 4;

/// Notes on scoring, tests, left-out questions with reasons, caps, and checks against fake robustness.
fn footnotes(summary: &Summary) -> Vec<String> {
    let mut notes = vec![String::new(), judged(summary)];
    notes.extend(tests(summary));
    let mut reasons: IndexMap<&str, (usize, Vec<String>)> = IndexMap::new();
    for condition in &summary.conditions {
        for (reason, count) in &condition.skipped_by_reason {
            let (all, conditions) = reasons.entry(reason).or_default();
            *all += count;
            conditions.push(match condition.max_items.filter(|_| reason == CAPPED) {
                Some(most) => format!("{} at {most}", condition.id),
                None => condition.id.clone(),
            });
        }
    }
    notes.extend(reasons.into_iter().map(|(reason, (count, of))| format!("left out {count}: {reason} ({})", few(&of))));
    if let Some(most) = summary.max_cases.filter(|most| *most <= summary.cases) {
        notes.push(format!("the suite uses at most {most} cases"));
    }
    let of = |verdict| summary.checks.iter().filter(move |check| check.verdict == verdict);
    let counts =
        [CheckVerdict::Pass, CheckVerdict::Fail, CheckVerdict::NotApplicable].map(|verdict| of(verdict).count());
    if counts[0] + counts[1] > 0 {
        let [pass, fail, idle] = counts;
        notes.push(format!("checks against fake robustness: {pass} passed, {fail} failed, {idle} not applicable"));
    }
    for check in of(CheckVerdict::Fail) {
        let numbers = check.numbers.iter().map(|(name, value)| format!("{name} {value:.3}")).collect::<Vec<_>>();
        notes.push(format!("FAILED: {} ({} items; {})", check.label, check.n, numbers.join(", ")));
    }
    notes
}

/// Returns whether the summary compares the model with a base.
fn is_paired(summary: &Summary) -> bool {
    summary.conditions.iter().any(|condition| condition.gain_vs_base.is_some())
}

/// Note on the scoring rule, the parser and unparsed responses.
fn judged(summary: &Summary) -> String {
    let unparsed = if is_paired(summary) {
        "responses without a valid answer, of the model and of the base"
    } else {
        "responses without a valid answer"
    };
    let how = summary.scoring.describe();
    format!("scoring: {how}; parser {}; unparsed: {unparsed}, counted as wrong", summary.parser)
}

/// Note on the primary endpoints and on the computation of p-values; None without a base.
fn tests(summary: &Summary) -> Option<String> {
    let primary: Vec<&str> = summary.primary().map(|endpoint| endpoint.id).collect();
    is_paired(summary).then(|| {
        let holm = match primary.as_slice() {
            [] => String::new(),
            named => format!("by Holm over the primary endpoints ({}), ", named.join(", ")),
        };
        format!(
            "p: sign-flip or swap test over groups, adjusted {holm}by Benjamini and Hochberg over the other conditions"
        )
    })
}

fn few(names: &[String]) -> String {
    match names.split_at_checked(NAMED) {
        Some((first, rest)) if !rest.is_empty() => format!("{} and {} more", first.join(", "), rest.len()),
        _ => names.join(", "),
    }
}

/// Formats the phases with their training examples by stage, then the counts of examples that differ from the stored
/// questions: by condition, context and blank images.
pub fn plan_summary(plan_summary: &PlanSummary) -> String {
    let head = ["phase", "steps", "epochs", "rate", "stage 1", "stage 2", "stage 3", "stage 4", "examples"];
    let mut rows = vec![head.map(str::to_owned)];
    for phase in &plan_summary.phases {
        let [first, second, third, fourth] = phase.stages.map(|count| count.to_string());
        rows.push([
            phase.name.clone(),
            phase.steps.to_string(),
            shortest(phase.epochs),
            phase.learning_rate.to_string(),
            first,
            second,
            third,
            fourth,
            phase.examples().to_string(),
        ]);
    }
    let sum = |count: &dyn Fn(&PhaseSummary) -> usize| plan_summary.phases.iter().map(count).sum::<usize>().to_string();
    rows.push([
        "all".into(),
        plan_summary.phases.iter().map(|phase| phase.steps).sum::<u64>().to_string(),
        String::new(),
        String::new(),
        sum(&|phase| phase.stages[0]),
        sum(&|phase| phase.stages[1]),
        sum(&|phase| phase.stages[2]),
        sum(&|phase| phase.stages[3]),
        sum(&|phase| phase.examples()),
    ]);

    let mut shows = vec![["phase", "examples with", "count", "share"].map(str::to_owned)];
    for phase in &plan_summary.phases {
        let context = phase.context.iter().filter_map(|(context, count)| match context {
            ContextKind::Nothing => None,
            ContextKind::Gold => Some(("right answers to earlier questions", *count)),
            ContextKind::Wrong => Some(("a wrong answer to an earlier question", *count)),
            ContextKind::Predicted => Some(("the model's own answers to earlier questions", *count)),
        });
        let blank = (phase.blank > 0).then_some(("blank images", phase.blank));
        for (what, count) in phase.conditions.iter().map(|(kind, count)| (*kind, *count)).chain(context).chain(blank) {
            let share = format!("{:.1} %", 100.0 * count as f64 / phase.examples().max(1) as f64);
            shows.push([phase.name.clone(), what.to_owned(), count.to_string(), share]);
        }
    }
    let shows = match shows.len() {
        1 => "every example is the question as it is stored".to_owned(),
        _ => aligned(&shows),
    };
    let freezing = plan_summary.phases.iter().filter(|phase| phase.freeze != Freeze::default());
    let frozen: String = freezing.map(|phase| format!("\n{} freezes: {}", phase.name, phase.freeze.names())).collect();
    format!("{}{frozen}\n\n{shows}", aligned(&rows))
}

/// Formats a number with at most two decimals.
fn shortest(value: f64) -> String {
    ((value * 100.0).round() / 100.0).to_string()
}

/// Formats a p-value with three decimals; a value below 0.001 becomes `<.001`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "<.001".to_owned() } else { format!("{p:.3}") }
}

/// Table of the scores by published scoring rules, next to the strict scores.
pub fn compat(scores: &[CompatScore]) -> Table {
    let mut table = Table::new("published scoring rules", ["", "n", "as published", "n", "strict", "difference"]);
    for score in scores {
        match &score.skipped {
            Some(reason) => table.notes.push(format!("{}: not scored: {reason}", score.id)),
            None => {
                table.rows.push(vec![
                    score.id.clone(),
                    score.n.to_string(),
                    number(score.accuracy),
                    score.strict_n.to_string(),
                    number(score.strict_accuracy),
                    signed(score.difference),
                ]);
                for other in &score.other {
                    table.rows.push(vec![
                        format!("  {}", other.measure),
                        String::new(),
                        number(other.value),
                        String::new(),
                        number(other.strict),
                        signed(other.value.zip(other.strict).map(|(value, strict)| value - strict)),
                    ]);
                }
                table.notes.push(format!("{}: {}: {}", score.id, score.source, score.fault));
            }
        }
    }
    table
}

/// Formats a number with three decimals; None becomes a dash.
pub fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

/// Formats a number with its sign and three decimals; None becomes a dash.
pub fn signed(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:+.3}"))
}

/// Formats a difference with its sign, followed by its confidence interval if there is one.
pub fn with_interval(estimate: &Estimate) -> String {
    match (estimate.value, estimate.ci) {
        (Some(value), Some(ci)) => format!("{value:+.3} {}", interval(ci)),
        (value, _) => signed(value),
    }
}

/// Formats the confidence interval of a difference.
pub fn interval([low, high]: [f64; 2]) -> String {
    format!("[{low:+.3}, {high:+.3}]")
}

/// Aligns rows of cells: the first column to the left, all others to the right.
fn aligned(rows: &[impl AsRef<[String]>]) -> String {
    let columns = rows.first().map_or(0, |row| row.as_ref().len());
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(
            |(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            },
        );
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(|row| line(row.as_ref())).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["bcd".to_owned(), "23".to_owned()]];
        assert_eq!(super::aligned(&rows), "a     1\nbcd  23");
    }
}
