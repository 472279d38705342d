//! Medical Segmentation Decathlon and nnU-Net: `dataset.json`, `imagesTr/` and `labelsTr/` with NIfTI volumes, read slice by
//! slice.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stepwise_data::image::Mask;
use stepwise_data::problem::Problems;

use super::super::entry::{Entry, ImageAt, ImageRef, Row, Unit};
use super::super::format::{Format, FormatOptions, Mark, Rows};
use super::super::pictures::resolve;
use super::super::record::Place;
use super::super::region_mask::RegionMask;
use super::annotated::{ClassBox, Known, row};
use super::common::nothing_to_read;
use super::msd_sheet::{Pair, Sheet};
use super::unpaired::{image_without, whole, without_image};
use crate::source_image::{Plane, Refused, Slices, Volume};

/// File with the list of volumes.
const SHEET: &str = "dataset.json";

/// Medical Segmentation Decathlon.
pub(super) struct Msd;

impl Format for Msd {
    fn name(&self) -> &'static str {
        "msd"
    }

    fn about(&self) -> &'static str {
        "NIfTI volumes of the Medical Segmentation Decathlon and nnU-Net (dataset.json, imagesTr/, labelsTr/; --plane, --slices)"
    }

    fn marks(&self, source: &Path) -> Vec<Mark> {
        let sheet = Sheet::read(source, &source.join(SHEET), 1).ok();
        let what = "dataset.json with labels, and with training or labelsTr/ with NIfTI volumes";
        vec![Mark::new(what, sheet.is_some_and(|sheet| !sheet.training.is_empty()))]
    }

    fn map(&self) -> &'static str {
        include_str!("maps/annotations.toml")
    }

    fn entries(&self, source: &Path, options: &FormatOptions) -> Result<Rows, Problems> {
        let file = source.join(SHEET);
        if !file.is_file() {
            return Err(nothing_to_read(source, "dataset.json with labels"));
        }
        let options = options.pixels.clone();
        let channel = options.frame.unwrap_or(1).max(1) as usize;
        let sheet = Arc::new(Sheet::read(source, &file, channel)?);
        let root = source.to_owned();
        let file: Arc<Path> = Arc::from(file);
        let unlabelled =
            sheet.unlabelled.iter().map(|image| image_without(whole(&source.join(image)), "a label volume"));
        let lonely = sheet.lonely.iter().map(|label| without_image(&source.join(label), "a label volume"));
        let others: Vec<Entry> = unlabelled.chain(lonely).collect();
        let volumes = 0..sheet.training.len();
        let labelled = volumes.flat_map(move |index| {
            let place = Place { file: Arc::clone(&file), row: index + 1 };
            let volume = LabelVolume::open(&root, &sheet, index, &place);
            match volume {
                Ok(volume) => volume.entries(&root, &sheet, &place, options.plane, &options.slices),
                Err(problems) => vec![Entry::Faulty(problems)],
            }
        });
        Ok(Rows::new(labelled.chain(others)))
    }
}

/// A label volume with the path of its image.
struct LabelVolume {
    labels: Volume,
    image: String,
}

impl LabelVolume {
    fn open(root: &Path, sheet: &Sheet, index: usize, place: &Place) -> Result<Self, Problems> {
        let Pair { image, label } = &sheet.training[index];
        let found: PathBuf =
            resolve(root, label).map_err(|(what, advice)| place.problem("training.label", what, advice))?;
        let refused = |refused: Refused| place.problem("training.label", refused.what, refused.advice);
        let labels = Volume::open(&found, None).map_err(refused)?;
        let (field, other) = ("training.image", resolve(root, image));
        let other = other.map_err(|(what, advice)| place.problem(field, what, advice))?;
        if !labels.fits(&other).map_err(|refused| place.problem(field, refused.what, refused.advice))? {
            let what = format!("{image} has another size or orientation than its labels {label}");
            return Err(place.problem(field, what, "store both volumes on the same grid of voxels"));
        }
        Ok(Self { labels, image: image.clone() })
    }

    /// Returns a row for each slice.
    fn entries(&self, root: &Path, sheet: &Sheet, place: &Place, plane: Plane, slices: &Slices) -> Vec<Entry> {
        let count = self.labels.slices(plane);
        let indices: Vec<usize> = match slices {
            Slices::Indices(indices) => indices.clone(),
            Slices::All | Slices::Labelled => (0..count).collect(),
        };
        let mut entries = Vec::new();
        for index in indices {
            let is_wanted = |row: &Row| *slices != Slices::Labelled || !row.regions.is_empty();
            match self.row(root, sheet, place, plane, index) {
                Ok(row) if is_wanted(&row) => entries.push(Entry::Row(Box::new(row))),
                Ok(_) => {}
                Err(problems) => return vec![Entry::Faulty(problems)],
            }
        }
        if entries.is_empty() {
            entries.push(Entry::LeftOut(place.clone(), "a volume without a labelled slice".into()));
        }
        entries
    }

    fn row(&self, root: &Path, sheet: &Sheet, place: &Place, plane: Plane, index: usize) -> Result<Row, Problems> {
        let slice = self.labels.slice(plane, index).ok_or_else(|| {
            let what =
                format!("there is no {} slice {index}: the volume has {}", plane.word(), self.labels.slices(plane));
            place.problem("training.label", what, "give other indices to --slices")
        })?;
        let mut by_class: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        for (pixel, value) in slice.values.iter().enumerate().filter(|(_, value)| **value != 0.0) {
            let class = sheet.by_value.get(&(*value as u16)).filter(|_| value.fract() == 0.0 && *value > 0.0);
            let Some(class) = class else {
                let what = format!("holds the value {value}, which labels of dataset.json does not name");
                return Err(place.problem("training.label", what, "add the value to labels, or correct the volume"));
            };
            by_class.entry(*class).or_insert_with(|| vec![false; slice.values.len()])[pixel] = true;
        }
        let (mut boxes, mut masks) = (Vec::new(), BTreeMap::new());
        for (class, inside) in by_class {
            let mask = Mask { width: slice.width, height: slice.height, inside };
            if let Some(bounds) = mask.bounds() {
                masks.insert(boxes.len(), RegionMask::new(move || mask.clone()));
                boxes.push(ClassBox { class, bounds });
            }
        }
        let image = ImageRef {
            field: "training.image".into(),
            at: ImageAt::Slice { root: root.to_owned(), path: self.image.clone(), plane, index },
            size: Some((slice.width, slice.height)),
        };
        let mut row = row(place.clone(), image, &sheet.names, &boxes, Unit::Pixels, &|_| Known::All);
        row.questions.retain(|question| !question.fields.contains(&("asks".to_owned(), "count".to_owned())));
        row.masks = masks;
        row.links = vec![self.image.trim_start_matches("./").to_owned()];
        row.modality.clone_from(&sheet.modality);
        row.licence.clone_from(&sheet.licence);
        row.revision.clone_from(&sheet.revision);
        Ok(row)
    }
}
