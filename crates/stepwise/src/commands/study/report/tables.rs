//! Tables of a study's report.

use stepwise_benchmark::summary::Estimate;
use stepwise_study::report::ended_early;
use stepwise_study::summary::{Difference, EFFECTIVE, Endpoint, LINE_ADVICE, StudySummary};

use crate::table::Table;
use crate::table::cell::{number, p_value, signed, with_interval};

/// Makes the tables of the report: arms by primary endpoints, differences with tests, training budget, and effective
/// robustness with its lines; the last two tables are left out where there are no lines or no line can be used. Titles
/// of an unfinished study say so.
pub fn all(summary: &StudySummary) -> Vec<Table> {
    let primary: Vec<(&String, &Endpoint)> =
        summary.endpoints.iter().filter(|(_, endpoint)| endpoint.primary).collect();
    let effective: Vec<(&String, &Endpoint)> =
        summary.endpoints.iter().filter(|(id, _)| id.starts_with(EFFECTIVE)).collect();
    let mut tables = vec![values(summary, &primary)];
    tables.extend(delivered(summary, &primary));
    tables.extend([differences(summary, &primary), budget(summary)]);
    if !summary.lines.is_empty() {
        tables.push(lines(summary));
    }
    if !effective.is_empty() {
        let mut table = differences(summary, &effective);
        table.title = format!("effective robustness minus {}, log-odds", summary.reference);
        table.notes = vec![format!(
            "{}; {LOOKED_AT}; the line is fitted again without each group and question. {CLEAR}",
            tested(summary)
        )];
        tables.push(table);
    }
    if summary.unfinished().is_some() {
        tables.iter_mut().for_each(|table| table.title.insert_str(0, "NOT FINISHED: "));
    }
    tables
}

fn values(summary: &StudySummary, endpoints: &[(&String, &Endpoint)]) -> Table {
    let mut table =
        Table::new(format!("study {}: arms by primary endpoints, mean over seeds", summary.name), ["arm", "seeds"]);
    table.head.extend(endpoints.iter().map(|(id, _)| (*id).clone()));
    let cell = |estimate: &Estimate| match (estimate.value, estimate.ci) {
        (Some(value), Some([low, high])) => format!("{value:.3} [{low:.3}, {high:.3}]"),
        (value, _) => number(value),
    };
    let base = endpoints.iter().map(|(_, endpoint)| cell(&endpoint.base));
    table.rows.push([BASE.to_owned(), String::new()].into_iter().chain(base).collect());
    for (place, (name, seeds)) in summary.arms.iter().enumerate() {
        let found = endpoints.iter().map(|(_, endpoint)| cell(&endpoint.arms[place].estimate));
        table
            .rows
            .push([name.clone(), format!("{} of {}", seeds.len(), summary.seeds)].into_iter().chain(found).collect());
    }
    table.notes.push(format!(
        "95 % intervals over {} groups, {} questions and the seeds; suite {}",
        summary.groups, summary.questions, summary.suite.name
    ));
    if let Some(lacking) = summary.unfinished() {
        table.notes.push(format!("this study is not finished: {lacking}; p is adjusted over all planned comparisons"));
    }
    if !summary.later_seeds.is_empty() {
        let seeds: Vec<String> = summary.later_seeds.iter().map(u64::to_string).collect();
        table.notes.push(format!("seeds added after the first run: {}", seeds.join(", ")));
    }
    table
}

/// Table of the delivered checkpoints; None where every run delivers its last checkpoint.
fn delivered(summary: &StudySummary, endpoints: &[(&String, &Endpoint)]) -> Option<Table> {
    summary.delivered.iter().find(|run| run.is_earlier())?;
    let mut table = Table::new("delivered checkpoint of each run", ["arm", "seed", "delivered"]);
    for (id, _) in endpoints {
        table.head.extend([format!("{id}, delivered"), format!("{id}, last epoch")]);
    }
    for run in &summary.delivered {
        let values = endpoints.iter().flat_map(|(id, _)| run.endpoints.get(*id).copied().unwrap_or_default());
        let first = [run.arm.clone(), run.seed.to_string(), run.checkpoint.clone()];
        table.rows.push(first.into_iter().chain(values.map(number)).collect());
    }
    table.notes.push(
        "all other tables are about the last epoch, so that arms are compared at equal training; `eval`, `export` and \
         `ask` take the delivered checkpoint"
            .to_owned(),
    );
    Some(table)
}

/// Name of the base in the column of arms.
const BASE: &str = "base";

const LOOKED_AT: &str = "adjusted by Benjamini and Hochberg over all comparisons that are not primary";
const CLEAR: &str =
    "* adjusted p below 0.05 with at least 8 groups, 8 questions and 5 seeds; fewer seeds are exploratory";

/// Note on the test behind the p-values.
fn tested(summary: &StudySummary) -> String {
    format!(
        "p: two-sided, the larger of the test over {} groups and {} questions and of the paired t test over seeds",
        summary.groups, summary.questions
    )
}

fn differences(summary: &StudySummary, endpoints: &[(&String, &Endpoint)]) -> Table {
    let title = format!("difference from {}, paired by seed and item", summary.reference);
    let mut table = Table::new(
        title,
        ["arm", "endpoint", "difference [95 % interval]", "seeds that agree", "p, seeds fixed", "p", "p adjusted"],
    );
    let base = endpoints.iter().filter_map(|(id, endpoint)| row(BASE, id, endpoint.base_difference.as_ref()));
    table.rows.extend(base);
    for (place, (name, _)) in summary.arms.iter().enumerate() {
        let of_arm =
            endpoints.iter().filter_map(|(id, endpoint)| row(name, id, endpoint.arms[place].difference.as_ref()));
        table.rows.extend(of_arm);
    }
    table.notes.push(format!(
        "{}; adjusted by Holm over all arms and primary endpoints; rows of the base are {LOOKED_AT}. {CLEAR}",
        tested(summary)
    ));
    table
}

fn row(arm: &str, id: &str, difference: Option<&Difference>) -> Option<Vec<String>> {
    let difference = difference?;
    let p = |p: Option<f64>| p.map_or_else(|| "-".to_owned(), p_value);
    let mark = if difference.is_clear() { " *" } else { "" };
    Some(vec![
        arm.to_owned(),
        id.strip_prefix(EFFECTIVE).unwrap_or(id).to_owned(),
        with_interval(&difference.estimate),
        format!("{} of {}", difference.agreeing, difference.by_seed.len()),
        p(difference.p_fixed_seeds),
        p(difference.estimate.p),
        p(difference.estimate.p_adjusted) + mark,
    ])
}

/// Table of the planned training budget of each arm, with a note on runs that stopped early.
fn budget(summary: &StudySummary) -> Table {
    let title = "training budget of a run by arm, mean over seeds";
    let mut table = Table::new(title, ["arm", "steps", "samples", "supervised tokens"]);
    for ((name, _), budget) in summary.arms.iter().zip(&summary.budget) {
        let counts = [budget.steps, budget.samples, budget.supervised_tokens];
        table.rows.push([name.clone()].into_iter().chain(counts.map(|count| count.round().to_string())).collect());
    }
    if !summary.ended_early.is_empty() {
        table.notes.push(format!("stopped early: {}", ended_early(&summary.ended_early)));
    }
    table
}

/// Table of the lines of the reference, with the reason for each line that is not used.
fn lines(summary: &StudySummary) -> Table {
    let title = format!(
        "lines of {} under attack, log-odds: effective robustness is the distance above the line",
        summary.reference
    );
    let mut table =
        Table::new(title, ["attack", "slope [95 % interval]", "intercept", "points", "clean accuracy", "used"]);
    for line in &summary.lines {
        let slope = match (line.fit.map(|fit| fit.slope), line.slope_ci) {
            (Some(slope), Some([low, high])) => format!("{slope:+.3} [{low:+.3}, {high:+.3}]"),
            (slope, _) => signed(slope),
        };
        table.rows.push(vec![
            line.attack.clone(),
            slope,
            signed(line.fit.map(|fit| fit.intercept)),
            line.points.to_string(),
            line.clean.map_or_else(|| "-".to_owned(), |[low, high]| format!("{low:.3} to {high:.3}")),
            line.refused.as_ref().map_or_else(|| "yes".to_owned(), |reason| format!("no: {reason}")),
        ]);
    }
    if summary.lines.iter().all(|line| line.refused.is_some()) {
        table.notes.push(format!("no line can be used: {LINE_ADVICE}"));
    }
    table
}
