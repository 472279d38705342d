//! Fuzz target for the files of data sets in all layouts: annotations, lists, tables and volumes.

use std::path::{Component, Path};

use stepwise_data::check::{CheckOptions, Files, check_file};
use stepwise_datasets::{
    CASES, Flow, FormatOptions, FormatReport, ImportError, ImportOptions, detect, format, import_cases, import_format,
    importer,
};

use crate::support::{SEPARATOR, folder, refused, write};

/// Contents of an image file that the input leaves empty.
const IMAGE: &[u8] = include_bytes!("../pictures/image.png");

/// Contents of a file whose name begins with `mask` and that the input leaves empty.
const MASK: &[u8] = include_bytes!("../pictures/body.png");

/// File with the names of classes that `--classes` would name.
const CLASSES: &str = "classes.txt";

/// Imports the files of a data set. The input is the name of a format or importer, followed by files, each a path, a line
/// break, and the contents. Empty `.png` and `.jpg` files become a sound image or mask.
///
/// A refused data set is imported again with `keep_going`, which reads on after a faulty row.
///
/// # Errors
/// When the format is not known, a path is not a plain relative one, or the import is refused.
///
/// # Panics
/// When accepted cases break a rule, a row is not counted, or an error gives no advice.
pub fn data_set(data: &[u8]) -> Result<(), String> {
    let mut parts = data.split(|byte| *byte == SEPARATOR);
    let name = std::str::from_utf8(parts.next().unwrap_or_default()).unwrap_or_default().trim();
    let place = folder();
    let source = place.path().join("source");
    for part in parts {
        let mut halves = part.splitn(2, |byte| *byte == b'\n');
        let path = std::str::from_utf8(halves.next().unwrap_or_default()).unwrap_or_default();
        stored(&source, path, halves.next().unwrap_or_default())?;
    }
    // What `data import auto` does first.
    let _ = detect(&source).map_err(refused);
    let options = FormatOptions {
        rest: Some("25".into()),
        classes: Some(source.join(CLASSES)).filter(|file| file.is_file()),
        ..FormatOptions::default()
    };
    let result = imported(name, &source, &place.path().join("out"), &options);
    if result.is_err() {
        let _ = imported(name, &source, &place.path().join("kept"), &FormatOptions { keep_going: true, ..options });
    }
    result
}

/// Writes a file below the folder `source`.
fn stored(source: &Path, path: &str, contents: &[u8]) -> Result<(), String> {
    let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
    if path.is_empty() || path.len() > 200 || path.contains('\0') || !Path::new(path).components().all(is_plain) {
        return Err("the path of a file is not a plain relative one".into());
    }
    let name = path.rsplit('/').next().unwrap_or_default();
    let is_image = [".png", ".jpg"].iter().any(|extension| name.ends_with(extension));
    let contents = match contents {
        [] if is_image && name.starts_with("mask") => MASK,
        [] if is_image => IMAGE,
        given => given,
    };
    let file = source.join(path);
    let above = file.parent().unwrap_or(source);
    // A file where a folder is needed, or the other way round.
    if std::fs::create_dir_all(above).is_err() || file.is_dir() {
        return Err("a file and a folder have the same path".into());
    }
    write(source, path, contents);
    Ok(())
}

/// Imports like the program, and checks an accepted result.
fn imported(name: &str, source: &Path, out: &Path, options: &FormatOptions) -> Result<(), String> {
    let report = match (importer(name), format(name)) {
        (Some(importer), _) => (importer.run)(source, out, &ImportOptions { seed: 1 }).map(|found| found.report),
        (None, Some(format)) => import_format(format, source, out, options),
        (None, None) if name == CASES => import_cases(source, out, options),
        (None, None) => return Err("the format is not known".into()),
    };
    let report: FormatReport = report.map_err(advised)?;
    for Flow { read, kept, left_out, faulty } in [&report.rows, &report.questions] {
        assert_eq!(*read, kept + left_out.total() + faulty.total(), "{:?}", report.lines());
    }
    let (_, findings) = check_file(out, &CheckOptions { files: Files::Contents, ..CheckOptions::default() });
    assert!(findings.problems.is_empty(), "an accepted import breaks rules: {:?}", findings.problems);
    Ok(())
}

/// Returns the text of an error, all of whose problems have advice.
fn advised(error: ImportError) -> String {
    if let ImportError::Problems(problems) = &error {
        problems.0.iter().for_each(|problem| drop(refused(problem)));
    }
    refused(error)
}
