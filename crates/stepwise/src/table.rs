//! Tables for people: what was measured, against the base, with intervals.

use stepwise_benchmark::summary::{Estimate, Summary};

/// Conditions of a summary beside those of the base and, below an empty line, its headline metrics. Metrics of one condition,
/// stage or attack have a colon in their id; the report has them.
pub fn gains(title: &str, summary: &Summary) -> String {
    let mut rows =
        vec![["".into(), "n".into(), "base".into(), title.to_owned(), "gain [95 % interval]".into(), "p".into()]];
    for condition in &summary.conditions {
        let gain = condition.gain_vs_base.as_ref();
        rows.push([
            condition.id.clone(),
            condition.n.to_string(),
            number(condition.base.and_then(|base| base.value)),
            number(condition.accuracy),
            gain.map_or_else(String::new, |gain| with_interval(&gain.estimate)),
            gain.map_or_else(String::new, |gain| format!("{:.3}", gain.p_adjusted)),
        ]);
    }
    rows.push(Default::default());
    for (id, metric) in summary.metrics.iter().filter(|(id, _)| !id.contains(':')) {
        rows.push([
            id.clone(),
            metric.estimate.n.to_string(),
            number(metric.base.and_then(|base| base.value)),
            number(metric.estimate.value),
            metric.gain_vs_base.as_ref().map_or_else(String::new, with_interval),
            String::new(),
        ]);
    }
    aligned(&rows)
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.3}"))
}

fn with_interval(estimate: &Estimate) -> String {
    match (estimate.value, estimate.ci) {
        (Some(value), Some([low, high])) => format!("{value:+.3} [{low:+.3}, {high:+.3}]"),
        (Some(value), None) => format!("{value:+.3}"),
        _ => "-".to_owned(),
    }
}

/// The first column to the left, all others to the right.
fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate();
        let cells = cells.map(
            |(column, (cell, width))| {
                if column == 0 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            },
        );
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    #[test]
    fn columns_are_aligned() {
        let rows = [["a".to_owned(), "1".to_owned()], ["bcd".to_owned(), "23".to_owned()]];
        assert_eq!(super::aligned(&rows), "a     1\nbcd  23");
    }
}
