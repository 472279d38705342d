#![doc = include_str!("../README.md")]

mod bccd;
mod brain_mri;
mod chain;
mod cxr;
mod formats;
mod import;
mod importers;
mod limits;
mod marks;
mod output;
mod pixels;
mod sides;
mod source_image;
#[cfg(test)]
mod tests;
mod xml;

pub use formats::{
    CASES, Columns, Counted, Detected, FORMATS, Flow, Format, FormatOptions, FormatReport, Mark, REPORT_SCHEMA,
    SplitChoice, SplitReport, Tally, detect, format, import_cases, import_format, import_format_observed,
};
pub use import::{ImportError, ImportOptions, ImportReport};
pub use importers::{IMPORTERS, Importer, importer};
pub use source_image::{
    DrawnOn, Facts, Intensity, PixelOptions, Plane, Refused, Slice, Slices, SourceImage, Volume, Window, WindowChoice,
    read as read_source_image,
};
