//! Recognition of the format of a folder.

use std::path::Path;

use stepwise_data::problem::{Problem, Problems};

use super::format::Format;
use super::sets::FORMATS;

/// Format of a source with what speaks for it.
pub struct Detected {
    /// The format.
    pub format: &'static dyn Format,
    /// Files and fields by which it was recognised.
    pub evidence: Vec<String>,
}

/// Returns the only format that fits `source`.
///
/// # Errors
/// When `source` does not exist, no format fits, or more than one does. The message names what was looked for.
pub fn detect(source: &Path) -> Result<Detected, Problems> {
    if !source.exists() {
        return Err(Problem::new(source, "does not exist", "give the folder or file of the data set").into());
    }
    let fits = FORMATS.iter().filter_map(|format| Some(Detected { format: *format, evidence: format.detect(source)? }));
    let mut fits: Vec<Detected> = fits.collect();
    match fits.len() {
        1 => Ok(fits.remove(0)),
        0 => Err(unknown(source).into()),
        _ => {
            let all: Vec<String> =
                fits.iter().map(|fit| format!("{} ({})", fit.format.name(), fit.evidence.join(", "))).collect();
            let what = format!("fits {} formats: {}", fits.len(), all.join(" and "));
            let advice = "name one of them instead of auto, or give a folder with one of them only";
            Err(Problem::new(source, what, advice).into())
        }
    }
}

fn unknown(source: &Path) -> Problem {
    let mut looked = Vec::new();
    let mut nearest: Option<(usize, &str, Vec<String>)> = None;
    for format in FORMATS {
        let marks = format.marks(source);
        if marks.is_empty() {
            continue;
        }
        let names: Vec<&str> = marks.iter().map(|mark| mark.what.as_str()).collect();
        looked.push(format!("  {}: {}", format.name(), names.join("; ")));
        let found = marks.iter().filter(|mark| mark.found).count();
        let missing = marks.into_iter().filter(|mark| !mark.found).map(|mark| mark.what).collect();
        if found > 0 && nearest.as_ref().is_none_or(|(most, ..)| found > *most) {
            nearest = Some((found, format.name(), missing));
        }
    }
    let near = match nearest {
        Some((_, name, missing)) => {
            format!("\nThe nearest known layout is {name}, which lacks: {}.", missing.join("; "))
        }
        None => String::new(),
    };
    if source.join(stepwise_data::dataset::CASE_FILE).is_file() {
        let advice = "use `stepwise data import cases SRC OUT`, which completes them";
        return Problem::new(source, "holds case records", advice);
    }
    let what = format!("is no known layout; looked for:\n{}{near}\n", looked.join("\n"));
    let advice = "write your annotations as a table and use `stepwise data import table SRC OUT --image COLUMN --question \
                  COLUMN --answer COLUMN`";
    Problem::new(source, what, advice)
}
