//! Checks of data sets: rules of single cases, of the files that cases name, and between cases.

mod across;
mod answer;
mod boxes;
mod files;
mod item;
mod near;
mod record;
mod summary;
#[cfg(test)]
mod tests;
mod turned;

use std::path::Path;

use crate::answer_text::{TextFault, answer_fault, control_fault, text_fault};
use crate::case::Case;
use crate::dataset::{Dataset, Lines};
use crate::image::range_warnings;
use crate::near_duplicates::Fingerprint;
use crate::problem::{Problem, Problems};
use crate::taxonomy::Taxonomy;

pub use across::{PlacedCase, between};
pub use boxes::unreachable_boxes;
pub use near::{Fingerprints, NearImage, fingerprints, near_across_sides, near_images, near_problems};
pub use summary::{CategoryCount, CheckSummary, OneAnswerQuestion, summary};

/// How far the files that cases name are checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Files {
    /// Files are not checked, only the records.
    Skip,
    /// Files must exist, lie in the data set's folder and have the recorded width and height.
    #[default]
    Headers,
    /// Everything that `Headers` checks; in addition files must decode and agree with the recorded digests, hashes and
    /// mask boxes, and near-duplicate images must not be on two sides of the split.
    Contents,
}

/// Options of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// Taxonomy whose categories and stages the questions must use; None allows any category and the stages 1 to 4.
    pub taxonomy: Option<Taxonomy>,
    /// How far files are checked.
    pub files: Files,
}

impl Default for CheckOptions {
    /// Returns Stepwise's own taxonomy and [`Files::Headers`].
    fn default() -> Self {
        Self { taxonomy: Some(Taxonomy::default()), files: Files::default() }
    }
}

/// Reads a case file, or the `cases.jsonl` of a folder, and checks all rules that need neither image files nor a
/// taxonomy. Code that uses cases relies on these rules, so this is the only public way to read a case file as a data
/// set.
///
/// # Errors
/// When the file cannot be read, has another format, contains no case, has a line that is not a valid case, or breaks a
/// rule. The problems of all rows are reported at once.
pub fn load(path: &Path) -> Result<Dataset, Problems> {
    let (dataset, leaks) = load_with_leaks(path)?;
    if leaks.is_empty() { Ok(dataset) } else { Err(Problems(leaks)) }
}

/// Reads a case file like [`load`], but accepts groups and images on two sides of the split, and returns them as
/// problems beside the data set.
///
/// # Errors
/// As [`load`], except for groups and images on two sides.
pub fn load_with_leaks(path: &Path) -> Result<(Dataset, Vec<Problem>), Problems> {
    let (dataset, Findings { problems, .. }) = check_file(path, &CheckOptions { taxonomy: None, files: Files::Skip });
    match dataset {
        Some(dataset) if problems.iter().all(|problem| problem.is_leak) => Ok((dataset, problems)),
        _ => Err(Problems(problems)),
    }
}

/// Results of a check.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Broken rules, in the order of the rows.
    pub problems: Vec<Problem>,
    /// Remarks on images that are allowed but probably wrong, each as a line; only with [`Files::Contents`]. A remark on right
    /// boxes that are too small for an answer in percent follows.
    pub warnings: Vec<String>,
}

/// Checks the rules of single cases, of their files and between cases, as far as `options` say. Rows are numbered by the
/// position of the case, from 1.
#[must_use]
pub fn check(dataset: &Dataset, options: &CheckOptions) -> Findings {
    check_with_fingerprints(dataset, options).0
}

/// Checks as [`check`] does, and also returns the fingerprints of the images that were decoded; with less than
/// [`Files::Contents`] there are none.
fn check_with_fingerprints(dataset: &Dataset, options: &CheckOptions) -> (Findings, Fingerprints) {
    let mut problems = Vec::new();
    let fingerprints = check_each(dataset, 1.., options, &mut problems);
    let placed: Vec<PlacedCase<'_>> = PlacedCase::all(dataset).collect();
    problems.extend(between(&placed));
    problems.extend(near_problems(&placed, &near_across_sides(&placed, &fingerprints)));
    problems.sort_by_key(|problem| problem.row);
    let mut warnings = image_warnings(dataset.cases.iter().zip(&fingerprints));
    warnings.extend(unreachable_boxes(&dataset.cases));
    warnings.extend(turned::warning(dataset, options.files));
    (Findings { problems, warnings }, fingerprints)
}

/// Reads a case file, or the `cases.jsonl` of a folder, and checks it as [`check`] does. Returns the data set and what
/// was found.
///
/// The data set is None when the file cannot be read, contains no case, or has lines that are not valid cases; then the
/// rules between cases are not checked, and there are no warnings.
#[must_use]
pub fn check_file(path: &Path, options: &CheckOptions) -> (Option<Dataset>, Findings) {
    let (dataset, findings, _) = check_file_with_fingerprints(path, options);
    (dataset, findings)
}

/// Reads and checks a case file as [`check_file`] does, and also returns the fingerprints of the images that were
/// decoded; without a data set there are none.
#[must_use]
pub fn check_file_with_fingerprints(path: &Path, options: &CheckOptions) -> (Option<Dataset>, Findings, Fingerprints) {
    let refused = |problems| (None, Findings { problems, warnings: Vec::new() }, Vec::new());
    let Lines { dataset, rows, mut problems } = match Lines::read(path) {
        Ok(lines) => lines,
        Err(Problems(problems)) => return refused(problems),
    };
    if problems.is_empty() {
        let (findings, fingerprints) = check_with_fingerprints(&dataset, options);
        return (Some(dataset), findings, fingerprints);
    }
    check_each(&dataset, rows, options, &mut problems);
    problems.sort_by_key(|problem| problem.row);
    refused(problems)
}

/// Checks the rules of single cases. `rows` holds the row of each case. Returns the fingerprints of the images that were
/// decoded, by case and image.
fn check_each(
    dataset: &Dataset,
    rows: impl IntoIterator<Item = usize>,
    options: &CheckOptions,
    problems: &mut Vec<Problem>,
) -> Fingerprints {
    let check = |(case, row): (&Case, usize)| {
        let mut faults = Faults { dataset, row, problems };
        record::check(case, &mut faults);
        item::check_chain(case, options.taxonomy.as_ref(), &mut faults);
        if options.files > Files::Skip { files::check(case, options.files, &mut faults) } else { Vec::new() }
    };
    dataset.cases.iter().zip(rows).map(check).collect()
}

/// Warns about images with few grey levels. `cases` are cases with the fingerprints of their images.
pub fn image_warnings<'a>(cases: impl IntoIterator<Item = (&'a Case, &'a Vec<Option<Fingerprint>>)>) -> Vec<String> {
    let images = cases.into_iter().flat_map(|(case, fingerprints)| case.images.iter().zip(fingerprints));
    range_warnings(images.filter_map(|(image, found)| Some((image.path.as_str(), found.as_ref()?.levels))))
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

    /// Reports a name that is empty or blank, or that contains a control character.
    fn not_blank(&mut self, field: &str, text: &str) {
        if text.trim().is_empty() {
            self.add(field, "is empty", "fill it in");
        } else {
            self.text(field, control_fault(text));
        }
    }

    /// Reports the fault of a text of a question ([`text_fault`]).
    fn plain(&mut self, field: &str, text: &str) {
        self.text(field, text_fault(text));
    }

    /// Reports the fault of an answer ([`answer_fault`]).
    fn answer(&mut self, field: &str, text: &str) {
        self.text(field, answer_fault(text));
    }

    fn text(&mut self, field: &str, fault: Option<TextFault>) {
        if let Some(TextFault { what, advice }) = fault {
            self.add(field, what, advice);
        }
    }

    /// Reports each word that is equal to an earlier one.
    fn all_different<'a>(&mut self, field: impl Fn(usize) -> String, words: impl IntoIterator<Item = &'a str>) {
        let mut seen: Vec<&str> = Vec::new();
        for (index, word) in words.into_iter().enumerate() {
            if seen.contains(&word) {
                self.add(field(index), format!("\"{word}\" appears twice"), "make them differ");
            }
            seen.push(word);
        }
    }

    /// Reports a name that is not one of `known`; `what` is the kind of thing it names. Returns whether it is known.
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

/// Returns the ids of a case's regions.
fn region_ids(case: &Case) -> impl Iterator<Item = &str> + Clone {
    case.regions.iter().map(|region| region.id.as_str())
}
