//! Importer of contrast-enhanced T1 slices of the brain, each with one tumour and its box in YOLO format.
//!
//! Files: `glioma/`, `meningioma/`, `pituitary/`, each with `<number>.jpg` and `<number>.txt` (`class cx cy w h`,
//! as parts of the image's sides). Consecutive numbers are often slices of one patient, so a run of consecutive
//! numbers stays on one side of the split. The data set does not record the patient's sides, so all sides are sides
//! of the image.

use std::path::Path;

use stepwise_data::case::{Case, Image, Item, Region, RegionRole, SCHEMA, Shape, Source, Split};
use stepwise_data::problem::{Problem, Problems};

use super::chain::{Ask, Chain};
use super::formats::Mark;
use super::import::{Skipped, check_source};
use super::limits::clear_step;
use super::marks::{Marker, Target};
use super::output::{Finished, IMAGE, Output, list, read_text};
use super::{ImportError, ImportOptions, ImportReport, sides};

/// Folder and diagnosis of each class; the index is the class number in the box files.
const TUMOURS: [(&str, &str); 3] =
    [("pituitary", "pituitary tumour"), ("meningioma", "meningioma"), ("glioma", "glioma")];

/// Name of the importer.
pub(super) const NAME: &str = "brain-mri";

/// Least distance of a size or place from a limit of its scale, as a share of the limit; a choice of this importer.
const MARGIN: f64 = 0.1;
/// Least distance of the box's width, divided by its height, from a limit of its scale, as a share of the limit; a choice
/// of this importer.
const MARGIN_OF_SHAPE: f64 = 0.05;
/// Least distance of an edge of the box from the middle line, as a share of the image's width; a choice of this importer.
const MARGIN_OF_SIDE: f64 = 0.02;

const DATASET: &str = "figshare-brain-tumour";
/// Licence under which the data set is commonly cited; its files do not state one.
const LICENCE: &str = "CC BY 4.0";

/// A slice with its only box.
struct Slice {
    tumour: usize,
    number: u64,
    /// First number of the run that the slice belongs to.
    run: u64,
    /// Middle of the box as parts of the image's width and height.
    middle: [f64; 2],
    /// Width and height of the box as parts of the image's width and height.
    size: [f64; 2],
}

/// Returns what the importer looks for in a folder.
pub(super) fn marks(source: &Path) -> Vec<Mark> {
    TUMOURS.iter().map(|(folder, _)| Mark::new(format!("{folder}/"), source.join(folder).is_dir())).collect()
}

/// Imports the data set in the folder `source` into the new folder `out`, as [`Importer::run`](crate::Importer::run)
/// describes. Box files without an image next to them are left out with a note.
///
/// # Errors
/// When a folder or box file cannot be read or is wrong, there is no slice with a box, an image cannot be read, `out`
/// holds a case file, or a folder or file cannot be written. Images written before stay.
pub(super) fn import(source: &Path, out: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    check_source(source)?;
    let mut skipped = Skipped::default();
    let mut slices = Vec::new();
    let mut problems = Vec::new();
    for (tumour, (folder, _)) in TUMOURS.iter().enumerate() {
        let first = slices.len();
        for label in list(&source.join(folder), &["txt"])? {
            match slice(&label, tumour) {
                Ok(slice) if !label.with_extension("jpg").is_file() => {
                    let place = format!("{}/{}.txt", TUMOURS[tumour].0, slice.number);
                    let line = format!("{}: left out: there is no {}.jpg next to it", label.display(), slice.number);
                    skipped.row(place, "without an image next to the box file", line);
                }
                Ok(slice) => slices.push(slice),
                Err(ImportError::Problems(Problems(all))) => problems.extend(all),
                Err(other) => return Err(other),
            }
        }
        name_runs(&mut slices[first..]);
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    if slices.is_empty() {
        let advice = "give the folder that holds glioma/, meningioma/ and pituitary/";
        return Err(Problem::new(source, "contains no slice with a box", advice).into());
    }

    let mut output = Output::create(out)?;
    let (mut cases, mut strata) = (Vec::new(), Vec::new());
    let mut marker = Marker::new(options.seed);
    for slice in &slices {
        let folder = TUMOURS[slice.tumour].0;
        let case_id = format!("brain-mri-{folder}-{:04}", slice.number);
        let file = source.join(folder).join(format!("{}.jpg", slice.number));
        let image = output.image(&file, &format!("{folder}-{:04}.jpg", slice.number), None)?;
        let case = case(slice, case_id, image, options.seed);
        let marked = marker.marked(&mut output, &case, &target(slice, &case))?;
        for case in [Some(case), marked].into_iter().flatten() {
            cases.push(case);
            strata.push(folder.to_owned());
        }
    }
    skipped.lines.extend(sides::split(options.seed, &output, &mut cases, &strata));
    output.finish(cases, skipped, &Finished { name: NAME, seed: options.seed, split: "new" })
}

/// Reads the box file of a slice; `tumour` is the index of its folder in [`TUMOURS`].
fn slice(path: &Path, tumour: usize) -> Result<Slice, ImportError> {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let number = stem.parse().ok().filter(|number: &u64| number.to_string() == stem);
    let number = number.ok_or_else(|| {
        Problem::new(
            path,
            "its name is not a number",
            "keep the data set's file names: runs of slices are found by them",
        )
    })?;
    let text = read_text(path)?;
    let lines: Vec<(usize, &str)> = text
        .lines()
        .enumerate()
        .map(|(row, line)| (row + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let [(row, line)] = lines[..] else {
        let what = format!("contains {} boxes", lines.len());
        return Err(Problem::new(path, what, "write exactly one box: class cx cy w h").into());
    };
    let at = |field: &str, what: String, advice: &str| Problem::new(path, what, advice).at_row(row).in_field(field);
    let mut values = line.split_whitespace();
    let class = values.next().unwrap_or_default();
    if class.parse() != Ok(tumour) {
        let (folder, _) = TUMOURS[tumour];
        let what = format!("is {class}, but boxes in {folder}/ are of class {tumour}");
        return Err(at("class", what, "move the slice to the folder of its tumour").into());
    }
    let parsed: Vec<f64> = values.map_while(|value| value.parse().ok()).collect();
    let [cx, cy, w, h] = parsed[..] else {
        let what = format!("{line:?} is not a class and four numbers");
        return Err(at("cx cy w h", what, "write class cx cy w h, the numbers as parts of the image's sides").into());
    };
    // Boxes are written with few digits, so they may extend beyond the image by a rounding error.
    let within = |middle: f64, size: f64| size > 0.0 && middle - size / 2.0 > -0.01 && middle + size / 2.0 < 1.01;
    if !within(cx, w) || !within(cy, h) {
        let what = format!("{line:?} is empty or extends beyond the image");
        return Err(at("cx cy w h", what, "give parts of the image's sides, from 0 to 1").into());
    }
    Ok(Slice { tumour, number, run: number, middle: [cx, cy], size: [w, h] })
}

/// Sorts the slices by number and gives slices with consecutive numbers the same run.
fn name_runs(slices: &mut [Slice]) {
    slices.sort_by_key(|slice| slice.number);
    for place in 1..slices.len() {
        if slices[place].number == slices[place - 1].number + 1 {
            slices[place].run = slices[place - 1].run;
        }
    }
}

fn case(slice: &Slice, case_id: String, image: Image, seed: u64) -> Case {
    let sides = [f64::from(image.width), f64::from(image.height)];
    let edge =
        |axis: usize, half: f64| ((slice.middle[axis] + half * slice.size[axis]) * sides[axis]).clamp(0.0, sides[axis]);
    let region = Region {
        id: "tumour".into(),
        image: IMAGE.into(),
        label: "tumour".into(),
        shape: Shape::Box { bounds: [edge(0, -0.5), edge(1, -0.5), edge(0, 0.5), edge(1, 0.5)] },
        role: RegionRole::Finding,
    };
    Case {
        schema: SCHEMA.into(),
        group_id: format!("brain-mri:{}-run-{}", TUMOURS[slice.tumour].0, slice.run),
        split: Split::Train,
        source: Source { dataset: DATASET.into(), revision: None, licence: LICENCE.into(), credentialed: false },
        modality: "mri".into(),
        body_region: Some("brain".into()),
        risk_tier: None,
        chain: questions(slice, &case_id, &image, &region, seed),
        images: vec![image],
        regions: vec![region],
        case_id,
    }
}

/// Tumour of a slice as the target of a mark.
fn target(slice: &Slice, case: &Case) -> Target {
    let region = case.regions[0].clone();
    let names = TUMOURS.iter().map(|(_, name)| (*name).to_owned());
    let (content, others) = names.partition::<Vec<_>, _>(|name| *name == TUMOURS[slice.tumour].1);
    Target { avoid: vec![region.shape.bounds()], region, name: "tumour".into(), content: content.concat(), others }
}

fn questions(slice: &Slice, case_id: &str, image: &Image, region: &Region, seed: u64) -> Vec<Item> {
    let tumour = [region.id.as_str()];
    let [x0, _, x1, _] = region.shape.bounds();
    let [width, height] = [image.width, image.height].map(f64::from);
    let mut chain = Chain::new(seed, case_id, image.width, image.height);

    let ask = Ask::new("01", "Which imaging modality is this?").or("How was this image made?");
    let modality = chain.choice(ask, "MRI", &["CT", "X-ray", "ultrasound"], &["CT"]);
    let ask = Ask::new("02", "Which MRI sequence is this?").after([&modality]);
    let others = ["T1-weighted without contrast", "T2-weighted", "FLAIR", "diffusion-weighted"];
    let sequence = chain.choice(ask, "T1-weighted with contrast", &others, &others[..1]);
    let ask = Ask::new("04", "Which part of the body does this image show?").after([&modality]);
    // A slice from front to back also shows the upper spine, so the spine is no wrong option.
    let part = chain.choice(ask, "brain", &["chest", "abdomen", "pelvis"], &[]);

    let ask = Ask::new("09", "Does this slice show an abnormality?")
        .or("Is there anything abnormal on this slice?")
        .after([&sequence, &part])
        .on(tumour);
    let abnormal = chain.twins(ask, "Is this slice free of abnormalities?", true);
    let ask = Ask::new("12", "Draw the box around the tumour.").or("Where is the tumour? Give its box.");
    let place = chain.locate(ask.after([&abnormal]), region);
    let mut described = Vec::new();
    if let Some(side) = side(x0, x1, width) {
        let ask = Ask::new("13", "On which side of the image's vertical middle line does the tumour lie?")
            .after([&place])
            .on(tumour);
        let sides = ["left of the middle line", "across the middle line", "right of the middle line"];
        described.push(chain.ordinal(ask, &sides, side));
    }
    if let Some(third) = clear_step(slice.middle[1], &[1.0 / 3.0, 2.0 / 3.0], MARGIN) {
        let ask = Ask::new("13", "In which third of the image, from top to bottom, is the middle of the tumour?")
            .after([&place])
            .on(tumour);
        described.push(chain.ordinal(ask, &["upper third", "middle third", "lower third"], third));
    }
    let located = if described.is_empty() { vec![place.clone()] } else { described.clone() };

    let area = slice.size[0] * slice.size[1];
    if let Some(size) = clear_step(area, &[0.01, 0.02, 0.04], MARGIN) {
        let ask = Ask::new("17", "How much of the image's area does the box around the tumour take up?")
            .after([&place])
            .on(tumour)
            .because(format!("the box takes up {:.1}%", 100.0 * area));
        described.push(chain.ordinal(ask, &["less than 1%", "1% to 2%", "2% to 4%", "4% or more"], size));
    }
    let aspect = slice.size[0] * width / (slice.size[1] * height);
    if let Some(shape) = clear_step(aspect, &[1.0 / 1.1, 1.1], MARGIN_OF_SHAPE) {
        let ask =
            Ask::new("18", "Is the tumour's box wider than high? Sides within a tenth of each other are about equal.")
                .after([&place])
                .on(tumour);
        described.push(chain.ordinal(ask, &["higher than wide", "about equal", "wider than high"], shape));
    }
    let away = f64::hypot((slice.middle[0] - 0.5) * width, (slice.middle[1] - 0.5) * height) / width;
    if let Some(far) = clear_step(away, &[0.1, 0.2], MARGIN) {
        let ask = Ask::new(
            "22",
            "How far is the middle of the tumour from the middle of the image, in parts of the image's width?",
        )
        .after(&located)
        .on(tumour);
        described.push(chain.ordinal(ask, &["less than a tenth", "a tenth to a fifth", "more than a fifth"], far));
    }

    let gold = TUMOURS[slice.tumour].1;
    let others: Vec<&str> = TUMOURS.iter().map(|(_, name)| *name).filter(|name| *name != gold).collect();
    let near = if gold == "glioma" { "meningioma" } else { "glioma" };
    let builds_on = if described.is_empty() { vec![place] } else { described };
    let ask = Ask::new("25", "Which type of tumour is this?")
        .or("Which of these is the most likely diagnosis?")
        .after(&builds_on)
        .on(tumour);
    chain.choice(ask, gold, &others, &[near]);
    chain.finish()
}

/// Returns 0 for a box left of the middle line of an image of this width, 1 for a box across it, and 2 for a box right of
/// it. `x0` and `x1` are the left and right edge of the box in pixels. None where an edge lies so near to the middle line
/// that the answer depends on how the box was drawn.
fn side(x0: f64, x1: f64, width: f64) -> Option<usize> {
    let middle = width / 2.0;
    let is_clear = [x0, x1].into_iter().all(|edge| (edge - middle).abs() >= MARGIN_OF_SIDE * width);
    is_clear.then(|| usize::from(x1 > middle) + usize::from(x0 >= middle))
}
