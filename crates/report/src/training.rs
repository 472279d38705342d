//! Loss and learning rate over the training.

use super::CurveStep;
use super::ReportInput;
use super::phase_axis::{axes, phase_names};
use super::plot::{Plot, PlotStyle, RANKED, legend_lines, steps};
use super::rate_scale::{RateScale, short};
use super::section::ReportSection;
use super::table::{Cell, ReportTable};

/// Points of each curve at most; neighbouring steps are averaged above.
const MOST: usize = 500;

/// One point of the curves.
struct Point {
    step: f64,
    phase: String,
    loss: f64,
    smooth: f64,
    learning_rate: f64,
}

const SMOOTH: PlotStyle = RANKED[0];
const EVALUATION: PlotStyle = RANKED[1];

/// Renders the section `training`: charts of loss and learning rate over the optimiser steps. `None` without a training
/// curve or without logged steps.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let curve = input.training.filter(|curve| !curve.steps.is_empty())?;
    let (points, phases) = (points(&curve.steps), phases(&curve.steps));
    let evaluations: Vec<(f64, f64)> = curve
        .evaluations
        .iter()
        .filter(|(_, loss)| loss.is_finite())
        .map(|(step, loss)| (*step as f64, *loss))
        .collect();
    let total = phases.last().map_or(1, |(_, end)| *end);
    let losses = points.iter().map(|point| point.loss).chain(evaluations.iter().map(|(_, loss)| *loss));
    let most = losses.filter(|loss| loss.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
    let y_ticks: Vec<(f64, String)> = steps(0.0, most, 4.0).into_iter().map(|value| (value, short(value))).collect();
    let top = y_ticks[y_ticks.len() - 1].0;
    // Room for the names of the phases above the curves.
    let plot = Plot::new(300.0, [0.0, total as f64], [0.0, top * 1.1]);
    let line = |of: fn(&Point) -> f64| -> Vec<(f64, f64)> {
        points.iter().map(|point| (point.step, of(point))).filter(|(_, value)| value.is_finite()).collect()
    };
    let mut svg = axes(&plot, &phases, &y_ticks, "loss, nats per token");
    if phases.len() > 1 {
        svg.push_str(&phase_names(&plot, &phases, top * 1.1));
    }
    svg.push_str(&plot.line("raw", &line(|point| point.loss), 0.0));
    svg.push_str(&plot.line(SMOOTH.class, &line(|point| point.smooth), 0.0));
    svg.push_str(&plot.line(EVALUATION.class, &evaluations, 0.0));
    for (step, loss) in &evaluations {
        let mark = plot.mark(EVALUATION, *step, *loss, 0.0);
        svg.push_str(&format!("<g><title>evaluation loss after {step} steps: {loss:.4}</title>{mark}</g>"));
    }
    let mut entries = vec![("raw", "training loss"), (SMOOTH.class, "smoothed")];
    if !evaluations.is_empty() {
        entries.push((EVALUATION.class, "evaluation loss"));
    }
    let loss = legend_lines(&entries) + &plot.svg("Training loss over the steps; the numbers are in the table", &svg);
    Some(ReportSection {
        id: "training",
        title: "Loss and learning rate",
        intro: "Training loss is the mean over supervised tokens since the previous line of the log; the smoothed line is its \
                moving average. Evaluation loss is the mean over the tokens of the right answers to the clean evaluation \
                questions whose options are scored. Phases train on different questions, so \
                a step at the line between two phases need not be progress."
            .into(),
        body: format!("<div class=\"panels\"><div>{loss}</div><div>{}</div></div>", rate(&points, &phases)),
        tables: vec![table(&points, &evaluations)],
        half: false,
    })
}

/// Draws the learning rate.
fn rate(points: &[Point], phases: &[(String, usize)]) -> String {
    let rates: Vec<f64> = points.iter().map(|point| point.learning_rate).collect();
    let scale = RateScale::new(&rates);
    let total = phases.last().map_or(1, |(_, end)| *end);
    let plot = Plot::new(300.0, [0.0, total as f64], [0.0, scale.top()]);
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (point.step, point.learning_rate / scale.unit))
        .filter(|(_, y)| y.is_finite())
        .collect();
    let svg = axes(&plot, phases, &scale.ticks, &scale.name) + &plot.line("tuned", &line, 0.0);
    legend_lines(&[("tuned", "learning rate")])
        + &plot.svg("Learning rate over the steps; the numbers are in the table", &svg)
}

/// Averages neighbouring lines of one phase to at most about [`MOST`] points, and smooths their losses.
fn points(lines: &[CurveStep]) -> Vec<Point> {
    let most = lines.len().div_ceil(MOST);
    let mut points: Vec<Point> = Vec::new();
    for of_phase in lines.chunk_by(|a, b| a.phase == b.phase) {
        for chunk in of_phase.chunks(most) {
            let finite: Vec<f64> = chunk.iter().map(|line| line.loss).filter(|loss| loss.is_finite()).collect();
            let last = &chunk[chunk.len() - 1];
            let loss = if finite.is_empty() { f64::NAN } else { finite.iter().sum::<f64>() / finite.len() as f64 };
            points.push(Point {
                step: last.step as f64,
                phase: last.phase.clone(),
                loss,
                smooth: loss,
                learning_rate: last.learning_rate,
            });
        }
    }
    // Weight of the exponential moving average by the number of points, as in the loss plot of LLaMA-Factory.
    let weight = 1.8 * (1.0 / (1.0 + (-0.05 * points.len() as f64).exp()) - 0.5);
    let mut before: Option<f64> = None;
    for point in points.iter_mut().filter(|point| point.loss.is_finite()) {
        point.smooth = before.map_or(point.loss, |before| before * weight + (1.0 - weight) * point.loss);
        before = Some(point.smooth);
    }
    points
}

/// Name of each phase and the number of steps done at its end.
fn phases(lines: &[CurveStep]) -> Vec<(String, usize)> {
    let chunks = lines.chunk_by(|a, b| a.phase == b.phase);
    chunks.filter_map(|chunk| chunk.last().map(|line| (line.phase.clone(), line.step as usize))).collect()
}

fn table(points: &[Point], evaluations: &[(f64, f64)]) -> ReportTable {
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let rows = points.iter().map(|point| {
        let evaluated = evaluations.iter().find(|(step, _)| *step == point.step).map(|(_, loss)| *loss);
        [
            Cell::Count(point.step as usize),
            Cell::text(point.phase.as_str()),
            Cell::Digits(finite(point.loss)),
            Cell::Digits(finite(point.smooth)),
            Cell::Digits(evaluated),
            Cell::Digits(finite(point.learning_rate)),
        ]
    });
    ReportTable::new(
        "training",
        "loss and learning rate by step",
        [
            ("step", "step"),
            ("phase", "phase"),
            ("loss", "training loss"),
            ("smoothed", "smoothed"),
            ("evaluation_loss", "evaluation loss"),
            ("learning_rate", "learning rate"),
        ],
        rows,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(step: u64, phase: &str, loss: f64) -> CurveStep {
        CurveStep { step, phase: phase.into(), loss, learning_rate: 1e-4 }
    }

    #[test]
    fn long_logs_are_averaged_within_a_phase_and_smoothed() {
        let lines: Vec<CurveStep> =
            (1..=4000).map(|step| line(step, if step <= 1000 { "a" } else { "b" }, (step % 2) as f64)).collect();
        let points = points(&lines);
        assert!((450..=MOST + 2).contains(&points.len()), "{}", points.len());
        assert!(points.iter().all(|point| (point.loss - 0.5).abs() < 1e-9), "means of eight steps");
        assert_eq!(phases(&lines), [("a".to_owned(), 1000), ("b".to_owned(), 4000)]);
        let few = super::points(&[line(1, "a", 2.0), line(2, "a", 1.0), line(3, "a", f64::NAN), line(4, "a", 1.0)]);
        assert!(few[1].smooth < 2.0 && few[1].smooth > 1.0 && few[3].smooth < few[1].smooth);
    }
}
