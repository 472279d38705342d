//! Report of a run as data: what a page shows, and the rendered files. Pages are rendered elsewhere, by a [`Renderer`].

mod input;
mod rendered;
mod training_curve;

pub use input::{EpochResult, ReportInput};
pub use rendered::{CsvFile, Report};
pub use training_curve::{CurveStep, TrainingCurve};

/// Function that renders the report of a run. It writes no file.
pub type Renderer = fn(&ReportInput<'_>) -> Report;
