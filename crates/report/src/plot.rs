//! Plot area: maps numbers to positions in an SVG and draws axes. Colours come from the page's style sheet by class.

use std::fmt::Write;

/// Width of every plot in SVG units, which `viewBox` uses. The page scales plots to the width of their column.
pub const WIDTH: f64 = 440.0;

/// Plot area with a horizontal and a vertical scale, which maps values to positions in an SVG.
pub struct Plot {
    height: f64,
    x_range: [f64; 2],
    y_range: [f64; 2],
}

const LEFT: f64 = 46.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 44.0;

impl Plot {
    /// Creates a plot of this height, in SVG units with the labels of the axes, over the ranges `[low, high]` of the
    /// values. A low bound must differ from its high bound; otherwise positions are NaN or infinite.
    pub fn new(height: f64, x_range: [f64; 2], y_range: [f64; 2]) -> Self {
        Self { height, x_range, y_range }
    }

    /// Returns the horizontal position of `value` in SVG units; outside the plot for a value outside the range.
    pub fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x_range[0]) / (self.x_range[1] - self.x_range[0]) * (WIDTH - LEFT - RIGHT)
    }

    /// Returns the vertical position of `value` in SVG units; outside the plot for a value outside the range.
    pub fn y(&self, value: f64) -> f64 {
        let share = (value - self.y_range[0]) / (self.y_range[1] - self.y_range[0]);
        self.height - BOTTOM - share * (self.height - TOP - BOTTOM)
    }

    /// Draws grid lines with labels for `y_ticks`, labels for `x_ticks` (each a value and its label), and the names
    /// `x_name` and `y_name` of both axes. Returns SVG; labels and names are markup.
    pub fn axes(&self, y_ticks: &[(f64, String)], x_ticks: &[(f64, String)], x_name: &str, y_name: &str) -> String {
        let mut svg = String::new();
        for (value, label) in y_ticks {
            let y = self.y(*value);
            let _ = write!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text class=\"tick\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                WIDTH - RIGHT,
                LEFT - 6.0,
                y + 4.0
            );
        }
        for (value, label) in x_ticks {
            let (x, y) = (self.x(*value), self.height - BOTTOM + 17.0);
            let _ = write!(svg, "<text class=\"tick\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"middle\">{label}</text>");
        }
        let (middle, centre) = ((LEFT + WIDTH - RIGHT) / 2.0, (TOP + self.height - BOTTOM) / 2.0);
        let _ = write!(
            svg,
            "<text class=\"axis\" x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x_name}</text>\
             <text class=\"axis\" transform=\"translate(11 {centre:.1}) rotate(-90)\" text-anchor=\"middle\">{y_name}</text>",
            self.height - 8.0
        );
        svg
    }

    /// Draws a line through `points` `(x, y)` in values of the axes, shifted right by `shift` SVG units. `class` is its
    /// class in the page's style sheet. Returns SVG.
    pub fn line(&self, class: &str, points: &[(f64, f64)], shift: f64) -> String {
        let places: Vec<String> =
            points.iter().map(|(x, y)| format!("{:.1},{:.1}", self.x(*x) + shift, self.y(*y))).collect();
        format!("<polyline class=\"line {class}\" points=\"{}\"/>", places.join(" "))
    }

    /// Draws a vertical interval from `low` to `high` at `x`, all in values of the axes, shifted right by `shift` SVG
    /// units. `class` is its class in the page's style sheet. Returns SVG.
    pub fn interval(&self, class: &str, x: f64, shift: f64, [low, high]: [f64; 2]) -> String {
        let (x, low, high) = (self.x(x) + shift, self.y(low), self.y(high));
        format!(
            "<path class=\"whisker {class}\" d=\"M{x:.1} {low:.1}V{high:.1}M{:.1} {low:.1}h8M{:.1} {high:.1}h8\"/>",
            x - 4.0,
            x - 4.0
        )
    }

    /// Draws a horizontal interval from `low` to `high` at `y`, all in values of the axes. `class` is its class in the
    /// page's style sheet. Returns SVG.
    pub fn across(&self, class: &str, y: f64, [low, high]: [f64; 2]) -> String {
        let (y, low, high) = (self.y(y), self.x(low), self.x(high));
        format!(
            "<path class=\"whisker {class}\" d=\"M{low:.1} {y:.1}H{high:.1}M{low:.1} {:.1}v8M{high:.1} {:.1}v8\"/>",
            y - 4.0,
            y - 4.0
        )
    }

    /// Draws the mark of a series with this `style` at (`x`, `y`) in values of the axes, shifted right by `shift` SVG
    /// units. Returns SVG.
    pub fn mark(&self, style: PlotStyle, x: f64, y: f64, shift: f64) -> String {
        style.at(self.x(x) + shift, self.y(y))
    }

    /// Wraps `inside`, SVG drawn with this plot, in an SVG element and returns it. `description` is read by screen
    /// readers; it is markup without double quotes.
    pub fn svg(&self, description: &str, inside: &str) -> String {
        format!(
            "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{description}\">{inside}</svg>",
            self.height
        )
    }
}

/// Returns round tick values that divide `[low, high]` into about `count` parts. The first is at or below `low`, the
/// last at or above `high`; there are at least two. `low` must not exceed `high`.
pub fn steps(low: f64, high: f64, count: f64) -> Vec<f64> {
    let raw = ((high - low) / count).max(1e-6);
    let power = 10f64.powf(raw.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|unit| unit * power).find(|step| *step >= raw * 0.999);
    let step = step.unwrap_or(10.0 * power);
    let (first, last) = ((low / step + 1e-9).floor() as i64, (high / step - 1e-9).ceil() as i64);
    (first..=last.max(first + 1)).map(|place| place as f64 * step).collect()
}

/// Formats a share of 1 as a tick label in percent (at most one decimal, without the sign %), with a minus sign U+2212.
pub fn tick(value: f64) -> String {
    let text = format!("{}", (value * 1000.0).round() / 10.0);
    if text == "-0" { "0".to_owned() } else { text.replace('-', "\u{2212}") }
}

/// Look of a series: a colour and a shape, so that series differ without colour as well.
#[derive(Clone, Copy)]
pub struct PlotStyle {
    /// Class in the page's style sheet.
    pub class: &'static str,
    shape: Shape,
}

#[derive(Clone, Copy)]
enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// Style of the untouched base in all charts.
pub const BASE: PlotStyle = PlotStyle { class: "base", shape: Shape::Circle };
/// Style of the epoch that the report is about, which is compared with the base.
pub const TUNED: PlotStyle = PlotStyle { class: "tuned", shape: Shape::Circle };
/// Style of an epoch that the report is not about, in all charts.
pub const PASSED: PlotStyle = PlotStyle { class: "passed", shape: Shape::Circle };
/// Style of accuracy under attack, in charts with [`RANKED`] series.
pub const ATTACKED: PlotStyle = PlotStyle { class: "attacked", shape: Shape::Cross };
/// Styles of up to four series of equal rank, such as the clinical stages.
pub const RANKED: [PlotStyle; 4] = [
    PlotStyle { class: "c0", shape: Shape::Circle },
    PlotStyle { class: "c1", shape: Shape::Square },
    PlotStyle { class: "c2", shape: Shape::Triangle },
    PlotStyle { class: "c3", shape: Shape::Diamond },
];

impl PlotStyle {
    /// Draws the mark at a position in SVG units.
    fn at(self, x: f64, y: f64) -> String {
        let class = self.class;
        let corners = |places: &[(f64, f64)]| {
            let places: Vec<String> = places.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
            format!("<polygon class=\"dot {class}\" points=\"{}\"/>", places.join(" "))
        };
        match self.shape {
            Shape::Circle => format!("<circle class=\"dot {class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4.8\"/>"),
            Shape::Square => corners(&[(-4.4, -4.4), (4.4, -4.4), (4.4, 4.4), (-4.4, 4.4)]),
            Shape::Triangle => corners(&[(0.0, -5.6), (5.2, 4.0), (-5.2, 4.0)]),
            Shape::Diamond => corners(&[(0.0, -6.2), (5.6, 0.0), (0.0, 6.2), (-5.6, 0.0)]),
            Shape::Cross => {
                let (left, top) = (x - 4.4, y - 4.4);
                format!("<path class=\"dot {class}\" d=\"M{left:.1} {top:.1}l8.8 8.8m0 -8.8l-8.8 8.8\"/>")
            }
        }
    }
}

/// Renders a legend as markup: for each entry the mark of its style and its name. Names are markup.
pub fn legend(entries: &[(PlotStyle, String)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(style, name)| {
            format!("<span><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\">{}</svg>{name}</span>", style.at(8.0, 8.0))
        })
        .collect();
    format!("<p class=\"legend\">{entries}</p>")
}

/// Renders a legend of lines as markup: for each entry a line of the class in the page's style sheet, and the name.
/// Names are markup.
pub fn legend_lines(entries: &[(&str, &str)]) -> String {
    let entries: String = entries
        .iter()
        .map(|(class, name)| {
            let line = format!("<polyline class=\"line {class}\" points=\"0,8 16,8\"/>");
            format!("<span><svg viewBox=\"0 0 16 16\" aria-hidden=\"true\">{line}</svg>{name}</span>")
        })
        .collect();
    format!("<p class=\"legend\">{entries}</p>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn steps_are_round() {
        assert_eq!(steps(0.0, 1.0, 5.0), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
        assert_eq!(steps(-0.13, 0.07, 4.0), [-0.15000000000000002, -0.1, -0.05, 0.0, 0.05, 0.1]);
        assert_eq!([tick(-0.05), tick(0.0), tick(0.125)], ["\u{2212}5", "0", "12.5"]);
    }

    proptest! {
        #[test]
        fn steps_cover_the_range(low in -1.0f64..1.0, width in 0.0f64..2.0, count in 2.0f64..8.0) {
            let steps = steps(low, low + width, count);
            prop_assert!(steps[0] <= low + 1e-6 && steps[steps.len() - 1] >= low + width - 1e-6);
            prop_assert!((2..=20).contains(&steps.len()), "{:?}", steps);
        }
    }
}
