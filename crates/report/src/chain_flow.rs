//! Flow of chains through the stages: how many have no error after each stage, and the stage of the first error.

use std::fmt::Write;

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::summary::Summary;

use super::ReportInput;
use super::markup::{escape, percent};
use super::plot::WIDTH;
use super::section::ReportSection;
use super::stage_curve::NAMES;
use super::table::{Cell, ReportTable};

/// Room left of the first column and right of the last column.
const LEFT: f64 = 8.0;
const RIGHT: f64 = 52.0;
/// Width of a column.
const COLUMN: f64 = 12.0;
/// Height of all chains together.
const ALL: f64 = 130.0;
/// Room between chains with and without an error.
const GAP: f64 = 7.0;
const TOP: f64 = 22.0;

/// Renders the section `chains`: the share of chains without an error after each stage and the stage of the first
/// error, as a flow chart of the base and of the epoch that the report is about, with two tables. `None` where no case
/// has answered questions of all four stages.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let chains = input.model().estimate("chain_accuracy").filter(|estimate| estimate.n > 0)?.n;
    let mut panels = panel("base", input.base)?;
    if input.is_compared() {
        panels.push_str(&panel(&input.model_label(), input.model())?);
    }
    let legend: String = NAMES
        .iter()
        .zip(1..)
        .map(|(name, stage)| format!("<span><i class=\"swatch error-{stage}\"></i>first error in {name}</span>"))
        .collect();
    Some(ReportSection {
        id: "chains",
        title: "First error in each chain",
        intro: format!(
            "Among the {chains} cases that have all four stages: percentage of cases without an error up to each stage, and \
             stage of the first error in the other cases. A stage is right if all of its questions are right."
        ),
        body: format!(
            "{panels}<p class=\"legend\"><span><i class=\"swatch error-0\"></i>no error so far</span>{legend}</p>"
        ),
        tables: tables(input),
        half: true,
    })
}

/// Share of chains without an error through stage s, for s = 0 to 4; `None` where it is not defined.
fn prefixes(summary: &Summary) -> Option<[f64; 5]> {
    let of = |stage: u8| summary.estimate(&format!("chain_prefix:stage_{stage}"))?.value;
    Some([1.0, of(1)?, of(2)?, of(3)?, of(4)?])
}

fn panel(name: &str, summary: &Summary) -> Option<String> {
    let right = prefixes(summary)?;
    let x = |column: usize| LEFT + (WIDTH - LEFT - RIGHT - COLUMN) / 4.0 * column as f64;
    // The band of a stage's errors moves down by one more gap with every later stage.
    let top_of_error =
        |stage: usize, column: usize| TOP + ALL * right[stage] + GAP * (column + 1).saturating_sub(stage) as f64;
    let mut svg = String::new();
    for column in 0..4 {
        let (from, to) = (x(column) + COLUMN, x(column + 1));
        svg.push_str(&band("error-0", [from, to], [TOP, TOP], ALL * right[column + 1]));
        for stage in 1..=column + 1 {
            let height = ALL * (right[stage - 1] - right[stage]);
            let tops = [top_of_error(stage, column), top_of_error(stage, column + 1)];
            svg.push_str(&band(&format!("error-{stage}"), [from, to], tops, height));
        }
    }
    for column in 0..=4 {
        let mut bar = |class: usize, top: f64, height: f64| {
            let _ = write!(
                svg,
                "<rect class=\"error-{class}\" x=\"{:.1}\" y=\"{top:.1}\" width=\"{COLUMN}\" height=\"{height:.1}\"/>",
                x(column)
            );
        };
        bar(0, TOP, ALL * right[column]);
        for stage in 1..=column {
            bar(stage, top_of_error(stage, column), ALL * (right[stage - 1] - right[stage]));
        }
        let label = format!("{:.0}", right[column] * 100.0);
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            x(column) + COLUMN / 2.0,
            TOP - 6.0
        );
    }
    for stage in 1..=4 {
        let share = right[stage - 1] - right[stage];
        // Labels of thinner bands would overlap; the table has every number.
        if ALL * share + GAP >= 15.0 {
            let _ = write!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\">{}: {:.0}</text>",
                x(4) + COLUMN + 5.0,
                top_of_error(stage, 4) + ALL * share / 2.0 + 4.5,
                stage,
                share * 100.0
            );
        }
    }
    let height = TOP + ALL + 4.0 * GAP + 24.0;
    for (column, name) in ["all", "after 1", "after 2", "after 3", "after 4"].into_iter().enumerate() {
        let anchor = if column == 0 { "start" } else { "middle" };
        let place = if column == 0 { x(0) } else { x(column) + COLUMN / 2.0 };
        let _ = write!(svg, "<text x=\"{place:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{name}</text>", height - 5.0);
    }
    Some(format!(
        "<h3 class=\"panel\">{0}</h3><svg class=\"plot flow\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"{0}: {1} of all \
         chains are right through all four stages; the numbers are in the table\">{svg}</svg>",
        escape(name),
        percent(right[4])
    ))
}

/// Draws a band of constant height from one column to the next.
fn band(class: &str, [from, to]: [f64; 2], [top, end]: [f64; 2], height: f64) -> String {
    let middle = f64::midpoint(from, to);
    format!(
        "<path class=\"flow {class}\" d=\"M{from:.1} {top:.1}C{middle:.1} {top:.1} {middle:.1} {end:.1} {to:.1} {end:.1}v{height:.1}\
         C{middle:.1} {:.1} {middle:.1} {:.1} {from:.1} {:.1}z\"/>",
        end + height,
        top + height,
        top + height
    )
}

fn tables(input: &ReportInput<'_>) -> Vec<ReportTable> {
    let last = input.model();
    let row = |name: String, id: &str| {
        let better = last.metrics.get(id).map_or(Better::Neither, |metric| metric.better);
        [
            Cell::Text(name),
            Cell::Share(input.base.estimate(id)),
            Cell::Share(last.estimate(id)),
            Cell::Gain(last.gain(id), better),
        ]
    };
    let of = |prefix: &'static str, words: &'static str, stages: std::ops::RangeInclusive<usize>| {
        stages.map(move |stage| (format!("{words} {}", NAMES[stage - 1]), format!("{prefix}:stage_{stage}")))
    };
    let columns = |first| [("part", first), ("base", "base"), ("now", "model"), ("gain", "change, percentage points")];
    vec![
        ReportTable::new(
            "chains",
            "share of chains right through each stage, and right in a stage given that all earlier stages are right",
            columns("right"),
            of("chain_prefix", "through", 1..=4)
                .chain(of("chain_conditional", "given all before,", 2..=4))
                .map(|(name, id)| row(name, &id)),
        ),
        ReportTable::new(
            "first_error",
            "stage of the first error",
            columns("first error"),
            of("first_error", "in", 1..=4)
                .chain([("none".to_owned(), "first_error:none".to_owned())])
                .map(|(name, id)| row(name, &id)),
        ),
    ]
}
