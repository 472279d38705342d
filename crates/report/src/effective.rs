//! Effective robustness: accuracy under an attack beyond the accuracy that clean accuracy predicts.

use stepwise_benchmark::effective_robustness::{RobustnessLine, RobustnessPoint, logit};
use stepwise_benchmark::summary::ConditionSummary;

use super::input::ReportInput;
use super::markup::{escape, percent};
use super::plot::{BASE, PASSED, Plot, PlotStyle, TUNED, legend, steps, tick};
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// One attack with its line, or the reason why the line is refused.
struct Fitted<'a> {
    attack: &'a ConditionSummary,
    line: Result<RobustnessLine, String>,
    reference: Vec<RobustnessPoint>,
    last: RobustnessPoint,
}

/// Renders the section `effective`: accuracy under an attack against clean accuracy in log-odds, the line fitted to the
/// base and the earlier epochs, and the height of the last epoch above it, for one attack of every family. `None` where
/// no attack has three such points, which takes at least two epochs before the last one.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let fitted: Vec<Fitted<'_>> = input.last().conditions.iter().filter_map(|attack| fit(input, attack)).collect();
    // Prefers attacks with a usable line, and among them primary endpoints.
    let drawn = fitted.iter().min_by_key(|fitted| (fitted.line.is_err(), !fitted.attack.primary))?;
    let rows = fitted.iter().map(|Fitted { attack, line: fitted, last, .. }| {
        let line = fitted.as_ref().ok();
        [
            Cell::text(attack.id.as_str()),
            Cell::Share(input.last().estimate("accuracy:clean")),
            Cell::Share(input.last().estimate(&format!("accuracy:{}", attack.id))),
            Cell::Number(line.map(|line| line.expected(last.clean.clamp(1e-6, 1.0 - 1e-6)) * 100.0)),
            Cell::Number(line.map(|line| line.residual(*last))),
            Cell::Number(line.map(|line| line.slope)),
            Cell::text(fitted.as_ref().err().map_or("used", String::as_str)),
        ]
    });
    let table = ReportTable::new(
        "effective_robustness",
        "effective robustness by attack",
        [
            ("attack", "attack"),
            ("clean", "clean"),
            ("attacked", "under the attack"),
            ("expected_percent", "predicted by the line, %"),
            ("effective_robustness", "above the line, log-odds"),
            ("slope", "slope of the line"),
            ("used", "used"),
        ],
        rows,
    );
    let shown = escape(&drawn.attack.id);
    let refused = drawn
        .line
        .as_ref()
        .err()
        .map_or_else(String::new, |why| format!("<p class=\"tally\">No line can be used: {}.</p>", escape(why)));
    Some(ReportSection {
        id: "effective",
        title: "Effective robustness",
        intro: format!(
            "Models with a higher clean accuracy usually have a higher accuracy under attack as well, along a line in log-odds \
             (Taori et al., 2020). The line here is fitted to the base and the epochs before the last one: {} points of this \
             run. The effective robustness of the last epoch is its height above the line. A line is refused if it does not \
             rise, or if the intervals of its lowest and highest clean accuracy overlap. The chart shows <b>{shown}</b>. So few \
             points give no interval.",
            drawn.reference.len()
        ),
        body: legend(&[
            (BASE, "base".to_owned()),
            (PASSED, "earlier epochs".to_owned()),
            (TUNED, escape(&input.last_label())),
        ]) + &refused
            + &picture(drawn, &shown),
        tables: vec![table],
        half: true,
    })
}

fn fit<'a>(input: &ReportInput<'a>, attack: &'a ConditionSummary) -> Option<Fitted<'a>> {
    let (_, before) = input.epochs.split_last()?;
    let summaries: Vec<_> = std::iter::once(input.base).chain(before.iter().map(|epoch| epoch.summary)).collect();
    let reference = RobustnessPoint::all(&summaries, &attack.id);
    let last = RobustnessPoint::of(input.last(), &attack.id)?;
    let line = RobustnessLine::of(&summaries, &attack.id);
    let is_told = attack.representative && reference.len() >= RobustnessLine::FEWEST;
    is_told.then_some(Fitted { attack, line, reference, last })
}

/// Draws accuracy under attack against clean accuracy, both in log-odds.
fn picture(fitted: &Fitted<'_>, name: &str) -> String {
    let inside = |share: f64| logit(share.clamp(0.005, 0.995));
    let all = || fitted.reference.iter().chain([&fitted.last]);
    let range = |values: Vec<f64>| {
        let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(*v), high.max(*v)));
        [low - 0.3, high + 0.3]
    };
    let x_range = range(all().map(|point| inside(point.clean)).collect());
    let y_range = range(all().map(|point| inside(point.attacked)).collect());
    let labels = |[low, high]: [f64; 2]| -> Vec<(f64, String)> {
        let share = |log_odds: f64| 1.0 / (1.0 + (-log_odds).exp());
        let mut kept: Vec<(f64, String)> = Vec::new();
        for share in
            steps(share(low), share(high), 5.0).into_iter().filter(|share| (low..=high).contains(&logit(*share)))
        {
            // Keeps as many labels as fit side by side.
            if kept.last().is_none_or(|(before, _)| logit(share) - before > (high - low) / 8.0) {
                kept.push((logit(share), tick(share)));
            }
        }
        kept
    };
    let plot = Plot::new(300.0, x_range, y_range);
    let mut svg = plot.axes(&labels(y_range), &labels(x_range), "clean accuracy, %", "under attack, %");
    if let Ok(line) = &fitted.line {
        let ends = clipped(|x| line.intercept + line.slope * x, x_range, y_range);
        svg.push_str(&plot.line("trend", &ends, 0.0));
    }
    let point = |style: PlotStyle, words: &str, point: &RobustnessPoint| {
        let mark = plot.mark(style, inside(point.clean), inside(point.attacked), 0.0);
        format!(
            "<g><title>{words}: {} clean, {} attacked</title>{mark}</g>",
            percent(point.clean),
            percent(point.attacked)
        )
    };
    for (place, reference) in fitted.reference.iter().enumerate() {
        let (style, words) = if place == 0 { (BASE, "base") } else { (PASSED, "an earlier epoch") };
        svg.push_str(&point(style, words, reference));
    }
    svg.push_str(&point(TUNED, "last epoch", &fitted.last));
    plot.svg(&format!("Accuracy under {name} against clean accuracy in log-odds; the numbers are in the table"), &svg)
}

/// Returns both ends of the part of a line inside the ranges; empty where the line misses them.
fn clipped(at: impl Fn(f64) -> f64, [left, right]: [f64; 2], [low, high]: [f64; 2]) -> Vec<(f64, f64)> {
    const PARTS: u32 = 200;
    let places = (0..=PARTS).map(|part| left + (right - left) * f64::from(part) / f64::from(PARTS));
    let inside: Vec<(f64, f64)> = places.map(|x| (x, at(x))).filter(|(_, y)| (low..=high).contains(y)).collect();
    inside.first().into_iter().chain(inside.last()).copied().collect()
}
