//! Recognition of the format of a folder.

use std::path::Path;

use stepwise_data::problem::{Problem, Problems};

use super::case_records;
use super::format::Mark;
use super::sets::FORMATS;
use crate::import::check_source;
use crate::importers::IMPORTERS;

/// Format of a source with what speaks for it.
pub struct Detected {
    /// Name of the format or importer, or `cases` for case records.
    pub name: &'static str,
    /// Files and fields by which it was recognised.
    pub evidence: Vec<String>,
    /// Other formats of which a part is there, each with what is missing, as in `coco, which lacks: ...`.
    pub others: Vec<String>,
}

/// Marks of a format or importer in a source.
struct Marked {
    name: &'static str,
    marks: Vec<Mark>,
}

impl Marked {
    /// Returns whether all marks are there.
    fn fits(&self) -> bool {
        self.marks.iter().all(|mark| mark.found)
    }

    /// Counts the files and fields that are there. A mark that many layouts have, such as a folder of images, is no likeness.
    fn found(&self) -> usize {
        self.marks.iter().filter(|mark| mark.found && !mark.is_common).count()
    }

    /// Returns the name with what is missing.
    fn lacks(&self) -> String {
        format!("{}, which lacks: {}", self.name, self.names(false).join("; "))
    }

    fn names(&self, found: bool) -> Vec<String> {
        self.marks.iter().filter(|mark| mark.found == found).map(|mark| mark.what.clone()).collect()
    }
}

/// Returns the only format or importer that fits `source`, or case records.
///
/// # Errors
/// When `source` does not exist, none fits, or more than one does. The message names what was looked for.
pub fn detect(source: &Path) -> Result<Detected, Problems> {
    check_source(source)?;
    let all = marked(source);
    let fits: Vec<&Marked> = all.iter().filter(|one| one.fits()).collect();
    match fits[..] {
        [only] => {
            let others = all.iter().filter(|one| one.name != only.name && one.found() > 0).map(Marked::lacks);
            Ok(Detected { name: only.name, evidence: only.names(true), others: others.collect() })
        }
        [] => Err(unknown(source, &all).into()),
        _ => {
            let all: Vec<String> =
                fits.iter().map(|fit| format!("{} ({})", fit.name, fit.names(true).join(", "))).collect();
            let what = format!("fits {} formats: {}", fits.len(), all.join(" and "));
            let advice = "name one of them instead of auto, or give a folder with one of them only";
            Err(Problem::new(source, what, advice).into())
        }
    }
}

/// Returns the marks of case records, of all formats that are recognised by marks, and of all importers.
fn marked(source: &Path) -> Vec<Marked> {
    let formats = FORMATS.iter().map(|format| Marked { name: format.name(), marks: format.marks(source) });
    let importers = IMPORTERS.iter().map(|one| Marked { name: one.name, marks: (one.marks)(source) });
    let cases = Marked { name: case_records::CASES, marks: case_records::marks(source) };
    std::iter::once(cases).chain(formats).chain(importers).filter(|one| !one.marks.is_empty()).collect()
}

fn unknown(source: &Path, all: &[Marked]) -> Problem {
    let looked: Vec<String> = all
        .iter()
        .map(|one| {
            let names: Vec<&str> = one.marks.iter().map(|mark| mark.what.as_str()).collect();
            format!("  {}: {}", one.name, names.join("; "))
        })
        .collect();
    let nearest = all.iter().filter(|one| one.found() > 0).rev().max_by_key(|one| one.found());
    let near = nearest.map_or_else(String::new, |one| format!("\nThe nearest known layout is {}.", one.lacks()));
    let what = format!("is no known layout; looked for:\n{}{near}\n", looked.join("\n"));
    let advice = "write your annotations as a table and use `stepwise data import table SRC OUT --image COLUMN --question \
                  COLUMN --answer COLUMN`";
    Problem::new(source, what, advice)
}
