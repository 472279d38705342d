//! Completion of case records: ids, digests, sizes, hashes, boxes of masks and sides of the split that a file lacks.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Map, Value, json};
use stepwise_data::case::{Case, SCHEMA, Shape, Split};
use stepwise_data::check::{CheckOptions, Files, check, unreachable_boxes};
use stepwise_data::dataset::{CASE_FILE, Dataset};
use stepwise_data::image::Mask;
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::taxonomy::Taxonomy;

use super::entry::ImageRef;
use super::format::FormatOptions;
use super::pictures::{Picture, Pictures, resolve};
use super::pipeline::description;
use super::record::{Record, scalar};
use super::records;
use super::report::{FormatReport, REPORT_SCHEMA, write_report};
use crate::import::ImportError;
use crate::output::Output;
use crate::sides;
use crate::source_image::{DrawnOn, read_mask};

/// Text of what the source does not record.
const NOT_RECORDED: &str = "not recorded";

/// Completes the records of `source`, a JSON Lines file or a folder with `cases.jsonl`, and writes them with their
/// images and masks to the new folder `out`. A value that a record has is kept; digests and sizes must be those of the
/// files. Without any side of the split a new one is made by group.
///
/// # Errors
/// When the source cannot be read, a record is faulty (without [`FormatOptions::keep_going`]), no case is left, `out`
/// holds a case file, or a file cannot be written.
pub(crate) fn import(source: &Path, out: &Path, options: &FormatOptions) -> Result<FormatReport, ImportError> {
    if options.pixels.exif == Some(DrawnOn::Stored) {
        let what = "case records have their regions on the image as shown";
        return Err(Problem::new(source, what, "turn the regions, and leave --exif out").into());
    }
    let file = if source.is_dir() { source.join(CASE_FILE) } else { source.to_owned() };
    let root = stepwise_data::dataset::root_of(&file).to_owned();
    let mut report = FormatReport {
        schema: REPORT_SCHEMA.into(),
        format: "cases".into(),
        dataset: root.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        seed: options.seed,
        ..FormatReport::default()
    };
    if report.dataset.is_empty() {
        report.dataset = "cases".into();
    }
    let records = records::open(&file)?;
    let import = description("cases", source, options);
    let mut pictures = Pictures::new(Output::create(out)?, &import)?;
    let finished = complete(records, &root, options, &mut pictures, &mut report)
        .and_then(|cases| finish(cases, &root, out, options, &mut pictures, &mut report));
    match finished {
        Ok(()) => Ok(report),
        Err(error) => {
            pictures.remove_all();
            Err(error)
        }
    }
}

/// Completes each record. The masks of the cases still have their paths in the source.
fn complete(
    records: records::Records,
    root: &Path,
    options: &FormatOptions,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<Vec<Case>, ImportError> {
    let (mut cases, mut problems) = (Vec::new(), Vec::new());
    let (mut sided, mut sideless) = (0, 0);
    for record in records {
        report.rows.read += 1;
        let has_side = record.as_ref().is_ok_and(|record| record.fields.contains_key("split"));
        match record.map_err(ImportError::from).and_then(|record| case(&record, root, options, pictures, report)) {
            Ok(case) => {
                report.questions.read += case.chain.len();
                cases.push(case);
                if has_side {
                    sided += 1;
                } else {
                    sideless += 1;
                }
            }
            Err(ImportError::Problems(Problems(found))) => {
                let first =
                    found.first().map_or_else(String::new, |problem| format!("{}: {}", problem.field, problem.what));
                report.rows.faulty.add(first, format!("row {}", report.rows.read));
                problems.extend(found);
            }
            Err(other) => return Err(other),
        }
    }
    if sided > 0 && sideless > 0 {
        let what = format!("{sideless} of {} records have no split", sided + sideless);
        problems.push(Problem::new(root, what, "give all of them a side, or none").in_field("split"));
    } else if !options.keep_going || cases.is_empty() {
        if cases.is_empty() && problems.is_empty() {
            problems.push(Problem::new(root, "has no record", "write one JSON object on each line"));
        }
    } else {
        problems.clear();
    }
    report.split.kind = if sided > 0 { "published" } else { "new" };
    if problems.is_empty() { Ok(cases) } else { Err(Problems(problems).into()) }
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
    let id = fields.get("case_id").and_then(scalar).unwrap_or_else(|| format!("case-{:06}", record.place.row));
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
        let category = object.get("category").and_then(scalar).unwrap_or_default();
        if let Some(category) = taxonomy.category(&category) {
            object.entry("stage").or_insert(json!(category.stage));
        }
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

/// Writes masks, makes the split, checks the cases, and writes them and the report.
fn finish(
    mut cases: Vec<Case>,
    root: &Path,
    out: &Path,
    options: &FormatOptions,
    pictures: &mut Pictures,
    report: &mut FormatReport,
) -> Result<(), ImportError> {
    if report.split.kind == "new" {
        let strata: Vec<String> = cases.iter().map(|case| case.modality.clone()).collect();
        report.notes.extend(sides::split(options.seed, &pictures.output, &mut cases, &strata));
    }
    report.rows.kept = cases.len();
    report.questions.kept = cases.iter().map(|case| case.chain.len()).sum();
    for item in cases.iter().flat_map(|case| &case.chain) {
        report.categories.entry(item.category.clone()).or_default().add("record", item.question.clone());
    }
    let unmasked = Dataset::new(&out.join(CASE_FILE), cases);
    let findings = check(&unmasked, &CheckOptions { files: Files::Skip, ..CheckOptions::default() });
    if !findings.problems.is_empty() {
        return Err(Problems(findings.problems).into());
    }
    let mut cases = unmasked.cases;
    for case in &mut cases {
        for region in &mut case.regions {
            if let Shape::Mask { path, .. } = &mut region.shape {
                let mask =
                    mask(root, path).map_err(|what| Problem::new(root.join(&*path), what, "correct the mask"))?;
                let image = case.images.iter().find(|image| image.id == region.image);
                if let Some(image) = image.filter(|image| (image.width, image.height) != (mask.width, mask.height)) {
                    let (width, height) = (image.width, image.height);
                    let what = format!("is {}x{} pixels, but its image has {width}x{height}", mask.width, mask.height);
                    return Err(Problem::new(root.join(&*path), what, "use the mask that belongs to the image").into());
                }
                let name = format!("{}-{}", crate::output::slug(&case.case_id), crate::output::slug(&region.id));
                *path = pictures.output.mask(&name, &mask)?;
            }
        }
    }
    let used: BTreeSet<&str> = cases.iter().flat_map(|case| &case.images).map(|image| image.path.as_str()).collect();
    pictures.output.remove_images_except(&used);
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
