//! Strength of the pixel attacks: accuracy against the size of the attack, and checks that tell a robust model from
//! a failed attack.

use indexmap::IndexMap;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::metrics::fake_robustness::{Check, CheckVerdict};
use stepwise_benchmark::summary::Summary;

use super::ReportInput;
use super::markup::{escape, plain, plural};
use super::plot::{Plot, RANKED, tick};
use super::section::ReportSection;
use super::series::{self, Series};
use super::table::{Cell, ReportTable};

const KINDS: [(&str, &str); 4] = [
    ("pgd", "PGD, many steps"),
    ("fgsm", "FGSM, one step"),
    ("transfer", "made on the base"),
    ("random_sign", "random signs"),
];

/// Renders the section `epsilon`: accuracy against the size of the pixel attacks, for the base and the epoch that the
/// report is about, and that epoch's checks that tell a robust model from a failed attack. `None` where no check
/// applies; the curves are left out where they have no point.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let last = input.model();
    if last.checks.iter().all(|check| check.verdict == CheckVerdict::NotApplicable) {
        return None;
    }
    let mut panels = vec![("base".to_owned(), lines(input.base))];
    if input.is_compared() {
        panels.push((input.model_label(), lines(last)));
    }
    let drawn = !panels.iter().all(|(_, lines)| series::is_empty(lines));
    let mut tables = vec![checks(input).open()];
    let mut body = summary_of_checks(&last.checks);
    if drawn {
        body = curves(&panels) + &body;
        tables.insert(0, numbers(input));
    }
    let curve = "The curves show accuracy against the size of the attack, on the items answered at every size. ";
    Some(ReportSection {
        id: "epsilon",
        title: "Pixel attacks and checks of their strength",
        intro: format!(
            "{}A model looks robust if an attack fails for technical reasons. The checks test five properties of working \
             attacks: accuracy does not rise with the size of the attack; the attacked loss does not fall along the steps; many \
             steps do at least as much damage as one step; an aimed attack does at least as much as random signs; and an attack \
             made on the base does no more than an attack made on this model. An attack counts as weaker if it leaves more \
             items right and an exact one-sided sign test gives p below 0.05.",
            if drawn { curve } else { "" }
        ),
        body,
        tables,
        half: false,
    })
}

/// Returns the number of failed checks against fake robustness in the summary; checks that do not apply are not
/// counted.
pub fn failed(summary: &Summary) -> usize {
    summary.checks.iter().filter(|check| check.verdict == CheckVerdict::Fail).count()
}

/// Returns the attack sizes of a kind (in 1/255 of the pixel range) with their metric ids, in the order of the metrics.
fn sizes<'a>(summary: &'a Summary, kind: &str) -> Vec<(f64, &'a str)> {
    let prefix = format!("eps_accuracy:{kind}:");
    let ids = summary.metrics.keys();
    ids.filter_map(|id| Some((id.strip_prefix(&prefix)?.parse().ok()?, id.as_str()))).collect()
}

fn lines(summary: &Summary) -> Vec<Series> {
    let line = |((kind, name), style)| {
        let points = sizes(summary, kind)
            .into_iter()
            .flat_map(|(eps, id)| Series::of(style, "", id, [(eps, format!("{eps}/255"), summary)]).points)
            .collect();
        Series { style, name: String::from(name), points }
    };
    KINDS.into_iter().zip(RANKED).map(line).collect()
}

/// Draws one chart per model, on a common scale.
fn curves(panels_of: &[(String, Vec<Series>)]) -> String {
    let all = || panels_of.iter().flat_map(|(_, lines)| lines);
    let mut sizes: Vec<f64> = all().flat_map(|line| &line.points).map(|(eps, _, _)| *eps).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let largest = sizes.last().copied().unwrap_or(1.0);
    let y_ticks: Vec<_> = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| (value, tick(value))).to_vec();
    let x_ticks: Vec<_> = sizes.iter().map(|eps| (*eps, eps.to_string())).collect();
    let plot = Plot::new(280.0, [-0.07 * largest, 1.07 * largest], [0.0, 1.0]);
    let panels: String = panels_of
        .iter()
        .map(|(name, lines)| {
            let name = escape(name);
            let svg = plot.axes(&y_ticks, &x_ticks, "size, 1/255 of the pixel range", "accuracy, %")
                + &series::draw(&plot, lines);
            let words = format!("{name}: accuracy against the size of the attack; the numbers are in the table");
            format!("<div><h3 class=\"panel\">{name}</h3>{}</div>", plot.svg(&words, &svg))
        })
        .collect();
    let lines = panels_of.iter().map(|(_, lines)| lines.as_slice()).find(|lines| !series::is_empty(lines));
    format!("{}<div class=\"panels\">{panels}</div>", lines.map_or_else(String::new, series::names))
}

fn numbers(input: &ReportInput<'_>) -> ReportTable {
    let last = input.model();
    let rows = KINDS.iter().flat_map(|(kind, name)| {
        sizes(last, kind).into_iter().map(move |(eps, id)| {
            [
                Cell::text(*name),
                Cell::Number(Some(eps)),
                Cell::Share(input.base.estimate(id)),
                Cell::Share(last.estimate(id)),
                Cell::Gain(last.gain(id), Better::Higher),
            ]
        })
    });
    ReportTable::new(
        "epsilon",
        "accuracy by size of the attack",
        [
            ("attack", "attack"),
            ("eps_255ths", "size, 1/255"),
            ("base", "base"),
            ("now", "model"),
            ("gain", "gain, percentage points"),
        ],
        rows,
    )
}

fn words(verdict: CheckVerdict) -> &'static str {
    match verdict {
        CheckVerdict::Pass => "\u{2714} passed",
        CheckVerdict::Fail => "\u{2718} failed",
        CheckVerdict::NotApplicable => "\u{2013} not applicable",
    }
}

fn summary_of_checks(checks: &[Check]) -> String {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let failed = count(CheckVerdict::Fail);
    let class = if failed > 0 { "bad" } else { "good" };
    format!(
        "<p class=\"tally {class}\">{} against fake robustness: {} passed, {failed} failed, {} not applicable.{}</p>",
        plural(checks.len(), "check"),
        count(CheckVerdict::Pass),
        count(CheckVerdict::NotApplicable),
        if failed > 0 { " Robustness against the attacks of a failed check is not established." } else { "" }
    )
}

fn checks(input: &ReportInput<'_>) -> ReportTable {
    let of_base: IndexMap<&str, CheckVerdict> =
        input.base.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
    let rows = input.model().checks.iter().map(|check| {
        let numbers: Vec<String> =
            check.numbers.iter().map(|(name, number)| format!("{name} {}", short(*number))).collect();
        let base = of_base.get(check.id.as_str()).copied();
        [
            Cell::text(check.label.as_str()),
            Cell::text(base.map_or("not made", words)),
            Cell::text(words(check.verdict)),
            Cell::Count(check.n),
            Cell::text(if check.reason.is_empty() { numbers.join("; ") } else { check.reason.clone() }),
        ]
    });
    ReportTable::new(
        "checks",
        "checks against fake robustness",
        [
            ("check", "check"),
            ("base", "base"),
            ("now", "model"),
            ("items", "items"),
            ("numbers", "numbers of the model"),
        ],
        rows,
    )
}

/// Formats small numbers in scientific notation and other numbers with two decimals.
fn short(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.01 { format!("{number:.1e}") } else { plain(number) }
}
