//! Tests of every importer on a small data set in the real file layout, and on the real data sets where these
//! are present.

mod bccd;
mod brain_mri;
mod cxr;
mod real;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use image::{GrayImage, Luma, Rgba, RgbaImage};
use stepwise_data::case::{Answer, Case, Item, Region};
use stepwise_data::check::{CheckOptions, Files, Findings, check_file};
use stepwise_data::dataset::Dataset;
use stepwise_data::image::sha256_hex;

use super::*;

struct Set {
    folder: tempfile::TempDir,
}

impl Set {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().expect("writable") }
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.folder.path().join("source").join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("writable");
        path
    }

    fn text(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("writable");
    }

    /// Writes an image that is unlike the images of other seeds.
    fn picture(&self, name: &str, width: u32, height: u32, seed: u32) {
        let value = |x: u32, y: u32| {
            let cell = (x * 9 / width).wrapping_mul(7919)
                ^ (y * 8 / height).wrapping_mul(104_729)
                ^ seed.wrapping_mul(1_299_709);
            (cell.wrapping_mul(2_654_435_761) >> 24) as u8
        };
        GrayImage::from_fn(width, height, |x, y| Luma([value(x, y)])).save(self.path(name)).expect("writable");
    }

    /// Writes a copy of the image `of` that differs in one corner only.
    fn near_copy(&self, of: &str, name: &str) {
        let mut picture = image::open(self.path(of)).expect("there").into_luma8();
        let corner = picture.get_pixel_mut(0, 0);
        corner.0[0] ^= 0x40;
        picture.save(self.path(name)).expect("writable");
    }

    /// Blackens the image `name` left of the column `right`.
    fn darken(&self, name: &str, right: u32) {
        let mut picture = image::open(self.path(name)).expect("there").into_luma8();
        picture.enumerate_pixels_mut().filter(|(x, ..)| *x < right).for_each(|(.., pixel)| pixel.0 = [0]);
        picture.save(self.path(name)).expect("writable");
    }

    /// Writes a cropped mask as in the chest X-ray data set: coloured on black and opaque. `#` marks the pixels inside.
    fn crop(&self, name: &str, rows: &[&str]) {
        let inside = |x: u32, y: u32| rows[y as usize].as_bytes()[x as usize] == b'#';
        let pixel = |x, y| if inside(x, y) { Rgba([0, 124, 33, 255]) } else { Rgba([0, 0, 0, 255]) };
        let (width, height) = (rows[0].len() as u32, rows.len() as u32);
        RgbaImage::from_fn(width, height, pixel).save(self.path(name)).expect("writable");
    }

    fn import_to(&self, name: &str, out: &str, seed: u64) -> Result<ImportReport, ImportError> {
        let importer = importer(name).expect("known");
        let root = self.folder.path();
        (importer.run)(&root.join("source"), &root.join(out), &ImportOptions { seed })
    }

    fn import(&self, name: &str) -> (ImportReport, Dataset) {
        let report = self.import_to(name, "out", 0).expect("imports");
        let dataset = sound(&self.folder.path().join("out"));
        (report, dataset)
    }

    /// Writes `text` to the file `file` and asserts that the import is refused with the message `expected` and advice.
    #[track_caller]
    fn assert_refused(&self, name: &str, (file, text): (&str, &str), expected: &str) {
        self.text(file, text);
        let error = self.error(name);
        assert!(error.contains(expected) && error.contains(" -> "), "{error}");
    }

    fn error(&self, name: &str) -> String {
        self.import_to(name, "refused", 0).expect_err("refused").to_string()
    }
}

/// Reads the data set in a folder and asserts that it passes every check, that each case has its stages, and that the
/// questions about marks are about their marks.
fn sound(folder: &Path) -> Dataset {
    let (dataset, Findings { problems, .. }) =
        check_file(folder, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    assert!(problems.is_empty(), "{}", problems.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    let dataset = dataset.expect("reads");
    for case in &dataset.cases {
        let stages: BTreeSet<u8> = case.chain.iter().map(|item| item.stage).collect();
        if case.case_id.ends_with("-marks") {
            marks_are_sound(case);
        } else {
            // Nothing is asked for where the source records nothing certain.
            let asked_of_all: &[u8] = if case.source.dataset.starts_with("figshare") { &[1, 2, 4] } else { &[1, 2] };
            assert!(asked_of_all.iter().all(|stage| stages.contains(stage)), "{} lacks a stage", case.case_id);
        }
        assert!(case.chain.is_sorted_by_key(|item| item.stage), "{}: stages are out of order", case.case_id);
        assert!(case.chain.iter().all(|item| item.stage == 1 || !item.parents.is_empty()), "{}", case.case_id);
        case.chain.iter().for_each(flips_to_an_option);
    }
    dataset
}

/// Asserts that one frame encloses the target, that the two others have its size and do not touch it, and that the
/// answers say so.
fn marks_are_sound(case: &Case) {
    assert_eq!(case.chain.iter().map(|item| item.category.as_str()).collect::<Vec<_>>(), ["01", "16", "24"]);
    let [target, marks @ ..] = &case.regions[..] else { panic!("regions") };
    let bounds = target.shape.bounds();
    let size = |[x0, y0, x1, y1]: [f64; 4]| [x1 - x0, y1 - y0];
    let holds = |mark: &Region| {
        let [x0, y0, x1, y1] = mark.shape.bounds();
        x0 <= bounds[0] && y0 <= bounds[1] && x1 >= bounds[2] && y1 >= bounds[3]
    };
    assert_eq!(marks.len(), 3);
    assert!(marks.iter().all(|mark| size(mark.shape.bounds()) == size(marks[0].shape.bounds())), "{}", case.case_id);
    let holder: Vec<&Region> = marks.iter().filter(|mark| holds(mark)).collect();
    assert_eq!(holder.len(), 1, "{}", case.case_id);
    assert_eq!(format!("{} mark", gold(case, "Which mark holds")), holder[0].label);
    let asked = item(case, "mark hold?");
    assert_eq!(
        gold(case, "mark hold?") == "none of these",
        asked.evidence != [holder[0].id.clone()],
        "{}",
        case.case_id
    );
}

fn flips_to_an_option(item: &Item) {
    let flipped = item.laterality.as_ref().and_then(|laterality| laterality.flipped_gold.as_ref());
    if let (Answer::Choice { options, gold, .. }, Some(flipped)) = (&item.answer, flipped) {
        assert!(options.contains(flipped) && options[gold[0]] != *flipped, "{}: {flipped}", item.question);
    }
}

fn item<'a>(case: &'a Case, question: &str) -> &'a Item {
    let found = case.chain.iter().find(|item| item.question.contains(question));
    found.unwrap_or_else(|| panic!("{} does not ask {question:?}", case.case_id))
}

/// The right answer as text.
fn gold(case: &Case, question: &str) -> String {
    match &item(case, question).answer {
        Answer::Choice { options, gold, .. } => options[gold[0]].clone(),
        Answer::Yesno { gold, .. } => gold.to_string(),
        Answer::Number { gold, .. } => gold.to_string(),
        other => panic!("{other:?}"),
    }
}

fn flipped(case: &Case, question: &str) -> Option<String> {
    item(case, question).laterality.clone().and_then(|laterality| laterality.flipped_gold)
}

/// The names of the files below a folder, with their digests.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("there") {
        let path = entry.expect("there").path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            let digest = sha256_hex(&fs::read(&path).expect("there"));
            found.push((path.file_name().expect("a file").into(), digest));
        }
    }
    found.sort();
    found
}

#[test]
fn importers_are_found_by_name() {
    assert_eq!(IMPORTERS.iter().map(|importer| importer.name).collect::<Vec<_>>(), ["cxr", "brain-mri", "bccd"]);
    assert!(importer("cxr").is_some() && importer("mimic").is_none());
}
