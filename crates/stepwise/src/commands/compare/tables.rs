//! Tables of a comparison.

use stepwise_benchmark::compare::{Adjustment, Comparison, MetricPair, SideSummary};
use stepwise_benchmark::perturb::Purpose;
use stepwise_benchmark::stats::FEWEST_CLUSTERS;
use stepwise_benchmark::summary::LARGE_GROUP;

use super::side::SideSource;
use crate::standings_table;
use crate::table::Table;
use crate::table::cell::{number, p_or_dash, p_value, signed, with_interval};

const DIFFERENCE: &str = "B - A [95 % interval]";

/// Makes all tables that have rows or notes, starting with the two sides: epochs of runs, primary endpoints,
/// conditions, stages, main results, effective robustness and retention.
pub fn all(comparison: &Comparison, sources: [&SideSource; 2]) -> Vec<Table> {
    let standings = ["A", "B"].into_iter().zip(sources).filter_map(|(letter, source)| {
        standings_table::table(format!("epochs of {letter}, {}", source.name), source.standings.as_ref()?)
    });
    let tables = [
        endpoints(comparison),
        conditions(comparison),
        stages(comparison),
        metrics(comparison),
        effective_robustness(comparison),
        retention(comparison),
    ];
    let tables = std::iter::once(sides(comparison)).chain(standings).chain(tables);
    tables.filter(|table| !table.rows.is_empty() || !table.notes.is_empty()).collect()
}

fn sides(comparison: &Comparison) -> Table {
    let mut table = Table::new("sides", ["", "path", "answers", "left out"]);
    let shows_checkpoint = comparison.a.checkpoint.is_some() || comparison.b.checkpoint.is_some();
    if shows_checkpoint {
        table.head.insert(2, "model".to_owned());
    }
    for (letter, side) in [("A", &comparison.a), ("B", &comparison.b)] {
        let mut cells = vec![letter.to_owned(), side.name.clone(), side.outcomes.to_string(), side.alone.to_string()];
        if shows_checkpoint {
            cells.insert(2, side.checkpoint.clone().unwrap_or_else(|| "-".to_owned()));
        }
        table.rows.push(cells);
    }
    table.notes.push(format!(
        "suite {}: both sides have {} answers to {} items in {} groups with {} questions; intervals and p-values are about \
         other groups and other questions",
        comparison.suite.name, comparison.both, comparison.items, comparison.groups, comparison.questions
    ));
    if comparison.groups.min(comparison.questions) < FEWEST_CLUSTERS {
        table.notes.push(format!(
            "no claim can rest on fewer than {FEWEST_CLUSTERS} groups or {FEWEST_CLUSTERS} questions, whatever the answers are"
        ));
    }
    if comparison.largest_group > LARGE_GROUP {
        table.notes.push(format!(
            "one group holds {:.0} % of the items: above {:.0} % intervals do not keep their stated coverage",
            100.0 * comparison.largest_group,
            100.0 * LARGE_GROUP
        ));
    }
    table
}

/// Table of the primary endpoints, which were named before the run. Conditions and metrics are one family of tests.
fn endpoints(comparison: &Comparison) -> Table {
    let mut table = Table::new("primary endpoints", ["", "n", "A", "B", DIFFERENCE, "p", "adjusted by Holm"]);
    for pair in comparison.conditions.iter().filter(|pair| pair.primary) {
        table.rows.push(vec![
            format!("accuracy under {}", pair.id),
            pair.n.to_string(),
            number(pair.accuracy_a),
            number(pair.accuracy_b),
            with_interval(&pair.difference),
            p_or_dash(pair.p),
            p_or_dash(pair.p_adjusted),
        ]);
    }
    for (id, pair) in comparison.metrics.iter().filter(|(_, pair)| pair.primary) {
        let tests = [pair.difference.p, pair.difference.p_adjusted].map(p_or_dash);
        table.rows.push(row(id.clone(), pair).into_iter().chain(tests).collect());
    }
    if !table.rows.is_empty() {
        table.notes.push("named before the run; two-sided tests over groups and questions".to_owned());
    }
    table
}

fn conditions(comparison: &Comparison) -> Table {
    let head = ["", "n", "A", "B", DIFFERENCE, "only A", "only B", "unparsed", "p McNemar", "p", "adjusted"];
    let mut table = Table::new("accuracy by condition", head);
    for pair in &comparison.conditions {
        let adjusted = match pair.adjustment {
            Adjustment::Holm => format!("{} Holm", p_or_dash(pair.p_adjusted)),
            Adjustment::BenjaminiHochberg => format!("{} BH", p_or_dash(pair.p_adjusted)),
        };
        table.rows.push(vec![
            pair.id.clone(),
            pair.n.to_string(),
            number(pair.accuracy_a),
            number(pair.accuracy_b),
            with_interval(&pair.difference),
            pair.only_a_right.to_string(),
            pair.only_b_right.to_string(),
            format!("{}, {}", pair.unparsed_a, pair.unparsed_b),
            p_value(pair.p_mcnemar),
            p_or_dash(pair.p),
            adjusted,
        ]);
    }
    table.notes.push(
        "adjusted: p, by Holm over the primary endpoints, by Benjamini and Hochberg (BH) over the other conditions"
            .to_owned(),
    );
    table
}

fn stages(comparison: &Comparison) -> Table {
    let mut table = Table::new("clean accuracy by stage", ["", "n", "A", "B", DIFFERENCE]);
    for pair in &comparison.stages {
        table.rows.push(row(format!("stage {}", pair.stage), &pair.accuracy));
        table.rows.push(row(format!("stage {}, chance-corrected", pair.stage), &pair.chance_corrected));
    }
    table
}

/// Table of the main results. A metric of one condition, stage or attack has a colon in its id and is shown
/// only with `--json`.
fn metrics(comparison: &Comparison) -> Table {
    let mut table = Table::new("main results", ["", "n", "A", "B", DIFFERENCE]);
    let headline = comparison.metrics.iter().filter(|(id, _)| !id.contains(':'));
    let defined = headline.filter(|(_, pair)| pair.difference.value.is_some());
    table.rows.extend(defined.map(|(id, pair)| row(id.clone(), pair)));
    table
}

fn row(name: String, pair: &MetricPair) -> Vec<String> {
    let value =
        |estimate: Option<stepwise_benchmark::summary::Estimate>| number(estimate.and_then(|found| found.value));
    vec![name, pair.difference.n.to_string(), value(pair.a), value(pair.b), with_interval(&pair.difference)]
}

fn effective_robustness(comparison: &Comparison) -> Table {
    let head = ["", "points", "slope", "A", "B", "B - A"];
    let mut table = Table::new("effective robustness (log-odds above the line of the reference)", head);
    for found in &comparison.effective_robustness {
        table.rows.push(vec![
            found.condition.clone(),
            found.points.to_string(),
            signed(Some(found.line.slope)),
            signed(Some(found.a)),
            signed(Some(found.b)),
            signed(Some(found.difference)),
        ]);
    }
    let attacked = comparison.conditions.iter().any(|pair| pair.purpose == Purpose::Attack);
    if table.rows.is_empty() && attacked {
        let why =
            "a rising line needs three evaluated models of the reference runs whose clean accuracies clearly differ";
        table.notes.push(format!("not shown: {why} -> name one with `--reference RUN`"));
    }
    table
}

fn retention(comparison: &Comparison) -> Table {
    let mut table = Table::new(
        "retention (clean accuracy over a run's epochs up to the model)",
        ["", "best before", "model", "forgetting"],
    );
    let mut add = |letter: &str, side: &SideSummary| {
        for found in &side.retention {
            table.rows.push(vec![
                format!("{letter}, stage {}", found.stage),
                number(Some(found.best)),
                number(Some(found.last)),
                signed(Some(found.forgetting)),
            ]);
        }
        if let Some(transfer) = side.backward_transfer {
            table.notes.push(format!("backward transfer of {letter}: {transfer:+.3}"));
        }
    };
    add("A", &comparison.a);
    add("B", &comparison.b);
    table
}
