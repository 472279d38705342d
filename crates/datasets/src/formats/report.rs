//! Report of an import: printed, and written as `import.json`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Serialize;
use stepwise_data::case::{Case, Split};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::problem::{Problem, Problems};

use super::map::{UNMAPPED, answer_kind};
use super::tally::Tally;

/// Name of the report's schema.
pub const REPORT_SCHEMA: &str = "import/1";

/// Name of the report in the output folder.
pub(crate) const REPORT_FILE: &str = "import.json";

/// Reason of rows in a file without any right answer.
pub(super) const NO_ANSWERS: &str = "in a file without right answers";

/// Report of an import. No row disappears uncounted: rows read = kept + left out + faulty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct FormatReport {
    /// Name of the schema, always [`REPORT_SCHEMA`].
    pub schema: String,
    /// Name of the format.
    pub format: String,
    /// Name of the data set in the cases.
    pub dataset: String,
    /// Seed of the import.
    pub seed: u64,
    /// Records of the source.
    pub rows: Flow,
    /// Questions of the rows that were read: answered turns of conversations, and questions about annotations, too.
    pub questions: Flow,
    /// Parts of kept rows that were left out, such as a box without area.
    pub parts_left_out: Tally,
    /// Number of cases.
    pub cases: usize,
    /// Number of different images in the cases.
    pub images: usize,
    /// Number of regions.
    pub regions: usize,
    /// Number of groups.
    pub groups: usize,
    /// Number of questions by kind of answer.
    pub answers: BTreeMap<&'static str, usize>,
    /// Questions by category and by how the category was found, with examples.
    pub categories: BTreeMap<String, Tally>,
    /// Decisions on pixels and boxes.
    pub pixels: Tally,
    /// Split of the cases.
    pub split: SplitReport,
    /// Remarks, one line each.
    pub notes: Vec<String>,
    /// Warnings about images, one line each.
    pub warnings: Vec<String>,
}

/// Largest number of notes, and of warnings, that are printed; the report's file has all of them.
const PRINTED_REMARKS: usize = 20;

/// What became of rows or questions.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Flow {
    /// Number that was read.
    pub read: usize,
    /// Number that is in the cases.
    pub kept: usize,
    /// Those left out, by reason.
    pub left_out: Tally,
    /// Faulty ones, by what is wrong; not empty only with `--keep-going`.
    pub faulty: Tally,
}

/// Split of an import.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct SplitReport {
    /// `published` or `new`.
    pub kind: &'static str,
    /// Number of training cases.
    pub train: usize,
    /// Number of validation cases.
    pub validation: usize,
    /// Number of test cases.
    pub test: usize,
    /// Questions that were left out because their images or groups are on a later side, by reason.
    pub crossed: Tally,
}

impl SplitReport {
    /// Returns what to do with a published split whose training cases come without validation cases, which recipes evaluate
    /// by default. None for other splits.
    fn without_validation(&self) -> Option<String> {
        let is_lacking = self.kind == "published" && self.train > 0 && self.validation == 0;
        let other = if self.test > 0 { ", or set `eval_split = \"test\"` in the recipe" } else { "" };
        is_lacking.then(|| format!("the source has no validation side: import with `--split new`{other}"))
    }
}

impl FormatReport {
    /// Counts what the cases hold, and notes a published split that recipes cannot evaluate.
    pub(crate) fn count(&mut self, cases: &[Case]) {
        self.cases = cases.len();
        self.regions = cases.iter().map(|case| case.regions.len()).sum();
        let count = |texts: Vec<&str>| texts.into_iter().collect::<std::collections::BTreeSet<_>>().len();
        self.groups = count(cases.iter().map(|case| case.group_id.as_str()).collect());
        self.images = count(cases.iter().flat_map(|case| &case.images).map(|image| image.sha256.as_str()).collect());
        for item in cases.iter().flat_map(|case| &case.chain) {
            *self.answers.entry(answer_kind(&item.answer)).or_default() += 1;
        }
        let side = |split: Split| cases.iter().filter(|case| case.split == split).count();
        self.split.train = side(Split::Train);
        self.split.validation = side(Split::Validation);
        self.split.test = side(Split::Test);
        self.notes.extend(self.split.without_validation());
    }

    /// Returns the lines that are printed.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (name, flow) in [("rows", &self.rows), ("questions", &self.questions)] {
            let (left_out, faulty) = (flow.left_out.total(), flow.faulty.total());
            lines.push(format!(
                "{name}: {} read = {} kept + {left_out} left out + {faulty} faulty",
                flow.read, flow.kept
            ));
            lines.extend(flow.left_out.lines().map(|line| format!("{line}: left out")));
            lines.extend(flow.faulty.lines().map(|line| format!("{line}: faulty")));
        }
        if self.parts_left_out.total() > 0 {
            lines.push(format!("parts of rows: {} left out", self.parts_left_out.total()));
            lines.extend(self.parts_left_out.lines());
        }
        let Self { cases, images, regions, groups, .. } = self;
        lines.push(format!("{cases} cases of {groups} groups, {images} images, {regions} regions"));
        let answers: Vec<String> = self.answers.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
        lines.push(format!("answers: {}", answers.join(", ")));
        for (category, found) in &self.categories {
            lines.push(format!("category {category}: {}", found.total()));
            lines.extend(found.lines());
        }
        if self.pixels.total() > 0 {
            lines.push("pixels and boxes:".to_owned());
            lines.extend(self.pixels.lines());
        }
        let SplitReport { kind, train, validation, test, crossed } = &self.split;
        lines.push(format!("split ({kind}): train {train}, validation {validation}, test {test} cases"));
        lines.extend(crossed.lines());
        lines.extend(remarks("note", &self.notes));
        lines.extend(remarks("warning", &self.warnings));
        // Questions and names of the source may hold line breaks.
        let printable = |letter: char| if letter.is_control() { ' ' } else { letter };
        lines.into_iter().map(|line| line.chars().map(printable).collect()).collect()
    }

    /// Counts a faulty row with the first of its problems.
    pub(super) fn add_faulty_row(&mut self, problems: &[Problem]) {
        let Some(first) = problems.first() else { return };
        let name = first.file.file_name().unwrap_or_default().to_string_lossy();
        let place = first.row.map_or_else(|| name.to_string(), |row| format!("{name}:{row}"));
        let field = if first.field.is_empty() { String::new() } else { format!("{}: ", first.field) };
        self.rows.faulty.add(format!("{field}{}", first.what), place);
    }

    /// Returns the problem of a source without a case: the reasons, and what to do about them.
    pub(super) fn without_cases(&self, source: &Path) -> Problem {
        let Flow { read, left_out, faulty, .. } = &self.rows;
        let has = |reason: &str| left_out.iter().any(|(found, _)| found.starts_with(reason));
        let advice = if *read == 0 {
            "give files that hold records"
        } else if has(UNMAPPED) {
            "give a category map (--print-map shows it, --map FILE replaces it) or --rest ID"
        } else if has(NO_ANSWERS) {
            "give files with right answers, such as those of the training or validation side"
        } else if faulty.total() > 0 {
            "correct the faulty rows"
        } else {
            "change what the reasons name"
        };
        let reasons = left_out.lines().map(|line| line + ": left out");
        let reasons: Vec<String> = reasons.chain(faulty.lines().map(|line| line + ": faulty")).collect();
        let listed = if reasons.is_empty() { String::new() } else { format!("\n{}\n", reasons.join("\n")) };
        Problem::new(source, format!("gives no case; rows read: {read}{listed}"), advice)
    }
}

/// Returns the lines of the first remarks of a kind and, where there are more, a line with their number.
fn remarks(kind: &str, all: &[String]) -> Vec<String> {
    let mut lines: Vec<String> = all.iter().take(PRINTED_REMARKS).map(|one| format!("{kind}: {one}")).collect();
    if all.len() > PRINTED_REMARKS {
        lines.push(format!("{kind}: {} more in {REPORT_FILE}", all.len() - PRINTED_REMARKS));
    }
    lines
}

/// Writes the report to `import.json` in the folder `out`.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_report(out: &Path, report: &FormatReport) -> Result<(), Problems> {
    let path = out.join(REPORT_FILE);
    let text = serde_json::to_string_pretty(report).map_err(|error| unwritable(&path, &error))?;
    write_atomic(&path, format!("{text}\n").as_bytes()).map_err(|error| unwritable(&path, &error))
}

/// Problem of a source without a side of the split where the published one is asked for.
pub(super) fn no_published_split(source: &Path) -> Problem {
    Problem::new(source, "has no published split", "use --split new, which makes a split by group")
}

/// Problem of a file that cannot be written.
pub(super) fn unwritable(path: &Path, error: &dyn std::fmt::Display) -> Problems {
    Problem::new(path, format!("cannot be written: {error}"), "check the folder's permissions and free space").into()
}
