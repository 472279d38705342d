//! Planes of two metrics: one mark for the base and each epoch of a run, or for each model of a table.

use stepwise_benchmark::model_table::ModelTable;
use stepwise_benchmark::summary::{Estimate, Summary};

use crate::ReportInput;
use crate::epoch_axis;
use crate::markup::{escape, spoken};
use crate::plot::{BASE, PASSED, Plot, PlotStyle, TUNED, legend, tick};
use crate::point_names::names;

/// Ranges of both axes, the horizontal one first, with room for the words in the corners.
const RANGES: [[f64; 2]; 2] = [[-0.03, 1.03], [-0.12, 1.12]];

/// Two metrics, shares of 1, against each other.
pub(crate) struct Plane {
    /// Name for screen readers, vertical metric first.
    pub name: &'static str,
    /// Metric of the horizontal axis.
    pub x: PlaneAxis,
    /// Metric of the vertical axis.
    pub y: PlaneAxis,
    /// Ends of a dotted line (x, y) in values of the axes.
    pub reference: [(f64, f64); 2],
    /// Meaning of the corners: upper left, lower right, upper right, lower left.
    pub corners: [&'static str; 4],
}

/// Metric of one axis.
pub(crate) struct PlaneAxis {
    /// Id of the metric.
    pub id: &'static str,
    /// Name in running text.
    pub word: &'static str,
    /// Title of the axis, as markup.
    pub title: &'static str,
}

/// Both values of one model.
struct Point {
    /// Index of the model among all models.
    place: usize,
    x: Estimate,
    y: Estimate,
}

impl Point {
    fn at(&self) -> (f64, f64) {
        (self.x.value.unwrap_or_default(), self.y.value.unwrap_or_default())
    }
}

impl Plane {
    /// Draws base and epochs of a run, joined by a line in their order, with the intervals of the base and of the model
    /// that the report is about. Returns markup; None where neither the base nor an epoch has values of both metrics.
    pub fn of_run(&self, input: &ReportInput<'_>) -> Option<String> {
        let stops = epoch_axis::stops(input);
        let points =
            self.points(stops.iter().map(|(_, _, summary)| *summary), |summary: &Summary, id| summary.estimate(id))?;
        let model = input.model_index().map_or(0, |index| index + 1);
        let plot = Plot::new(340.0, RANGES[0], RANGES[1]);
        let mut svg = self.ground(&plot);
        svg.push_str(&plot.line("trail", &points.iter().map(Point::at).collect::<Vec<_>>(), 0.0));
        let mut intervals = Vec::new();
        for point in &points {
            let style: PlotStyle = match point.place {
                0 => BASE,
                place if place == model => TUNED,
                _ => PASSED,
            };
            let (x, y) = point.at();
            let mut drawn = String::new();
            // Intervals of all epochs would hide the line between them.
            if point.place == 0 || point.place == model {
                drawn.extend(point.x.ci.map(|ci| plot.across(style.class, y, ci)));
                drawn.extend(point.y.ci.map(|ci| plot.interval(style.class, x, 0.0, ci)));
                intervals.extend(point.x.ci.map(|[low, high]| [(low, y), (high, y)]));
                intervals.extend(point.y.ci.map(|[low, high]| [(x, low), (x, high)]));
            }
            svg.push_str(&self.mark(&plot, style, &stops[point.place].1, point, &drawn));
        }
        let short = |place: usize| place.checked_sub(1).map_or("base", |index| input.epochs[index].label).to_owned();
        svg.push_str(&names(&plot, &named(&points, short), &intervals));
        let mut entries = vec![(BASE, "base".to_owned())];
        if points.len() > 2 {
            entries.push((PASSED, "other epochs".to_owned()));
        }
        if input.is_compared() {
            entries.push((TUNED, escape(&input.model_label())));
        }
        let description = format!("{}, base and epochs; the numbers are in the table", self.name);
        Some(legend(&entries) + &plot.svg(&description, &svg))
    }

    /// Draws the models of a table, numbered in their order, with a list of the numbers. `estimate` gives the metric
    /// with an id of the model at an index. Returns markup; None where no model has values of both metrics.
    pub fn of_models(
        &self,
        table: &ModelTable,
        estimate: impl Fn(usize, &'static str) -> Option<Estimate>,
    ) -> Option<String> {
        let points = self.points(0..table.models.len(), estimate)?;
        let plot = Plot::new(380.0, RANGES[0], RANGES[1]);
        let mut svg = self.ground(&plot);
        for point in &points {
            let name = format!("{} {}", point.place + 1, table.models[point.place].name);
            svg.push_str(&self.mark(&plot, TUNED, &name, point, ""));
        }
        svg.push_str(&names(&plot, &named(&points, |place| (place + 1).to_string()), &[]));
        let list: String = table.models.iter().map(|model| format!("<li>{}</li>", escape(&model.name))).collect();
        let description = format!("{}, all models; the numbers are in the table", self.name);
        Some(format!("{}<ol class=\"numbered\">{list}</ol>", plot.svg(&description, &svg)))
    }

    /// Collects the models that have values of both metrics; None without any.
    fn points<M>(
        &self,
        models: impl Iterator<Item = M>,
        estimate: impl Fn(M, &'static str) -> Option<Estimate>,
    ) -> Option<Vec<Point>>
    where
        M: Copy,
    {
        let valued = |model, axis: &PlaneAxis| estimate(model, axis.id).filter(|estimate| estimate.value.is_some());
        let points: Vec<Point> = models
            .enumerate()
            .filter_map(|(place, model)| Some(Point { place, x: valued(model, &self.x)?, y: valued(model, &self.y)? }))
            .collect();
        (!points.is_empty()).then_some(points)
    }

    /// Draws axes, reference line and the words in the corners.
    fn ground(&self, plot: &Plot) -> String {
        let ticks: Vec<_> = [0.0, 0.25, 0.5, 0.75, 1.0].map(|value| (value, tick(value))).to_vec();
        let mut svg = plot.axes(&ticks, &ticks, self.x.title, self.y.title);
        svg.push_str(&plot.line("diagonal", &self.reference, 0.0));
        let places = [(0.0, 1.06, "start"), (1.0, -0.085, "end"), (1.0, 1.06, "end"), (0.0, -0.085, "start")];
        for ((x, y, anchor), words) in places.into_iter().zip(self.corners) {
            svg.push_str(&format!(
                "<text class=\"corner\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{words}</text>",
                plot.x(x),
                plot.y(y)
            ));
        }
        svg
    }

    /// Draws a mark with its values as a tooltip, above the `intervals`.
    fn mark(&self, plot: &Plot, style: PlotStyle, name: &str, point: &Point, intervals: &str) -> String {
        let (x, y) = point.at();
        format!(
            "<g><title>{}: {} {}, {} {}</title>{intervals}{}</g>",
            escape(name),
            self.x.word,
            spoken(point.x),
            self.y.word,
            spoken(point.y),
            plot.mark(style, x, y, 0.0)
        )
    }
}

fn named(points: &[Point], name: impl Fn(usize) -> String) -> Vec<(f64, f64, String)> {
    points.iter().map(|point| (point.at().0, point.at().1, name(point.place))).collect()
}
