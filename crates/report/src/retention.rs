//! Forgetting: best earlier accuracy of each stage against the accuracy of the model.

use stepwise_benchmark::metrics::Better;
use stepwise_benchmark::retention::{StageAccuracies, retention, stage_accuracies};
use stepwise_benchmark::summary::Estimate;

use super::ReportInput;
use super::epoch_axis;
use super::markup::escape;
use super::plot::{Plot, RANKED};
use super::section::ReportSection;
use super::series::{self, Series};
use super::stage_curve::NAMES;
use super::table::{Cell, ReportTable};

/// Renders the section `retention`: the clean accuracy of each stage by epoch, and its forgetting, the best accuracy of
/// the base and the earlier epochs less that of the epoch that the report is about. `None` without epochs, or where no
/// stage has an item.
pub fn section(input: &ReportInput<'_>) -> Option<ReportSection> {
    let (stops, last) = (epoch_axis::stops(input), input.model());
    let id = |stage: usize| format!("accuracy:clean:stage_{}", stage + 1);
    let lines = NAMES.iter().zip(RANKED).enumerate();
    let all: Vec<Series> =
        lines.map(|(stage, (name, style))| Series::of(style, *name, &id(stage), stops.clone())).collect();
    if !input.is_compared() || series::is_empty(&all) {
        return None;
    }
    let y_ticks = series::ticks(&all, [0.4, 0.6]);
    let plot: Plot = epoch_axis::plot(input, [y_ticks[0].0, y_ticks[y_ticks.len() - 1].0]);
    let svg = plot.axes(&y_ticks, &epoch_axis::ticks(input), "epoch", "clean accuracy, %") + &series::draw(&plot, &all);

    let through = input.model_index().map_or(0, |index| index + 1);
    let accuracies: Vec<StageAccuracies> =
        stops.iter().take(through + 1).map(|(_, _, summary)| stage_accuracies(summary)).collect();
    let kept = retention(&accuracies);
    let rows = NAMES.iter().enumerate().map(|(stage, name)| {
        let now = last.estimate(&id(stage));
        let of = |value: Option<f64>| Some(Estimate { value, n: now.map_or(0, |now| now.n), ..Estimate::default() });
        [
            Cell::text(*name),
            Cell::Share(input.base.estimate(&id(stage))),
            Cell::Share(of(kept[stage].map(|kept| kept.best))),
            Cell::Share(now),
            Cell::Gain(last.gain(&id(stage)), Better::Higher),
            Cell::Points(of(kept[stage].map(|kept| kept.forgetting()))),
        ]
    });
    let table = ReportTable::new(
        "retention",
        "clean accuracy by stage and epoch",
        [
            ("stage", "stage"),
            ("base", "base"),
            ("best_before", "best before"),
            ("now", "model"),
            ("gain", "gain over the base, percentage points"),
            ("forgetting", "forgetting, percentage points"),
        ],
        rows,
    );
    Some(ReportSection {
        id: "retention",
        title: "Forgetting by stage",
        intro: format!(
            "Clean accuracy of each stage. Forgetting is the best accuracy of the base and all earlier epochs minus the \
             accuracy of {0} (Chaudhry et al., 2018). The maximum of several values is biased upwards, so forgetting has no \
             interval. Below zero, {0} is the best of them.",
            escape(&input.model_label())
        ),
        body: series::names(&all)
            + &plot.svg("Clean accuracy of each stage by epoch; the numbers are in the table", &svg),
        tables: vec![table],
        half: true,
    })
}
