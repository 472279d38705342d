//! How strong the attacks on the pixels are: accuracy against their size, and the checks that tell a robust respondent from
//! a badly attacked one.

use indexmap::IndexMap;
use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::metrics::fake_robustness::{Check, CheckVerdict};
use stepwise_benchmark::summary::Summary;

use super::ReportInput;
use super::markup::{escape, plain, plural};
use super::plot::{Plot, RANKED, tick};
use super::section::Section;
use super::series::{self, Series};
use super::table::{Cell, Table};

const KINDS: [(&str, &str); 4] = [
    ("pgd", "PGD, many steps"),
    ("fgsm", "FGSM, one step"),
    ("transfer", "made on the base"),
    ("random_sign", "random signs"),
];

/// The section; none where the suite attacks no pixels.
pub fn section(input: &ReportInput<'_>) -> Option<Section> {
    let last = input.last();
    if last.checks.iter().all(|check| check.verdict == CheckVerdict::NotApplicable) {
        return None;
    }
    let mut panels = vec![("base".to_owned(), lines(input.base))];
    if input.is_compared() {
        panels.push((input.last_label(), lines(last)));
    }
    let drawn = !panels.iter().all(|(_, lines)| series::is_empty(lines));
    let mut tables = vec![checks(input).open()];
    let mut body = summary_of_checks(&last.checks);
    if drawn {
        body = curves(&panels) + &body;
        tables.insert(0, numbers(input));
    }
    let curve = "Accuracy against the size of the attack, on the items asked at every size. ";
    Some(Section {
        id: "epsilon",
        title: "Attacks on the pixels, and whether they are strong enough",
        intro: format!(
            "{}An attack that fails for its own faults makes a model look robust. More room must not help the model, the \
             attacked loss must not fall on the way, many steps must do at least what one does, aim at least what random signs \
             do, and an attack made on the base no more than one made here. An attack counts as weaker where chance alone would \
             leave as many more items right in less than 5 % of cases.",
            if drawn { curve } else { "" }
        ),
        body,
        tables,
        half: false,
    })
}

/// The number of checks a report must warn of.
pub fn failed(summary: &Summary) -> usize {
    summary.checks.iter().filter(|check| check.verdict == CheckVerdict::Fail).count()
}

/// Sizes of a kind in 255ths, with their metrics, in the order of the suite's sizes.
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

/// One drawing each, on one scale.
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
            let svg = plot.axes(&y_ticks, &x_ticks, "size, 255ths of the full range", "accuracy, %")
                + &series::draw(&plot, lines);
            let words = format!("{name}: accuracy against the size of the attack; the numbers are in the table");
            format!("<div><h3 class=\"panel\">{name}</h3>{}</div>", plot.svg(&words, &svg))
        })
        .collect();
    let lines = panels_of.iter().map(|(_, lines)| lines.as_slice()).find(|lines| !series::is_empty(lines));
    format!("{}<div class=\"panels\">{panels}</div>", lines.map_or_else(String::new, series::names))
}

fn numbers(input: &ReportInput<'_>) -> Table {
    let last = input.last();
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
    Table::new(
        "epsilon",
        "accuracy by size of the attack",
        [
            ("attack", "attack"),
            ("eps_255ths", "size, 255ths"),
            ("base", "base"),
            ("now", "now"),
            ("gain", "gain, points"),
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
        if failed > 0 { " What withstood the attacks of a failed check is not shown to be robust." } else { "" }
    )
}

fn checks(input: &ReportInput<'_>) -> Table {
    let of_base: IndexMap<&str, CheckVerdict> =
        input.base.checks.iter().map(|check| (check.id.as_str(), check.verdict)).collect();
    let rows = input.last().checks.iter().map(|check| {
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
    Table::new(
        "checks",
        "checks against fake robustness",
        [("check", "check"), ("base", "base"), ("now", "now"), ("items", "items"), ("numbers", "numbers, now")],
        rows,
    )
}

/// Three digits for what is small, two decimals else.
fn short(number: f64) -> String {
    if number != 0.0 && number.abs() < 0.01 { format!("{number:.1e}") } else { plain(number) }
}
