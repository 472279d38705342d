//! Whether cases make sense: every rule of the record, of the files it names, and between cases.

mod across;
mod answer;
mod files;
mod item;
mod record;
mod summary;
#[cfg(test)]
mod tests;

use std::path::Path;

use crate::case::Case;
use crate::dataset::{Dataset, Lines};
use crate::problem::{Problem, Problems};
use crate::taxonomy::Taxonomy;

pub use summary::{CategoryCount, Summary, summary};

/// How far the files that cases name are looked into.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    /// Not at all: only the records are checked.
    Skip,
    /// They exist, lie in the data set's folder and have the recorded size.
    #[default]
    Headers,
    /// They also decode, digest, hash and masks are as recorded, and no near-duplicates are on two sides of the split.
    Contents,
}

/// What to check against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// The stages and categories that items may name; without one, any category of a stage from 1 to 4.
    pub taxonomy: Option<Taxonomy>,
    /// How far files are looked into.
    pub files: Files,
}

impl Default for CheckOptions {
    /// The project's own taxonomy, and files as far as their headers.
    fn default() -> Self {
        Self { taxonomy: Some(Taxonomy::default()), files: Files::default() }
    }
}

/// Reads a case file, or the `cases.jsonl` of a folder, whose records hold every rule that needs neither the files they
/// name nor a taxonomy: whoever uses cases relies on these rules, so there is no other way to read a file of them.
///
/// # Errors
/// All problems of all rows at once; also when the file cannot be read, or holds no case.
pub fn load(path: &Path) -> Result<Dataset, Problems> {
    let (dataset, problems) = check_file(path, &CheckOptions { taxonomy: None, files: Files::Skip });
    dataset.filter(|_| problems.is_empty()).ok_or(Problems(problems))
}

/// All that is wrong with a data set, in the order of its rows. None means that every rule holds.
#[must_use]
pub fn check(dataset: &Dataset, options: &CheckOptions) -> Vec<Problem> {
    let mut problems = Vec::new();
    check_each(dataset, 1.., options, &mut problems);
    across::check(dataset, options.files, &mut problems);
    problems.sort_by_key(|problem| problem.row);
    problems
}

/// [`check`] of a case file, or of the `cases.jsonl` of a folder. Where some lines are no cases, their problems stand among
/// those of the others, there is no data set, and what concerns several cases is left for the next time.
#[must_use]
pub fn check_file(path: &Path, options: &CheckOptions) -> (Option<Dataset>, Vec<Problem>) {
    let Lines { dataset, rows, mut problems } = match Lines::read(path) {
        Ok(lines) => lines,
        Err(Problems(problems)) => return (None, problems),
    };
    if problems.is_empty() {
        let problems = check(&dataset, options);
        return (Some(dataset), problems);
    }
    check_each(&dataset, rows, options, &mut problems);
    problems.sort_by_key(|problem| problem.row);
    (None, problems)
}

/// The rules of single cases, which stand in these rows.
fn check_each(
    dataset: &Dataset,
    rows: impl IntoIterator<Item = usize>,
    options: &CheckOptions,
    problems: &mut Vec<Problem>,
) {
    for (case, row) in dataset.cases.iter().zip(rows) {
        let mut faults = Faults { dataset, row, problems };
        record::check(case, &mut faults);
        item::check_chain(case, options.taxonomy.as_ref(), &mut faults);
        if options.files > Files::Skip {
            files::check(case, options.files, &mut faults);
        }
    }
}

/// Collects the faults of one case.
struct Faults<'a> {
    dataset: &'a Dataset,
    row: usize,
    problems: &'a mut Vec<Problem>,
}

impl Faults<'_> {
    fn add(&mut self, field: impl Into<String>, what: impl Into<String>, advice: impl Into<String>) {
        self.problems.push(Problem::new(&self.dataset.file, what, advice).at_row(self.row).in_field(field));
    }

    /// Texts that must say something.
    fn not_blank(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(field, "is empty", "write it");
        }
    }

    /// Words that must differ from each other: ids, options, names.
    fn all_different<'a>(&mut self, field: impl Fn(usize) -> String, words: impl IntoIterator<Item = &'a str>) {
        let mut seen: Vec<&str> = Vec::new();
        for (index, word) in words.into_iter().enumerate() {
            if seen.contains(&word) {
                self.add(field(index), format!("\"{word}\" stands twice"), "make them differ");
            }
            seen.push(word);
        }
    }

    /// A name that must be one of `known`.
    fn known<'a>(
        &mut self,
        field: &str,
        name: &str,
        what: &str,
        known: impl IntoIterator<Item = &'a str> + Clone,
    ) -> bool {
        let found = known.clone().into_iter().any(|other| other == name);
        if !found {
            let near = crate::problem::did_you_mean(name, known);
            self.add(field, format!("there is no {what} \"{name}\"{near}"), format!("name one of the case's {what}s"));
        }
        found
    }
}

/// Ids of a case's regions.
fn region_ids(case: &Case) -> impl Iterator<Item = &str> + Clone {
    case.regions.iter().map(|region| region.id.as_str())
}
