//! Rows of a forest plot: name, dot with interval on a common horizontal scale, and numbers.

use std::fmt::Write;

use stepwise_benchmark::summary::Estimate;

use super::plot::{steps, tick};

/// Estimate of one row of a forest plot, and how it is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Estimate, drawn as a dot with its interval; `None` draws nothing.
    pub found: Option<Estimate>,
    /// Whether the dot is filled, because a claim may rest on the estimate.
    pub is_clear: bool,
}

/// Horizontal scale that all rows of a forest plot share.
pub struct Scale {
    ticks: Vec<f64>,
    /// Whether values are differences, so that the line at zero is emphasised.
    is_gain: bool,
    label: fn(f64) -> String,
}

impl Scale {
    /// Creates a scale with labels in percent that covers all marks with their intervals. With `is_gain`, values are
    /// differences, and the scale covers at least -0.05 to 0.05; otherwise they are shares, and it covers at least 0 to
    /// 1.
    pub fn new(marks: impl Iterator<Item = Mark>, is_gain: bool) -> Self {
        let ends = marks.flat_map(|mark| {
            let (value, ci) = mark.found.map_or((None, None), |found| (found.value, found.ci));
            ci.into_iter().flatten().chain(value)
        });
        let least: (f64, f64) = if is_gain { (-0.05, 0.05) } else { (0.0, 1.0) };
        let (low, high) = ends.fold(least, |(low, high), end| (low.min(end), high.max(end)));
        Self { ticks: steps(low, high, 6.0), is_gain, label: tick }
    }

    /// Returns the scale with tick labels that are plain numbers with at most two decimals instead of percent.
    pub fn plain(self) -> Self {
        let label = |value: f64| format!("{}", (value * 100.0).round() / 100.0).replace('-', "\u{2212}");
        Self { label, ..self }
    }

    /// Returns the position of a value in percent of the width.
    fn place(&self, value: f64) -> f64 {
        let (low, high) = (self.ticks[0], self.ticks[self.ticks.len() - 1]);
        (value - low) / (high - low) * 100.0
    }

    /// Renders a row with the tick labels and, below them, the name of the axis, as markup. `name` is markup; an empty
    /// one is left out.
    pub fn axis(&self, name: &str) -> String {
        let mut svg: String = self
            .ticks
            .iter()
            .map(|value| {
                let (place, label) = (self.place(*value), (self.label)(*value));
                format!("<text x=\"{place:.2}%\" y=\"14\" text-anchor=\"middle\">{label}</text>")
            })
            .collect();
        let height = if name.is_empty() { 20 } else { 38 };
        if !name.is_empty() {
            let _ = write!(svg, "<text x=\"50%\" y=\"33\" text-anchor=\"middle\">{name}</text>");
        }
        format!(
            "<div class=\"row axis-row\"><span></span><span class=\"strip\"><svg height=\"{height}\" width=\"100%\" \
             aria-hidden=\"true\">{svg}</svg></span><span></span></div>"
        )
    }

    /// Renders one row as markup: name, mark on the scale, and result. `name`, `about` (its tooltip) and `result` are
    /// markup. A mark without a value has no dot, one without an interval no line.
    pub fn row(&self, (name, about): (&str, &str), mark: Mark, result: &str) -> String {
        let mut svg: String = self
            .ticks
            .iter()
            .map(|value| {
                let class = if self.is_gain && value.abs() < 1e-9 { "zero" } else { "grid" };
                let place = self.place(*value);
                format!("<line class=\"{class}\" x1=\"{place:.2}%\" x2=\"{place:.2}%\" y1=\"0\" y2=\"100%\"/>")
            })
            .collect();
        if let Some([low, high]) = mark.found.and_then(|estimate| estimate.ci) {
            let _ = write!(
                svg,
                "<line class=\"reach\" x1=\"{:.2}%\" x2=\"{:.2}%\" y1=\"50%\" y2=\"50%\"/>",
                self.place(low),
                self.place(high)
            );
        }
        if let Some(value) = mark.found.and_then(|estimate| estimate.value) {
            let class = if mark.is_clear { "tuned" } else { "unsure" };
            let _ =
                write!(svg, "<circle class=\"dot {class}\" cx=\"{:.2}%\" cy=\"50%\" r=\"5.5\"/>", self.place(value));
        }
        format!(
            "<div class=\"row\"><span class=\"name\" title=\"{about}\">{name}</span>\
             <span class=\"strip\"><svg class=\"row-strip\" width=\"100%\" aria-hidden=\"true\">{svg}</svg></span>\
             <span class=\"result\">{result}</span></div>"
        )
    }
}

/// Renders a heading between rows as markup, with the explanation `about` beside it. Both arguments are markup.
pub fn group(name: &str, about: &str) -> String {
    format!("<div class=\"group\"><b>{name}</b> <span>{about}</span></div>")
}
