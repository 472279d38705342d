//! Importer of chest X-rays with cropped masks of organs, findings and devices.
//!
//! Files: `metadata.csv` (one image in each row), `structure.csv` (one marked structure in each row), `images/`,
//! `masks/`. Right and left are sides of the patient. The images show the patient's right on their left; the marked
//! lungs are checked against this.

mod classes;
mod doubt;
mod facts;
mod questions;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stepwise_data::case::{Case, Image, Region, SCHEMA, Shape, Source, Split};
use stepwise_data::image::load_mask;
use stepwise_data::problem::{Problem, Problems};

use super::formats::Mark;
use super::marks::Marker;
use super::output::{Finished, IMAGE, Output, slug};
use super::pixels::paste;
use crate::import::{ImportError, ImportOptions, ImportReport, Skipped, check_source};
use crate::sides;
use classes::{CLASSES, Class};
use facts::{Facts, LEAST, Marked};
use tables::Marking;

const DATASET: &str = "covid-19-chest-xray-segmentations";

/// Name of the importer.
pub(super) const NAME: &str = "cxr";

/// Returns what the importer looks for in a folder.
pub(super) fn marks(source: &Path) -> Vec<Mark> {
    let mut marks = vec![Mark::common("images/", source.join("images").is_dir())];
    for (table, column) in [("metadata.csv", "patientid"), ("structure.csv", "Template Name")] {
        let has_column = csv::Reader::from_path(source.join(table))
            .and_then(|mut table| table.headers().map(|names| names.iter().any(|name| name == column)))
            .unwrap_or(false);
        marks.push(Mark::new(format!("{table} with {column}"), has_column));
    }
    marks
}

/// Imports the data set in the folder `source` into the new folder `out`, as [`Importer::run`](crate::Importer::run)
/// describes. Images of other modalities, without a file, without markings or with published arrows
/// are left out with a note.
///
/// # Errors
/// When a table cannot be read or is wrong, an image or mask cannot be read or contradicts the table, the marked lungs
/// contradict the orientation, there is no case, `out` holds a case file or files that no import wrote, or a folder or file
/// cannot be written. Images and masks written before stay.
pub(super) fn import(source: &Path, out: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    check_source(source)?;
    let metadata = source.join("metadata.csv");
    let structure = source.join("structure.csv");
    let pictures = tables::pictures(&metadata)?;
    let mut markings: BTreeMap<String, Vec<Marking>> = BTreeMap::new();
    for marking in tables::markings(&structure)? {
        markings.entry(marking.filename.clone()).or_default().push(marking);
    }
    let set = Counts {
        diagnoses: count(pictures.iter().map(|picture| diagnosis(&picture.finding))),
        marked: count(markings.values().flat_map(|own| {
            let classes: BTreeSet<&str> = own.iter().map(|marking| marking.class.as_str()).collect();
            classes.into_iter().map(str::to_owned)
        })),
    };
    let mut output = Output::create(out)?;

    let (mut cases, mut strata, mut skipped) = (Vec::new(), Vec::new(), Skipped::default());
    let mut marker = Marker::new(options.seed);
    for picture in &pictures {
        let file = source.join("images").join(&picture.filename);
        let missing = if picture.modality != "X-ray" {
            Some(format!("its modality is {:?}, not \"X-ray\"", picture.modality))
        } else if !file.is_file() {
            Some("images/ has no such file".to_owned())
        } else if !markings.contains_key(&picture.filename) {
            Some("no row of structure.csv is left for it".to_owned())
        } else if doubt::has_arrows(&picture.notes.to_lowercase()) {
            Some("arrows are drawn on it, as the notes say".to_owned())
        } else {
            None
        };
        if let Some(reason) = missing {
            let place = format!("metadata.csv:{}", picture.row);
            let line = format!("{place}: {}: left out: {reason}", picture.filename);
            skipped.row(place, reason, line);
            // Markings of an image that is left out are not reported once more.
            markings.remove(&picture.filename);
            continue;
        }
        // Removed, so that a second row for the same file is reported and left out.
        let mut own = markings.remove(&picture.filename).unwrap_or_default();
        let image = output.image(&file, &picture.filename, Some("radiological"))?;
        let case_id = format!("cxr-{}", slug(&picture.filename));
        let classes: Vec<&'static Class> =
            CLASSES.iter().filter(|class| own.iter().any(|marking| marking.class == class.name)).collect();
        let doubtful = doubt::doubtful(&picture.notes.to_lowercase(), &classes);
        let note =
            |(class, reason): &(&'static Class, &str)| format!("{case_id}: {} not asked about: {reason}", class.label);
        skipped.lines.extend(doubtful.iter().map(note));
        own.retain(|marking| doubtful.iter().all(|(class, _)| class.name != marking.class));
        let place = Place { source, table: &structure, output: &output };
        let (marked, strays) = regions(&place, &case_id, &image, &own, &mut skipped)?;
        let doubtful = doubtful.into_iter().map(|(class, _)| class).chain(strays).collect();
        let facts = Facts::of(picture, &image, marked, doubtful);
        facts.check_sides(&structure)?;
        let (chain, left_out) = questions::ask(&facts, &case_id, &set, options.seed);
        skipped.lines.extend(left_out.into_iter().map(|reason| format!("{case_id}: {reason}")));
        let target = facts.target();
        let case = Case {
            schema: SCHEMA.into(),
            group_id: format!("cxr:patient-{}", picture.patient),
            split: Split::Train,
            source: Source {
                dataset: DATASET.into(),
                revision: None,
                licence: picture.licence.clone(),
                credentialed: false,
            },
            modality: "x-ray".into(),
            body_region: Some("chest".into()),
            risk_tier: None,
            images: vec![image],
            regions: facts.marked.into_iter().filter_map(|marked| marked.region).collect(),
            chain,
            case_id,
        };
        let marked = target.map(|target| marker.marked(&mut output, &case, &target)).transpose()?.flatten();
        for case in [Some(case), marked].into_iter().flatten() {
            cases.push(case);
            strata.push(picture.finding.clone());
        }
    }
    for (file, own) in markings {
        let reason = "metadata.csv has no row for the image";
        own.iter().for_each(|marking| skipped.parts.add(reason, format!("structure.csv:{}", marking.row)));
        skipped.lines.push(format!("structure.csv: {file}: left out: metadata.csv has no row for it"));
    }
    if cases.is_empty() {
        let advice = "check that images/ contains the files that the table names";
        return Err(Problem::new(metadata, "gives no case", advice).into());
    }
    skipped.lines.extend(sides::split(options.seed, &output, &mut cases, &strata));
    output.finish(cases, skipped, &Finished { name: NAME, seed: options.seed, split: "new" })
}

/// Returns the recorded finding as the text of an option.
fn diagnosis(finding: &str) -> String {
    finding.replace(", ", " with ")
}

/// Frequencies in the whole data set. Frequent right answers are also offered often as wrong options, so that they do
/// not stand out.
struct Counts {
    /// Number of images by diagnosis.
    diagnoses: BTreeMap<String, usize>,
    /// Number of images by marked class, under the class's name in the table.
    marked: BTreeMap<String, usize>,
}

impl Counts {
    /// Returns the number of images on which the class with this label is marked.
    fn of(&self, label: &str) -> usize {
        let class = CLASSES.iter().find(|class| class.label == label);
        class.and_then(|class| self.marked.get(class.name)).copied().unwrap_or(0)
    }
}

/// Counts how often each value occurs.
fn count(values: impl Iterator<Item = String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    values.for_each(|value| *counts.entry(value).or_default() += 1);
    counts
}

/// Source folder and table of the markings, and the output folder.
struct Place<'a> {
    source: &'a Path,
    table: &'a Path,
    output: &'a Output,
}

/// Returns the structures marked on an image, after writing their masks at the size of the image, and the classes with a
/// mask too small to show a structure. Markings that cannot be used are added to `skipped`.
fn regions(
    place: &Place,
    case_id: &str,
    image: &Image,
    markings: &[Marking],
    skipped: &mut Skipped,
) -> Result<(Vec<Marked>, Vec<&'static Class>), ImportError> {
    let (mut marked, mut strays): (Vec<Marked>, Vec<&'static Class>) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for marking in markings {
        let Some(class) = CLASSES.iter().find(|class| class.name == marking.class) else {
            let place = format!("structure.csv:{}", marking.row);
            let line = format!("{place}: left out: {:?} is not a known structure", marking.class);
            skipped.part(place, "no known structure", line);
            continue;
        };
        let at = |field: &str, what: String, advice: &str| {
            Problem::new(place.table, what, advice).at_row(marking.row).in_field(field)
        };
        if marking.resolution != [image.width, image.height] {
            let [width, height] = marking.resolution;
            let what = format!("{width}x{height}, but the image is {}x{}", image.width, image.height);
            problems.push(at("Resolution", what, "use the image on which the structures were marked"));
            continue;
        }
        let [left, top, width, height] = marking.place;
        let earlier = marked.iter().filter(|other| other.class == class).count();
        let id = if earlier == 0 { slug(class.label) } else { format!("{}-{}", slug(class.label), earlier + 1) };
        let region =
            |shape| Region { id: id.clone(), image: IMAGE.into(), label: class.label.into(), shape, role: class.role };
        let Some(file) = &marking.mask else {
            let whole = marking.place == [0, 0, image.width, image.height];
            if whole {
                let line = format!(
                    "structure.csv:{}: {}: no mask, and the box is the whole image: only the presence is used",
                    marking.row, class.label
                );
                skipped.lines.push(line);
                marked.push(Marked { class, region: None, mask: None });
            } else if left.saturating_add(width) > image.width
                || top.saturating_add(height) > image.height
                || width == 0
                || height == 0
            {
                problems.push(at(
                    "Width",
                    "the box is empty or extends beyond the image".into(),
                    "correct the box, or remove the row",
                ));
            } else {
                let bounds = [left, top, left + width, top + height].map(f64::from);
                marked.push(Marked { class, region: Some(region(Shape::Box { bounds })), mask: None });
            }
            continue;
        };
        let crop = load_mask(&place.source.join(file))?;
        if [crop.width, crop.height] != [width, height] {
            let what = format!("the mask is {}x{}, but its box is {width}x{height}", crop.width, crop.height);
            problems.push(at("Mask", what, "use the mask that was cropped to this box"));
            continue;
        }
        let Some(mask) = paste(&crop, left, top, image.width, image.height) else {
            problems.push(at("Left", "the mask extends beyond the image".into(), "check Left and Top"));
            continue;
        };
        let Some(bounds) = mask.bounds() else {
            let place = format!("structure.csv:{}", marking.row);
            let line = format!("{place}: left out: its mask is empty");
            skipped.part(place, "an empty mask", line);
            continue;
        };
        if (mask.area() as f64) < LEAST * mask.inside.len() as f64 {
            let place = format!("structure.csv:{}", marking.row);
            let line = format!(
                "{place}: {}: not used: its mask of {} pixels is smaller than a ten-thousandth of the image",
                class.label,
                mask.area()
            );
            skipped.part(place, "a mask smaller than a ten-thousandth of the image", line);
            strays.push(class);
            continue;
        }
        let path = place.output.mask(&format!("{case_id}-{id}"), &mask)?;
        marked.push(Marked { class, region: Some(region(Shape::Mask { path, bounds })), mask: Some(mask) });
    }
    if problems.is_empty() { Ok((marked, strays)) } else { Err(Problems(problems).into()) }
}
