//! MedVH: JSON arrays of multiple-choice questions, with the images in a folder of the test's name beside the file, or beside
//! the questions. Reports are left out.

use std::path::{Path, PathBuf};

use stepwise_data::case::Split;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, Gold, GoldForm, ImageRef, Question, Row};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::record::Record;
use super::super::records;
use super::common::{below_first, fields_mark, folder_of, nothing_to_read, read_all};

/// Folders of the tests, below the folder of the data set.
const FOLDERS: [&str; 3] = ["", "multi_choices", "text_generation"];

/// Sources in `img_source` that need no credentials. MIMIC-CXR and Medical-Diff-VQA, which is made of it, do.
const OPEN: [&str; 4] = ["PMC-VQA", "SLAKE", "RAD-VQA", "VQA-RAD"];

/// MedVH.
pub(super) struct MedVh;

impl Format for MedVh {
    fn name(&self) -> &'static str {
        "medvh"
    }

    fn about(&self) -> &'static str {
        "MedVH (multi_choices/, text_generation/; JSON arrays with img_name, question, choices, gt)"
    }

    fn dataset(&self, _: &Path) -> String {
        self.name().into()
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        vec![fields_mark(&files(source), "test_NOTA.json", &["img_name", "question", "choices", "gt"])]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/medvh.toml")
    }

    fn entries(&self, source: &Path, _: &FormatOptions) -> Result<Rows, Problems> {
        let root = folder_of(source);
        let tests: Vec<(PathBuf, Test)> = files(source)
            .into_iter()
            .map(|file| {
                let test = Test::of(&root, &file);
                (file, test)
            })
            .collect();
        if tests.is_empty() {
            return Err(nothing_to_read(source, "JSON file with img_name, choices and gt"));
        }
        read_all(source, tests, move |record, test| row(record, &root, test))
    }
}

/// Returns the JSON files with questions or reports in the folders of the tests and in the folders in them.
fn files(source: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in FOLDERS.map(|name| if name.is_empty() { source.to_owned() } else { source.join(name) }) {
        found.extend(records::files(&folder, &["json"]));
        folders(&folder).iter().for_each(|below| found.extend(records::files(below, &["json"])));
    }
    found.retain(|path| {
        let has = |fields: &[&str]| {
            records::first(path).is_some_and(|first| fields.iter().all(|field| first.contains_key(*field)))
        };
        has(&["img_name", "choices", "gt"]) || has(&["image_name", "gt_labels"])
    });
    found.sort();
    found.dedup();
    found
}

/// Returns the folders in a folder, sorted.
fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut folders: Vec<PathBuf> = entries.filter(|path| path.is_dir()).collect();
    folders.sort();
    folders
}

/// A test: one file.
struct Test {
    /// Name of the file without `test_` and `_src`, in lower case.
    task: String,
    /// Folders that may hold the images, relative to the source; the most likely first.
    below: Vec<String>,
}

impl Test {
    fn of(root: &Path, file: &Path) -> Self {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
        let task = stem.strip_prefix("test_").unwrap_or(&stem).trim_end_matches("_src").to_owned();
        let own = file.parent().unwrap_or(root);
        let relative = |path: &Path| path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
        let named = task.trim_end_matches("_baseline");
        let is_named =
            |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().to_lowercase() == named);
        let mut below: Vec<String> = folders(own).into_iter().filter(is_named).map(|path| relative(&path)).collect();
        below.push(relative(own));
        below.push(relative(&own.join("images")));
        Self { task, below }
    }
}

fn row(record: &Record, root: &Path, test: &Test) -> Result<Entry, Problems> {
    if record.fields.contains_key("gt_labels") {
        return Ok(Entry::LeftOut(record.place.clone(), "a report instead of an answer".into()));
    }
    let below: Vec<&str> = test.below.iter().map(String::as_str).collect();
    let image = ImageRef::file("img_name", root, below_first(root, &below, &record.required("img_name")?));
    let source = record.trimmed("img_source");
    let mut fields = vec![("task".to_owned(), test.task.clone())];
    fields.extend(record.pick(&["img_source"]));
    let options = options(&record.required("choices")?);
    if options.is_empty() {
        return Err(record.problem("choices", "has no options A:, B: and so on", "write each option after its letter"));
    }
    let question = Question {
        text: record.required("question")?,
        options,
        golds: vec![Gold::new("gt", record.text("gt").unwrap_or_default(), GoldForm::Either)],
        fields,
        ..Question::default()
    };
    let mut row = Row::new(record.place.clone(), vec![image], vec![question]);
    row.split = Some(Split::Test);
    row.credentialed = !OPEN.contains(&source.as_str());
    // The image may be the one of another question under another name.
    let origin = record.trimmed("ori_id");
    row.links = Some(origin.trim_end_matches(".png").to_owned()).filter(|id| !id.is_empty()).into_iter().collect();
    if record.fields.contains_key("suggested_answer") {
        row.remarks.push("suggested answer, which the benchmark makes itself".into());
    }
    Ok(Entry::Row(Box::new(row)))
}

/// Returns the options of a text such as `A: left. B: right.`, in the order of their letters.
fn options(text: &str) -> Vec<String> {
    let mut starts = Vec::new();
    let mut from = 0;
    for letter in 'A'..='Z' {
        let mark = format!("{letter}:");
        let is_start = |at: &usize| text[..*at].chars().next_back().is_none_or(char::is_whitespace);
        let Some(at) = text[from..].match_indices(&mark).map(|(at, _)| from + at).find(is_start) else { break };
        from = at + mark.len();
        starts.push((at, from));
    }
    let ends = starts.iter().skip(1).map(|(at, _)| *at).chain([text.len()]);
    let option = |((_, from), end): (&(usize, usize), usize)| {
        text[*from..end].trim().trim_end_matches(['.', ',']).trim_end().to_owned()
    };
    starts.iter().zip(ends).map(option).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_at_their_letters() {
        assert_eq!(options("A: severe. B: mild. C: None of the above."), ["severe", "mild", "None of the above"]);
        assert_eq!(options("A: no, B: yes"), ["no", "yes"]);
        assert_eq!(options(" A:  CT at 3:5 . B: vitamin A: low, B12. "), ["CT at 3:5", "vitamin A: low, B12"]);
        assert_eq!(options("A: x ray E: mri F: ct . B: us. C: 层面"), ["x ray E: mri F: ct", "us", "层面"]);
        assert!(options("left or right").is_empty());
    }
}
