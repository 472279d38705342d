//! Where chains break first: one bar for the base, one for the last epoch.

use std::fmt::Write;

use super::ReportInput;
use super::markup::{difference, escape, percent, share, table};
use crate::summary::Summary;

const PLACES: [(&str, &str); 5] = [
    ("stage_1", "stage\u{a0}1"),
    ("stage_2", "stage\u{a0}2"),
    ("stage_3", "stage\u{a0}3"),
    ("stage_4", "stage\u{a0}4"),
    ("none", "no\u{a0}error"),
];

/// The section.
pub fn section(input: &ReportInput<'_>) -> String {
    let last = input.last();
    let chains = last.estimate("chain_accuracy").map_or(0, |estimate| estimate.n);
    if chains == 0 {
        return "<section><h2>Where chains break</h2><p>No case has questions of all four stages.</p></section>"
            .to_owned();
    }
    let mut bars = bar("base", input.base);
    if !input.epochs.is_empty() {
        bars.push_str(&bar(&input.last_label(), last));
    }
    let legend: String = PLACES
        .iter()
        .enumerate()
        .map(|(place, (_, name))| format!("<span><i class=\"swatch error-{place}\"></i>{name}</span>"))
        .collect();
    let rows: Vec<Vec<String>> = PLACES
        .iter()
        .map(|(id, name)| {
            let id = format!("first_error:{id}");
            vec![
                (*name).to_owned(),
                share(input.base.estimate(&id)),
                share(last.estimate(&id)),
                difference(last.gain(&id)),
            ]
        })
        .collect();
    format!(
        "<section><h2>Where chains break</h2><p>The first stage with a wrong answer, over {chains} cases that have all four. \
         A stage is right if all of its questions are.</p><div class=\"bars\">{bars}</div><p class=\"legend\">{legend}</p>{}</section>",
        table(&["first error", "base", "now", "change, points"], &rows)
    )
}

fn bar(name: &str, summary: &Summary) -> String {
    let mut parts = String::new();
    for (place, (id, words)) in PLACES.iter().enumerate() {
        let value = summary.estimate(&format!("first_error:{id}")).and_then(|estimate| estimate.value).unwrap_or(0.0);
        let label = if value >= 0.08 { format!("{:.0}", value * 100.0) } else { String::new() };
        let _ = write!(
            parts,
            "<span class=\"error-{place}\" style=\"width:{:.2}%\" title=\"{words}: {}\">{label}</span>",
            value * 100.0,
            percent(value)
        );
    }
    format!(
        "<div class=\"bar-name\">{}</div><div class=\"bar\" role=\"img\" aria-label=\"shares in the table below\">{parts}</div>",
        escape(name)
    )
}
