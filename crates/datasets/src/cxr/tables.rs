//! Readers of the two tables of the chest X-ray data set: `metadata.csv` and `structure.csv`.

use std::path::{Component, Path};

use stepwise_data::problem::{Problem, Problems};

use crate::import::ImportError;

/// Row of `metadata.csv`: one image. Values are as in the table, without surrounding white space.
pub(super) struct Picture {
    /// Line of the file, from 1.
    pub(super) row: usize,
    /// Id of the patient; not empty.
    pub(super) patient: String,
    /// Recorded diagnosis; not empty.
    pub(super) finding: String,
    /// View, such as `PA`; may be empty.
    pub(super) view: String,
    /// Modality; only images with `X-ray` are imported.
    pub(super) modality: String,
    /// Name of the image file in `images/`.
    pub(super) filename: String,
    /// Licence of the image; not empty.
    pub(super) licence: String,
    /// Clinical notes; may be empty.
    pub(super) notes: String,
    /// Whether the patient was intubated at some time, or on the image.
    pub(super) intubated: bool,
}

/// Row of `structure.csv`: one marked structure.
pub(super) struct Marking {
    /// Line of the file, from 1.
    pub(super) row: usize,
    /// Name of the structure's class.
    pub(super) class: String,
    /// Name of the image file that the structure is marked on.
    pub(super) filename: String,
    /// Path of the mask, relative to the data set's folder; None when the row has no mask.
    pub(super) mask: Option<String>,
    /// Width and height of the marked image in pixels.
    pub(super) resolution: [u32; 2],
    /// Left, top, width and height of the box in pixels.
    pub(super) place: [u32; 4],
}

/// Reads `metadata.csv` at `path`, in the order of its rows.
///
/// # Errors
/// When the table cannot be read or lacks a column, or a row has an empty patient, finding or licence or no valid file
/// name; the problems of all rows are reported.
pub(super) fn pictures(path: &Path) -> Result<Vec<Picture>, ImportError> {
    let columns = ["patientid", "finding", "view", "modality", "filename", "license", "clinical_notes"];
    let tubes = ["intubated", "intubation_present"];
    read(path, columns, tubes, |row, [patient, finding, view, modality, filename, licence, notes], tubes, problems| {
        let at = |field: &str, what: String, advice: &str| Problem::new(path, what, advice).at_row(row).in_field(field);
        for (field, value) in [("patientid", patient), ("finding", finding), ("license", licence)] {
            if value.is_empty() {
                problems.push(at(field, "is empty".into(), "fill it in, or remove the row"));
            }
        }
        if !inside(filename) || Path::new(filename).components().count() != 1 {
            problems.push(at("filename", format!("{filename:?} is not a file name"), "name a file in images/"));
        }
        let [patient, finding, view, modality, filename, licence, notes] =
            [patient, finding, view, modality, filename, licence, notes].map(str::to_owned);
        let intubated = tubes.contains(&"Y");
        Picture { row, patient, finding, view, modality, filename, licence, notes, intubated }
    })
}

/// Reads `structure.csv` at `path`, in the order of its rows.
///
/// # Errors
/// When the table cannot be read or lacks a column, or a row has a wrong size, box or mask path; the problems of all
/// rows are reported.
pub(super) fn markings(path: &Path) -> Result<Vec<Marking>, ImportError> {
    let columns = ["Template Name", "Filename", "Mask", "Resolution", "Left", "Top", "Width", "Height"];
    read(path, columns, [], |row, [class, filename, mask, resolution, left, top, width, height], [], problems| {
        let at = |field: &str, what: String, advice: &str| Problem::new(path, what, advice).at_row(row).in_field(field);
        let resolution_read = resolution.split_once('x').and_then(|(w, h)| Some([w.parse().ok()?, h.parse().ok()?]));
        if resolution_read.is_none() {
            let what = format!("{resolution:?} is not a size");
            problems.push(at("Resolution", what, "write the image's width and height, for example 943x751"));
        }
        if !mask.is_empty() && !inside(mask) {
            let what = format!("{mask:?} leads out of the data set's folder");
            problems.push(at("Mask", what, "name a file in masks/"));
        }
        let mut place = [0; 4];
        for ((value, field), text) in
            place.iter_mut().zip(["Left", "Top", "Width", "Height"]).zip([left, top, width, height])
        {
            match text.parse() {
                Ok(number) => *value = number,
                Err(_) => problems.push(at(field, format!("{text:?} is not a whole number"), "give pixels, 0 or more")),
            }
        }
        Marking {
            row,
            class: class.to_owned(),
            filename: filename.to_owned(),
            mask: (!mask.is_empty()).then(|| mask.to_owned()),
            resolution: resolution_read.unwrap_or_default(),
            place,
        }
    })
}

/// Returns whether a path is relative and stays inside its folder.
fn inside(path: &str) -> bool {
    !path.is_empty() && Path::new(path).components().all(|part| matches!(part, Component::Normal(_)))
}

/// Reads the named columns of a table and converts each row with `row`. Columns of `optional` may be missing; their values
/// are then empty. Reports the problems of all rows at once.
fn read<T, const N: usize, const M: usize>(
    path: &Path,
    columns: [&str; N],
    optional: [&str; M],
    mut row: impl FnMut(usize, [&str; N], [&str; M], &mut Vec<Problem>) -> T,
) -> Result<Vec<T>, ImportError> {
    let unreadable = |error: &csv::Error| {
        let advice = "give the data set's own folder, with its tables unchanged";
        let problem = Problem::new(path, format!("cannot be read: {error}"), advice);
        match error.position() {
            Some(position) => problem.at_row(position.line() as usize),
            None => problem,
        }
    };
    let mut table = csv::Reader::from_path(path).map_err(|error| unreadable(&error))?;
    let headers = table.headers().map_err(|error| unreadable(&error))?.clone();
    let mut problems = Vec::new();
    // The first column name may start with a byte order mark.
    let find = |column: &str| headers.iter().position(|header| header.trim_start_matches('\u{feff}') == column);
    let places = columns.map(|column| {
        let place = find(column);
        if place.is_none() {
            let problem = Problem::new(path, "this column is missing", "use the data set's own table, with its header");
            problems.push(problem.at_row(1).in_field(column));
        }
        place
    });
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    let more = optional.map(find);
    let mut rows = Vec::new();
    for record in table.records() {
        match record {
            Ok(record) => {
                let line = record.position().map_or(0, |position| position.line() as usize);
                let value = |place: Option<usize>| place.and_then(|place| record.get(place)).unwrap_or_default().trim();
                rows.push(row(line, places.map(value), more.map(value), &mut problems));
            }
            Err(error) => problems.push(unreadable(&error)),
        }
    }
    if problems.is_empty() { Ok(rows) } else { Err(Problems(problems).into()) }
}
