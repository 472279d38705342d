//! Effective robustness: accuracy under an attack beyond the accuracy that clean accuracy predicts.

use stepwise_benchmark::effective_robustness::{RobustnessLine, RobustnessPoint, logit};
use stepwise_benchmark::summary::{ConditionSummary, Summary};

use super::ReportInput;
use super::markup::{escape, percent};
use super::plot::{BASE, PASSED, Plot, PlotStyle, TUNED, legend, steps, tick};
use super::point_names::names;
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// One attack with its line, or the reason why the line is refused.
struct Fitted<'a> {
    attack: &'a ConditionSummary,
    line: Result<RobustnessLine, String>,
    /// Base and other epochs, with their names.
    reference: Vec<(String, RobustnessPoint)>,
    model: RobustnessPoint,
}

/// Renders the section `effective`, for one attack of every family: accuracy under the attack against clean accuracy in
/// log-odds, the line fitted to the base and the other epochs, and the height above it of the epoch that the report is
/// about. The chart shows one attack and the table all; a line that cannot be used is replaced by the reason. `None`
/// where no attack has three points for a line, which takes at least two epochs besides the one that the report is
/// about.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let fitted: Vec<Fitted<'_>> = input.model().conditions.iter().filter_map(|attack| fit(input, attack)).collect();
    // Prefers attacks with a usable line, and among them primary endpoints.
    let drawn = fitted.iter().min_by_key(|fitted| (fitted.line.is_err(), !fitted.attack.primary))?;
    let rows = fitted.iter().map(|Fitted { attack, line: fitted, model, .. }| {
        let line = fitted.as_ref().ok();
        [
            Cell::text(attack.id.as_str()),
            Cell::Share(input.model().estimate("accuracy:clean")),
            Cell::Share(input.model().estimate(&format!("accuracy:{}", attack.id))),
            Cell::Number(line.map(|line| line.expected(model.clean.clamp(1e-6, 1.0 - 1e-6)) * 100.0)),
            Cell::Number(line.map(|line| line.residual(*model))),
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
             (Taori et al., 2020). The line here is fitted to the base and the other epochs: {} points of this run. The \
             effective robustness of {} is its height above the line. A line is refused if it does not \
             rise, or if the intervals of its lowest and highest clean accuracy overlap. The chart shows <b>{shown}</b>. So few \
             points give no interval.",
            drawn.reference.len(),
            escape(&input.model_label())
        ),
        body: legend(&[
            (BASE, "base".to_owned()),
            (PASSED, "other epochs".to_owned()),
            (TUNED, escape(&input.model_label())),
        ]) + &refused
            + &picture(drawn, &input.model_label(), &shown),
        tables: vec![table],
        half: true,
    })
}

fn fit<'a>(input: &ReportInput<'a>, attack: &'a ConditionSummary) -> Option<Fitted<'a>> {
    let others = input.others().map(|epoch| (epoch.name(), epoch.summary));
    let others: Vec<(String, &Summary)> = std::iter::once(("base".to_owned(), input.base)).chain(others).collect();
    let summaries: Vec<&Summary> = others.iter().map(|(_, summary)| *summary).collect();
    let points =
        others.into_iter().filter_map(|(name, summary)| Some((name, RobustnessPoint::of(summary, &attack.id)?)));
    let reference: Vec<(String, RobustnessPoint)> = points.collect();
    let model = RobustnessPoint::of(input.model(), &attack.id)?;
    let line = RobustnessLine::of(&summaries, &attack.id);
    let is_told = input.is_compared() && attack.representative && reference.len() >= RobustnessLine::FEWEST;
    is_told.then_some(Fitted { attack, line, reference, model })
}

/// Draws accuracy under attack against clean accuracy, both in log-odds.
fn picture(fitted: &Fitted<'_>, model: &str, name: &str) -> String {
    let inside = |share: f64| logit(share.clamp(0.005, 0.995));
    let all = || fitted.reference.iter().map(|(_, point)| point).chain([&fitted.model]);
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
        let (x, y, words) = (inside(point.clean), inside(point.attacked), escape(words));
        format!(
            "<g><title>{words}: {} clean, {} attacked</title>{}</g>",
            percent(point.clean),
            percent(point.attacked),
            plot.mark(style, x, y, 0.0)
        )
    };
    for (name, reference) in &fitted.reference {
        let style = if name == "base" { BASE } else { PASSED };
        svg.push_str(&point(style, name, reference));
    }
    svg.push_str(&point(TUNED, model, &fitted.model));
    let named = |name: &str, point: &RobustnessPoint| {
        let short = name.strip_prefix("epoch ").unwrap_or(name);
        (inside(point.clean), inside(point.attacked), short.to_owned())
    };
    let others = fitted.reference.iter().map(|(name, point)| named(name, point));
    let all: Vec<_> = std::iter::once(named(model, &fitted.model)).chain(others).collect();
    svg.push_str(&names(&plot, &all, &[]));
    plot.svg(&format!("Accuracy under {name} against clean accuracy in log-odds; the numbers are in the table"), &svg)
}

/// Returns both ends of the part of a line inside the ranges; empty where the line misses them.
fn clipped(at: impl Fn(f64) -> f64, [left, right]: [f64; 2], [low, high]: [f64; 2]) -> Vec<(f64, f64)> {
    const PARTS: u32 = 200;
    let places = (0..=PARTS).map(|part| left + (right - left) * f64::from(part) / f64::from(PARTS));
    let inside: Vec<(f64, f64)> = places.map(|x| (x, at(x))).filter(|(_, y)| (low..=high).contains(y)).collect();
    inside.first().into_iter().chain(inside.last()).copied().collect()
}
