//! Delivered checkpoints of the runs, where they differ from the end of the training.

use stepwise_benchmark::summary::Estimate;
use stepwise_report::markup::plural;
use stepwise_report::section::ReportSection;
use stepwise_report::table::{Cell, ReportTable};

use super::input::StudyInput;

/// Renders the section; `None` where every run delivers its last checkpoint.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let earlier: Vec<_> = input.summary.delivered.iter().filter(|run| run.is_earlier()).collect();
    if earlier.is_empty() {
        return None;
    }
    let columns = [("arm", "arm"), ("seed", "seed"), ("checkpoint", "delivered checkpoint")];
    let columns = columns.map(|(name, head)| (name.to_owned(), head.to_owned())).into_iter();
    let endpoints = input.runs.primary.iter().flat_map(|id| {
        let head = stepwise_report::markup::breakable(id);
        [
            (format!("{id}_delivered"), format!("{head}, delivered")),
            (format!("{id}_last"), format!("{head}, last epoch")),
        ]
    });
    let rows = input.summary.delivered.iter().map(|run| {
        let share = |value: Option<f64>| {
            Cell::Share(value.map(|value| Estimate { value: Some(value), n: 1, ..Estimate::default() }))
        };
        let values = run.endpoints.values().flat_map(|values| values.map(share));
        let first =
            [Cell::text(run.arm.as_str()), Cell::text(run.seed.to_string()), Cell::text(run.checkpoint.as_str())];
        first.into_iter().chain(values).collect()
    });
    Some(ReportSection {
        id: "delivered",
        title: "Delivered checkpoints",
        intro: format!(
            "The endpoints of a study are measured after the last epoch, so that all arms are compared at equal training. {} \
             {} another checkpoint to <code>eval</code>, <code>export</code> and <code>ask</code>: the best epoch \
             within the guard. The table has the primary endpoints of both; denominators count runs.",
            plural(earlier.len(), "run"),
            if earlier.len() == 1 { "delivers" } else { "deliver" }
        ),
        body: String::new(),
        tables: vec![
            ReportTable::wide(
                "delivered",
                "delivered checkpoint of each run",
                columns.chain(endpoints),
                rows.collect(),
            )
            .open(),
        ],
        half: false,
    })
}
