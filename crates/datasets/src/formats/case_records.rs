//! Completion of case records: ids, digests, sizes, hashes, boxes of masks and sides of the split that a file lacks.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use stepwise_data::case::{Case, SCHEMA, Shape, Split};
use stepwise_data::check::{CheckOptions, Files, PlacedCase, between, check, unreachable_boxes};
use stepwise_data::dataset::{CASE_FILE, Dataset};
use stepwise_data::image::Mask;
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::taxonomy::Taxonomy;

use super::entry::ImageRef;
use super::format::{FormatOptions, Mark, SplitChoice, folder_name};
use super::pictures::{Picture, Pictures, resolve};
use super::pipeline::description;
use super::record::{Place, Record, scalar};
use super::records;
use super::report::{FormatReport, REPORT_SCHEMA, no_published_split, write_report};
use crate::import::{ImportError, check_source};
use crate::output::{Output, slug};
use crate::sides;
use crate::source_image::{DrawnOn, read_mask};

/// Name of the import.
pub const CASES: &str = "cases";

/// Text of what the source does not record.
const NOT_RECORDED: &str = "not recorded";

/// Returns what the import looks for in `source`, and whether it is there.
pub(super) fn marks(source: &Path) -> Vec<Mark> {
    let file = case_file(source);
    let is_named = file.file_name().is_some_and(|name| name == CASE_FILE);
    let first = if is_named { records::first(&file) } else { None };
    let found = first.is_some_and(|fields| fields.contains_key("images") && fields.contains_key("chain"));
    vec![Mark::new(format!("{CASE_FILE} with images and chain"), found)]
}

fn case_file(source: &Path) -> PathBuf {
    if source.is_dir() { source.join(CASE_FILE) } else { source.to_owned() }
}

/// A completed case with the place of its record.
type Completed = (Place, Case);

/// Completes the records of `source`, a JSON Lines file or a folder with `cases.jsonl`, and writes them with their
/// images and masks to the new folder `out`. A value that a record has is kept; digests and sizes must be those of the
/// files. Without any side of the split, or with [`SplitChoice::New`], a new one is made by group. All faults of all records are reported at once, with
/// the rows of the source.
///
/// # Errors
/// When the source cannot be read, a record is faulty (without [`FormatOptions::keep_going`]), a group or an image is on two
/// sides of the split, no case is left, `out` holds a case file or files that no import wrote, or a file cannot be written.
pub(crate) fn import(source: &Path, out: &Path, options: &FormatOptions) -> Result<FormatReport, ImportError> {
    if options.pixels.exif == Some(DrawnOn::Stored) {
        let what = "case records have their regions on the image as shown";
        return Err(Problem::new(source, what, "turn the regions, and leave --exif out").into());
    }
    check_source(source)?;
    let file = case_file(source);
    let root = stepwise_data::dataset::root_of(&file).to_owned();
    let mut report = FormatReport {
        schema: REPORT_SCHEMA.into(),
        format: CASES.into(),
        dataset: options.dataset.clone().or_else(|| folder_name(source)).unwrap_or_else(|| CASES.to_owned()),
        seed: options.seed,
        ..FormatReport::default()
    };
    let records = records::open(&file)?;
    let import = description(CASES, source, options);
    let mut pictures = Pictures::new(Output::create(out)?, &import)?;
    let finished = complete(records, &root, options, &mut pictures, &mut report)
        .and_then(|cases| finish(cases, out, options, &mut pictures, &mut report));
    match finished {
        Ok(()) => Ok(report),
        Err(error) => {
            pictures.remove_all();
            Err(error)
        }
    }
}

/// Completes and checks each record.
fn complete(
    records: records::Records,
    root: &Path,
    options: &FormatOptions,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<Vec<Completed>, ImportError> {
    let (mut cases, mut problems): (Vec<Completed>, Vec<Problem>) = (Vec::new(), Vec::new());
    let rules = CheckOptions { files: Files::Skip, ..CheckOptions::default() };
    let (mut sided, mut sideless, mut ids) = (0, 0, BTreeSet::new());
    for record in records {
        report.rows.read += 1;
        let completed = record.map_err(ImportError::from).and_then(|record| {
            let case = case(&record, root, options, pictures, report)?;
            let case = sound(&record, case, &rules)?;
            if !ids.insert(case.case_id.clone()) {
                let what = format!("\"{}\" is the id of an earlier case", case.case_id);
                return Err(record.problem("case_id", what, "give each case its own id").into());
            }
            let case = masked(&record, case, root, pictures)?;
            Ok((record, case))
        });
        match completed {
            Ok((record, case)) => {
                report.questions.read += case.chain.len();
                match record.fields.contains_key("split") {
                    true => sided += 1,
                    false => sideless += 1,
                }
                cases.push((record.place, case));
            }
            Err(ImportError::Problems(Problems(found))) => {
                report.add_faulty_row(&found);
                problems.extend(found);
            }
            Err(other) => return Err(other),
        }
    }
    let (contradicting, leaks) = contradictions(&mut cases, report);
    problems.extend(contradicting);
    if options.keep_going && !cases.is_empty() {
        problems.clear();
    }
    // A new split does not depend on the sides of the records.
    let is_new = options.split == SplitChoice::New;
    if !is_new {
        problems.extend(leaks);
        if sided > 0 && sideless > 0 {
            let what = format!("{sideless} of {} records have no split", sided + sideless);
            let advice = "give all of them a side, or none, or use --split new";
            problems.push(Problem::new(root, what, advice).in_field("split"));
        }
    }
    if options.split == SplitChoice::Published && sided == 0 {
        problems.push(no_published_split(root));
    }
    if cases.is_empty() && problems.is_empty() {
        problems.push(Problem::new(root, "has no record", "write one JSON object on each line"));
    }
    report.split.kind = if sided > 0 && !is_new { "published" } else { "new" };
    if problems.is_empty() { Ok(cases) } else { Err(Problems(problems).into()) }
}

/// Returns the case if it keeps the rules of single cases; else its problems at the place of the record.
fn sound(record: &Record, case: Case, rules: &CheckOptions) -> Result<Case, Problems> {
    let mut alone = Dataset::new(&record.place.file, vec![case]);
    let problems = check(&alone, rules).problems;
    match alone.cases.pop() {
        Some(case) if problems.is_empty() => Ok(case),
        _ => Err(Problems(problems.into_iter().map(|problem| problem.at_row(record.place.row)).collect())),
    }
}

/// Takes out of `cases` those that contradict an earlier one, and counts them as faulty. Returns their problems, and the
/// groups and images on two sides of a split that the records state.
fn contradictions(cases: &mut Vec<Completed>, report: &mut FormatReport) -> (Vec<Problem>, Vec<Problem>) {
    let placed = cases.iter().map(|(place, case)| PlacedCase { file: &place.file, row: place.row, case });
    let (leaks, found): (Vec<Problem>, Vec<Problem>) =
        between(&placed.collect::<Vec<_>>()).into_iter().partition(|problem| problem.is_leak);
    let rows: BTreeSet<usize> = found.iter().filter_map(|problem| problem.row).collect();
    for row in &rows {
        let of_row: Vec<Problem> = found.iter().filter(|problem| problem.row == Some(*row)).cloned().collect();
        report.add_faulty_row(&of_row);
    }
    let (out, kept): (Vec<Completed>, Vec<Completed>) =
        std::mem::take(cases).into_iter().partition(|(place, _)| rows.contains(&place.row));
    *cases = kept;
    for (place, case) in &out {
        case.chain.iter().for_each(|_| report.questions.faulty.add("in a faulty row", place.short()));
    }
    (found, leaks)
}

/// Completes one record.
fn case(
    record: &Record,
    root: &Path,
    options: &FormatOptions,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<Case, ImportError> {
    let mut fields = record.fields.clone();
    let numbered = || format!("{}-{:06}", slug(&report.dataset), record.place.row);
    let id = fields.get("case_id").and_then(scalar).unwrap_or_else(numbered);
    let source = json!({"dataset": report.dataset, "licence": options.licence.as_deref().unwrap_or(NOT_RECORDED),
                        "credentialed": options.credentialed});
    let modality = options.modality.as_deref().unwrap_or(NOT_RECORDED);
    for (name, value) in [
        ("schema", json!(SCHEMA)),
        ("case_id", json!(id)),
        ("group_id", json!(id)),
        ("split", json!(Split::Train)),
        ("source", source),
        ("modality", json!(modality)),
    ] {
        fields.entry(name).or_insert(value);
    }
    let mut ids = Vec::new();
    for (index, image) in list(record, &mut fields, "images")?.iter_mut().enumerate() {
        if let Value::String(path) = image {
            *image = json!({"path": path});
        }
        let field = format!("images[{index}]");
        let object = object(record, image, &field)?;
        let at =
            ImageRef::file(&format!("{field}.path"), root, object.get("path").and_then(scalar).unwrap_or_default());
        let found = pictures.add(&record.place, &at, &options.pixels)?;
        ids.push(complete_image(record, object, &field, index, &pictures.all[found])?);
    }
    if fields.contains_key("regions") {
        for (index, region) in list(record, &mut fields, "regions")?.iter_mut().enumerate() {
            let field = format!("regions[{index}]");
            let object = object(record, region, &field)?;
            object.entry("id").or_insert(json!(format!("r{index}")));
            if let [only] = &ids[..] {
                object.entry("image").or_insert(json!(only));
            }
            let is_mask = object.get("kind") == Some(&json!("mask"));
            if is_mask && !object.contains_key("box") {
                let path = object.get("path").and_then(scalar).unwrap_or_default();
                let mask = mask(root, &path).map_err(|what| problem(record, &format!("{field}.path"), &what))?;
                let bounds =
                    mask.bounds().ok_or_else(|| problem(record, &format!("{field}.path"), "the mask is empty"))?;
                object.insert("box".into(), json!(bounds));
                report.pixels.add("box computed from a mask", record.place.short());
            }
        }
    }
    let taxonomy = Taxonomy::default();
    for (index, item) in list(record, &mut fields, "chain")?.iter_mut().enumerate() {
        let object = object(record, item, &format!("chain[{index}]"))?;
        object.entry("id").or_insert(json!(format!("q{index}")));
        let field = format!("chain[{index}].category");
        let id = object.get("category").and_then(scalar);
        let id = id.ok_or_else(|| record.problem(&field, "is missing", "name a category, for example \"01\""))?;
        let Some(category) = taxonomy.category(&id) else {
            let advice = format!("use an id of {}, for example \"01\"", taxonomy.name);
            return Err(record.problem(&field, format!("there is no category \"{id}\""), advice).into());
        };
        object.entry("stage").or_insert(json!(category.stage));
    }
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| problem(record, "", &format!("is no case: {error} -> compare it with docs/data.md")).into())
}

/// Completes an image and returns its id.
fn complete_image(
    record: &Record,
    object: &mut Map<String, Value>,
    field: &str,
    index: usize,
    picture: &Picture,
) -> Result<Value, ImportError> {
    let image = &picture.image;
    // A record states the digest of the source's file, and a converted image has another one.
    if object.get("sha256") == Some(&json!(picture.source_sha256)) {
        object.insert("sha256".into(), json!(image.sha256));
    }
    if let Some(pixels) = &image.pixels {
        object.insert("pixels".into(), json!(pixels));
        object.remove("phash");
    }
    if let Some(orientation) = &image.orientation {
        object.entry("orientation").or_insert(json!(orientation));
    }
    for (name, value) in [
        ("sha256", json!(image.sha256)),
        ("width", json!(image.width)),
        ("height", json!(image.height)),
        ("phash", json!(image.phash)),
    ] {
        let stated = object.entry(name).or_insert(value.clone());
        if *stated != value {
            let what = format!("is {stated}, but the file has {value} -> correct it, or leave it out");
            return Err(problem(record, &format!("{field}.{name}"), &what).into());
        }
    }
    object.insert("path".into(), json!(image.path));
    Ok(object.entry("id").or_insert(json!(format!("i{index}"))).clone())
}

/// Writes the masks of a case, whose paths are those of the source, and returns the case with the paths in the output.
fn masked(record: &Record, mut case: Case, root: &Path, pictures: &mut Pictures) -> Result<Case, ImportError> {
    for (index, region) in case.regions.iter_mut().enumerate() {
        let Shape::Mask { path, bounds } = &mut region.shape else { continue };
        let field = format!("regions[{index}].path");
        let mask = mask(root, path).map_err(|what| problem(record, &field, &what))?;
        let image = case.images.iter().find(|image| image.id == region.image);
        if let Some(image) = image.filter(|image| (image.width, image.height) != (mask.width, mask.height)) {
            let (width, height) = (image.width, image.height);
            let what = format!("{path} is {}x{} pixels, but its image has {width}x{height}", mask.width, mask.height);
            return Err(record.problem(&field, what, "use the mask that belongs to the image").into());
        }
        match mask.bounds() {
            Some(found) if found == *bounds => {}
            Some(found) => {
                let what = format!("is {bounds:?}, but the box around the mask is {found:?}");
                let advice = "correct it, or leave it out";
                return Err(record.problem(&format!("regions[{index}].box"), what, advice).into());
            }
            None => return Err(problem(record, &field, "the mask is empty").into()),
        }
        *path = pictures.write_mask(&format!("{}-{}", slug(&case.case_id), slug(&region.id)), &mask)?;
    }
    Ok(case)
}

/// Makes the split, and writes the cases and the report.
fn finish(
    cases: Vec<Completed>,
    out: &Path,
    options: &FormatOptions,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<(), ImportError> {
    let mut cases: Vec<Case> = cases.into_iter().map(|(_, case)| case).collect();
    if report.split.kind == "new" {
        let strata: Vec<String> = cases.iter().map(|case| case.modality.clone()).collect();
        report.notes.extend(sides::split(options.seed, &pictures.output, &mut cases, &strata));
    }
    report.rows.kept = cases.len();
    report.questions.kept = cases.iter().map(|case| case.chain.len()).sum();
    for item in cases.iter().flat_map(|case| &case.chain) {
        report.categories.entry(item.category.clone()).or_default().add("record", item.question.clone());
    }
    let used: BTreeSet<&str> = cases.iter().flat_map(|case| &case.images).map(|image| image.path.as_str()).collect();
    let masks: BTreeSet<&str> =
        cases.iter().flat_map(|case| &case.regions).filter_map(|region| region.shape.mask_path()).collect();
    pictures.remove_except(&used, &masks);
    pictures.report(&used, &mut report.pixels);
    report.warnings = pictures.output.warnings();
    report.warnings.extend(unreachable_boxes(&cases));
    report.count(&cases);
    write_report(out, report)?;
    pictures.complete();
    Dataset::new(&out.join(CASE_FILE), cases).save()?;
    Ok(())
}

/// Reads a mask below `root`.
fn mask(root: &Path, path: &str) -> Result<Mask, String> {
    let found = resolve(root, path).map_err(|(what, advice)| format!("{what} -> {advice}"))?;
    read_mask(&found).map_err(|error| error.to_string())
}

fn list<'a>(record: &Record, fields: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Vec<Value>, Problems> {
    match fields.get_mut(name) {
        Some(Value::Array(list)) => Ok(list),
        Some(_) => Err(problem(record, name, "is no list -> write it in brackets")),
        None => Err(problem(record, name, "is missing -> add it")),
    }
}

fn object<'a>(record: &Record, value: &'a mut Value, field: &str) -> Result<&'a mut Map<String, Value>, Problems> {
    value.as_object_mut().ok_or_else(|| problem(record, field, "is no object -> write it in braces"))
}

/// Makes a problem of a record from a message that may have advice.
fn problem(record: &Record, field: &str, message: &str) -> Problems {
    let (what, advice) = message.split_once(" -> ").unwrap_or((message, "correct the record"));
    record.problem(field, what, advice)
}
