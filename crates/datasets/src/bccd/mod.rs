//! Importer of blood smears with boxes of red cells, white cells and platelets, in the Pascal VOC format.
//!
//! Files: `JPEGImages/`, `Annotations/<name>.xml`, `ImageSets/Main/{train,val,test}.txt`. The data set records neither
//! stain nor diagnosis, so the questions of stage 4 apply a rule that the question states. Boxes of red cells and platelets
//! are missing on many images, and those of white cells on the images without any, so nothing is asked that a missing box
//! would decide.

mod questions;
mod voc;

use std::collections::BTreeMap;
use std::path::Path;

use stepwise_data::case::{Case, Region, RegionRole, SCHEMA, Shape, Source, Split};
use stepwise_data::problem::{Problem, Problems};

use super::formats::Mark;
use super::marks::{Marker, Target};
use super::output::{Finished, IMAGE, Output, list, read_text, slug};
use crate::import::{ImportError, ImportOptions, ImportReport, Skipped, check_source};
use crate::sides;
use voc::{CELLS, Cell, PLATELET, Smear, WHITE};

/// Name of the importer.
pub(super) const NAME: &str = "bccd";

const DATASET: &str = "bccd";
/// Licence in the data set's LICENSE file.
const LICENCE: &str = "MIT";

/// Returns what the importer looks for in a folder.
pub(super) fn marks(source: &Path) -> Vec<Mark> {
    vec![
        Mark::new("JPEGImages/", source.join("JPEGImages").is_dir()),
        Mark::new("ImageSets/Main/train.txt", source.join("ImageSets/Main/train.txt").is_file()),
        Mark::new("Annotations/*.xml with WBC, RBC or Platelets", has_cells(source)),
    ]
}

/// Returns whether the first annotation of a folder has cells of the classes of this data set.
pub(super) fn has_cells(source: &Path) -> bool {
    let first = list(&source.join("Annotations"), &["xml"]).ok().and_then(|files| files.into_iter().next());
    let text = first.and_then(|file| read_text(&file).ok()).unwrap_or_default();
    CELLS.iter().any(|cell| text.contains(&format!("<name>{}</name>", cell.name)))
}

/// Imports the data set in the folder `source` into the new folder `out`, as [`Importer::run`](crate::Importer::run)
/// describes. Listed images without a file or annotation are left out with a note.
///
/// # Errors
/// When a list or annotation cannot be read or is wrong, an annotation does not fit its image, an image cannot be read,
/// there is no case, `out` holds a case file or files that no import wrote, or a folder or file cannot be written. Images
/// written before stay.
pub(super) fn import(source: &Path, out: &Path, options: &ImportOptions) -> Result<ImportReport, ImportError> {
    check_source(source)?;
    let (mut skipped, mut problems, mut smears) = (Skipped::default(), Vec::new(), Vec::new());
    for (name, (split, listed_in)) in sets(source)? {
        let image = source.join("JPEGImages").join(format!("{name}.jpg"));
        let annotation = source.join("Annotations").join(format!("{name}.xml"));
        if let Some(file) = [&image, &annotation].into_iter().find(|file| !file.is_file()) {
            let line = format!("{listed_in}: {name}: left out: there is no {}", file.display());
            skipped.row(format!("{listed_in}: {name}"), "without an image or annotation", line);
            continue;
        }
        match voc::read(&annotation) {
            Ok(smear) => smears.push((name, split, image, smear)),
            Err(ImportError::Problems(Problems(all))) => problems.extend(all),
            Err(other) => return Err(other),
        }
    }
    if !problems.is_empty() {
        return Err(Problems(problems).into());
    }
    if smears.is_empty() {
        let advice = "check that JPEGImages/ and Annotations/ contain the files that ImageSets/Main lists";
        return Err(Problem::new(source, "gives no case", advice).into());
    }

    let mut output = Output::create(out)?;
    let mut cases = Vec::new();
    let mut marker = Marker::new(options.seed);
    for (name, split, file, smear) in smears {
        let case_id = format!("bccd-{}", slug(&name));
        let image = output.image(&file, &format!("{name}.jpg"), None)?;
        if [image.width, image.height] != smear.size {
            let [width, height] = smear.size;
            let what = format!("is {width}x{height}, but the image is {}x{}", image.width, image.height);
            let file = source.join("Annotations").join(format!("{name}.xml"));
            return Err(Problem::new(file, what, "use the image to which this annotation belongs")
                .in_field("size")
                .into());
        }
        for line in &smear.ignored {
            skipped.part(case_id.clone(), "a box without area", format!("{case_id}: {line}"));
        }
        let unboxed = CELLS.iter().filter(|cell| smear.of(cell).is_empty());
        let note =
            |cell: &&Cell| format!("{case_id}: {}s not asked about: none is boxed, but boxes are missing", cell.label);
        skipped.lines.extend(unboxed.map(note));
        let case = Case {
            schema: SCHEMA.into(),
            group_id: format!("bccd:{name}"),
            split,
            source: Source { dataset: DATASET.into(), revision: None, licence: LICENCE.into(), credentialed: false },
            modality: "microscopy".into(),
            body_region: Some("blood".into()),
            risk_tier: None,
            regions: regions(&smear),
            chain: questions::ask(&smear, &case_id, options.seed),
            images: vec![image],
            case_id,
        };
        let marked = target(&case).map(|target| marker.marked(&mut output, &case, &target)).transpose()?.flatten();
        cases.extend([Some(case), marked].into_iter().flatten());
    }
    skipped.lines.extend(sides::keep(&output, &mut cases));
    output.finish(cases, skipped, &Finished { name: NAME, seed: options.seed, split: "published" })
}

/// Returns the image names that the data set lists, each with its side of the split and the list that names it.
fn sets(source: &Path) -> Result<BTreeMap<String, (Split, String)>, ImportError> {
    let mut sets: BTreeMap<String, (Split, String)> = BTreeMap::new();
    let mut problems = Vec::new();
    for (file, split) in [("train", Split::Train), ("val", Split::Validation), ("test", Split::Test)] {
        let path = source.join("ImageSets/Main").join(format!("{file}.txt"));
        for (row, line) in read_text(&path)?.lines().enumerate() {
            // Lists of Pascal VOC may have a second column.
            let Some(name) = line.split_whitespace().next() else { continue };
            let at = |what: String, advice: &str| Problem::new(&path, what, advice).at_row(row + 1);
            if !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_".contains(letter)) {
                problems.push(at(format!("{name:?} is not an image name"), "write a file name without its extension"));
            } else if let Some((_, other)) = sets.insert(name.to_owned(), (split, format!("{file}.txt"))) {
                let advice = "list each image on one side of the split only";
                problems.push(at(format!("{name} is already listed in {other}"), advice));
            }
        }
    }
    if problems.is_empty() { Ok(sets) } else { Err(Problems(problems).into()) }
}

/// The only white blood cell of a smear as the target of a mark; None where there is none, or are several. The other two
/// frames stay clear of white blood cells and of boxed platelets. Other platelets have no box, so no option names them.
fn target(case: &Case) -> Option<Target> {
    let labelled = |label: &'static str| case.regions.iter().filter(move |region| region.label == label);
    let mut white = labelled(WHITE.label);
    let (Some(region), None) = (white.next(), white.next()) else { return None };
    Some(Target {
        region: region.clone(),
        name: WHITE.label.into(),
        content: format!("a {}", WHITE.label),
        others: vec!["two or more white blood cells".into()],
        avoid: [WHITE, PLATELET].iter().flat_map(|cell| labelled(cell.label)).map(|cell| cell.shape.bounds()).collect(),
    })
}

fn regions(smear: &Smear) -> Vec<Region> {
    let cells = CELLS
        .iter()
        .flat_map(|cell| smear.of(cell).iter().enumerate().map(move |(place, bounds)| (cell, place, bounds)));
    cells
        .map(|(cell, place, bounds)| Region {
            id: voc::id(cell, place),
            image: IMAGE.into(),
            label: cell.label.into(),
            shape: Shape::Box { bounds: *bounds },
            // Cells of healthy blood are no findings.
            role: RegionRole::Organ,
        })
        .collect()
}
