//! Clean accuracy of the four stages and accuracy under attack over the steps, for each arm.

use std::fmt::Write;

use stepwise_benchmark::summary::Estimate;
use stepwise_report::markup::{breakable, escape};
use stepwise_report::plot::{ATTACKED, Plot, RANKED};
use stepwise_report::section::ReportSection;
use stepwise_report::series::{self, Series};
use stepwise_report::stage_curve::NAMES;
use stepwise_report::table::{Cell, ReportTable};

use super::input::StudyInput;
use crate::summary::ArmRuns;

/// Metric of the dashed line.
const ATTACKED_ID: &str = "mean_attacked_accuracy";

/// One evaluated step of an arm: accuracies as means over seeds, and items of one seed.
struct Stop {
    step: u64,
    stages: [Option<f64>; 4],
    /// Number of items of each stage, in one seed.
    items: [usize; 4],
    attacked: Option<Estimate>,
}

/// Renders the section `curves`: clean accuracy of the four stages and accuracy under attack over the optimiser steps,
/// as means over seeds, with one chart per arm. `None` where no arm was evaluated at more than one step.
pub fn section(input: &StudyInput<'_>) -> Option<ReportSection> {
    let arms: Vec<(&ArmRuns, Vec<Stop>)> =
        input.runs.arms.iter().map(|arm| (arm, stops(arm))).filter(|(_, stops)| stops.len() > 1).collect();
    let drawn: Vec<(&ArmRuns, Vec<Series>, u64)> = arms
        .iter()
        .map(|(arm, stops)| (*arm, lines(stops), stops.last().map_or(1, |stop| stop.step)))
        .filter(|(_, lines, _)| !series::is_empty(lines))
        .collect();
    let (_, first, _) = drawn.first()?;
    let names = series::names(first);
    let every: Vec<Series> = arms.iter().flat_map(|(_, stops)| lines(stops)).collect();
    let y_ticks = series::ticks(&every, [0.4, 0.6]);
    let mut panels = String::new();
    for (arm, lines, last) in &drawn {
        let end = *last as f64;
        let plot = Plot::new(270.0, [-0.03 * end, 1.03 * end], [y_ticks[0].0, y_ticks[y_ticks.len() - 1].0]);
        let mut svg =
            plot.axes(&y_ticks, &phase_ends(arm, *last), "optimiser steps; a line ends each phase", "accuracy, %");
        for (at, _) in phase_ends(arm, *last).iter().skip(1) {
            svg.push_str(&plot.line("trend", &[(*at, y_ticks[0].0), (*at, y_ticks[y_ticks.len() - 1].0)], 0.0));
        }
        svg.push_str(&series::draw_together(&plot, lines));
        let words = format!(
            "Clean accuracy of each stage, and accuracy under attack, over the steps of {}; the numbers are in the table",
            escape(&arm.name)
        );
        let _ =
            write!(panels, "<div><h3 class=\"panel\">{}</h3>{}</div>", breakable(&arm.name), plot.svg(&words, &svg));
    }
    let rows = arms.iter().flat_map(|(arm, stops)| {
        stops.iter().map(|stop| {
            let share =
                |value: Option<f64>| Cell::Share(Some(Estimate { value, n: arm.runs.len(), ..Estimate::default() }));
            let [first, second, third, fourth] = stop.stages.map(share);
            let step = Cell::Count(stop.step as usize);
            [
                Cell::text(arm.name.as_str()),
                step,
                first,
                second,
                third,
                fourth,
                share(stop.attacked.and_then(|found| found.value)),
            ]
        })
    });
    let table = ReportTable::new(
        "curves",
        "accuracy by arm and step, means over seeds",
        [
            ("arm", "arm"),
            ("step", "step"),
            ("stage_1", NAMES[0]),
            ("stage_2", NAMES[1]),
            ("stage_3", NAMES[2]),
            ("stage_4", NAMES[3]),
            ("attacked", "under attack, mean"),
        ],
        rows,
    );
    Some(ReportSection {
        id: "curves",
        title: "Accuracy over the steps",
        intro: "Clean accuracy of the four stages over the steps (solid), and accuracy under attack as the mean over attack families \
                (dashed). All values are means over seeds, and all arms share one scale. Denominators in the table count seeds."
            .into(),
        body: format!("{names}<div class=\"panels\">{panels}</div>"),
        tables: vec![table],
        half: false,
    })
}

/// Returns the evaluated steps that all seeds of an arm have.
fn stops(arm: &ArmRuns) -> Vec<Stop> {
    let Some(first) = arm.runs.first() else { return Vec::new() };
    let of_step = |step: u64| {
        let summaries: Option<Vec<_>> = arm
            .runs
            .iter()
            .map(|run| run.stops.iter().find(|(at, _)| *at == step).map(|(_, summary)| summary))
            .collect();
        let summaries = summaries?;
        let mean = |id: &str| {
            let values = summaries.iter().map(|summary| summary.estimate(id).and_then(|found| found.value));
            Some(values.sum::<Option<f64>>()? / summaries.len() as f64)
        };
        let stages = [1, 2, 3, 4].map(|stage| mean(&format!("accuracy:clean:stage_{stage}")));
        let items = [1, 2, 3, 4].map(|stage| {
            summaries[0].estimate(&format!("accuracy:clean:stage_{stage}")).map_or(0, |estimate| estimate.n)
        });
        let attacked = summaries[0].estimate(ATTACKED_ID).map(|found| Estimate { value: mean(ATTACKED_ID), ..found });
        Some(Stop { step, stages, items, attacked })
    };
    first.stops.iter().filter_map(|(step, _)| of_step(*step)).collect()
}

fn lines(stops: &[Stop]) -> Vec<Series> {
    let points = |of: &dyn Fn(&Stop) -> Option<(f64, usize)>| {
        let point = |stop: &Stop| {
            let (value, n) = of(stop)?;
            Some((
                stop.step as f64,
                format!("step {}", stop.step),
                Estimate { value: Some(value), n, ..Estimate::default() },
            ))
        };
        stops.iter().filter_map(point).collect()
    };
    let of_stage = |(stage, (name, style)): (usize, (&&str, _))| Series {
        style,
        name: (*name).to_owned(),
        points: points(&|stop| Some((stop.stages[stage]?, stop.items[stage]))),
    };
    let attacked = Series {
        style: ATTACKED,
        name: "under attack".to_owned(),
        points: points(&|stop| Some((stop.attacked?.value?, stop.attacked?.n))),
    };
    NAMES.iter().zip(RANKED).enumerate().map(of_stage).chain([attacked]).collect()
}

/// Returns ticks at step 0, at the end of each phase, and at the last step.
fn phase_ends(arm: &ArmRuns, last: u64) -> Vec<(f64, String)> {
    let phases =
        arm.runs.first().and_then(|run| run.forgetting.as_ref()).map_or(&[][..], |forgetting| &forgetting.phases);
    let mut ends: Vec<u64> = std::iter::once(0).chain(phases.iter().map(|phase| phase.step)).collect();
    if ends.last() != Some(&last) {
        ends.push(last);
    }
    ends.into_iter().map(|step| (step as f64, step.to_string())).collect()
}
