//! Import of small data sets in the exact layouts.

mod annotations;
mod bad_input;
mod benchmarks;
mod conversations;
mod framework;
mod hugging_face;
mod images;
mod interrupted;
mod recorded;
mod splits;
mod tables;
mod unpaired;

use std::fs;
use std::path::PathBuf;

use image::{GrayImage, Luma};
use stepwise_data::case::{Answer, Case, Item};
use stepwise_data::check::{CheckOptions, Files, check_file};
use stepwise_data::dataset::Dataset;

use super::*;

/// A source folder and the folders that imports write.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("writable") }
    }

    fn source(&self) -> PathBuf {
        self.folder.path().join("source")
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("writable");
        fs::write(path, text).expect("writable");
    }

    /// Writes an image that is unlike the images of other seeds.
    fn picture(&self, name: &str, seed: u32) {
        let path = self.source().join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("writable");
        let value = |x: u32, y: u32| {
            let cell = (x / 9).wrapping_mul(7919) ^ (y / 8).wrapping_mul(104_729) ^ seed.wrapping_mul(1_299_709);
            (cell.wrapping_mul(2_654_435_761) >> 24) as u8
        };
        GrayImage::from_fn(80, 60, |x, y| Luma([value(x, y)])).save(path).expect("writable");
    }

    fn import_to(&self, name: &str, out: &str, options: &FormatOptions) -> Result<FormatReport, ImportError> {
        let format = format(name).expect("known");
        import_format(format, &self.source(), &self.folder.path().join(out), options)
    }

    /// Imports, asserts that the cases pass every check and that no row is uncounted, and returns report and cases.
    fn import(&self, name: &str, options: &FormatOptions) -> (FormatReport, Dataset) {
        let report = self.import_to(name, "out", options).unwrap_or_else(|error| panic!("{error}"));
        for flow in [&report.rows, &report.questions] {
            assert_eq!(flow.read, flow.kept + flow.left_out.total() + flow.faulty.total(), "{:?}", report.lines());
        }
        let out = self.folder.path().join("out");
        assert!(out.join("import.json").is_file());
        let (dataset, findings) = check_file(&out, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
        assert!(findings.problems.is_empty(), "{:?}", findings.problems);
        (report, dataset.expect("reads"))
    }

    /// Asserts that an import is refused with a message that holds `expected` and advice, and writes no cases.
    #[track_caller]
    fn assert_refused(&self, name: &str, options: &FormatOptions, expected: &str) {
        let error = self.import_to(name, "refused", options).expect_err("refused").to_string();
        assert!(error.contains(expected) && error.contains(" -> "), "{error}");
        assert!(!self.folder.path().join("refused/cases.jsonl").exists());
    }
}

fn rest(id: &str) -> FormatOptions {
    FormatOptions { rest: Some(id.into()), ..FormatOptions::default() }
}

/// Options of a table with the columns `file`, `q` and `a`.
fn short_table() -> FormatOptions {
    let columns = Columns {
        image: vec!["file".into()],
        question: Some("q".into()),
        answer: Some("a".into()),
        ..Columns::default()
    };
    FormatOptions { columns, ..rest("25") }
}

fn item<'a>(dataset: &'a Dataset, question: &str) -> (&'a Case, &'a Item) {
    let mut all = dataset.cases.iter().flat_map(|case| case.chain.iter().map(move |item| (case, item)));
    all.find(|(_, item)| item.question.contains(question)).unwrap_or_else(|| panic!("no {question:?}"))
}

/// The right answer as text.
fn gold(dataset: &Dataset, question: &str) -> String {
    match &item(dataset, question).1.answer {
        Answer::Choice { options, gold, .. } => format!("{}/{}", options[gold[0]], options.len()),
        Answer::Yesno { gold, .. } => gold.to_string(),
        Answer::Number { gold, .. } => format!("number {gold}"),
        Answer::Text { gold, .. } => format!("text {}", gold[0]),
        Answer::Box { gold, .. } => format!("{} boxes", gold.len()),
    }
}

/// The count of a reason.
fn counted(tally: &super::tally::Tally, reason: &str) -> usize {
    tally.iter().filter(|(found, _)| found.contains(reason)).map(|(_, counted)| counted.count).sum()
}
