#![doc = include_str!("../README.md")]

pub mod cases;
mod chain_flow;
mod denominators;
mod effective_robustness;
mod epoch_axis;
mod epsilon;
mod forgetting;
mod gain_by_condition;
pub mod heat;
mod hint_plane;
mod main_result;
pub mod markup;
mod metrics;
pub mod model_table;
pub mod page;
mod phase_axis;
pub mod plan;
mod plane;
pub mod plot;
mod point_names;
mod rate_scale;
mod retention;
mod robustness_by_epoch;
pub mod section;
mod sentences;
pub mod series;
mod sight_plane;
pub mod stage_curve;
pub mod strip;
mod subgroups;
pub mod table;
mod training;
mod worst_cases;

pub use stepwise_benchmark::run_report::{CsvFile, CurveStep, EpochResult, Report, ReportInput, TrainingCurve};

use section::ReportSection;

/// All sections in page order.
const SECTIONS: [fn(&ReportInput<'_>) -> Option<ReportSection>; 16] = [
    gain_by_condition::section,
    stage_curve::section,
    chain_flow::section,
    subgroups::section,
    hint_plane::section,
    sight_plane::section,
    sentences::section,
    robustness_by_epoch::section,
    retention::section,
    forgetting::section,
    effective_robustness::section,
    training::section,
    epsilon::section,
    worst_cases::section,
    metrics::section,
    denominators::section,
];

/// Renders the report of one run: the HTML page, which needs no other file, and its tables as CSV. Sections without
/// content are left out. No file is written.
#[must_use]
pub fn render(input: &ReportInput<'_>) -> Report {
    let sections: Vec<ReportSection> = SECTIONS.iter().filter_map(|section| section(input)).collect();
    let tables = sections.iter().flat_map(|section| &section.tables).map(|table| table.csv()).collect();
    Report { html: page::html(input, &sections), tables }
}
