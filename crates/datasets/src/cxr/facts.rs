//! What is true of one chest X-ray, measured on its masks.

use std::path::Path;

use stepwise_data::case::{Image, Region, RegionRole};
use stepwise_data::image::Mask;
use stepwise_data::problem::Problem;

use super::classes::{CLASSES, Class, HEART, LEFT_LUNG, RIGHT_LUNG};
use super::diagnosis;
use super::tables::Picture;
use crate::ImportError;
use crate::pixels::{parts, union};

/// A lung is affected when a finding covers at least this part of it.
pub(super) const AFFECTED: f64 = 0.01;
/// Below this part it is not; between the two it is not said.
const SPARED: f64 = 0.001;
/// Parts of a finding count as regions when they cover at least this part of the image.
pub(super) const REGION: f64 = 0.001;

/// A marked structure.
pub(super) struct Marked {
    pub(super) class: &'static Class,
    /// Nothing when it is known to be there, but not where.
    pub(super) region: Option<Region>,
    pub(super) mask: Option<Mask>,
}

/// A finding with what its masks show.
pub(super) struct Finding {
    pub(super) label: &'static str,
    /// The region of all of it, when there is but one.
    pub(super) region: Option<Region>,
    pub(super) regions: Vec<String>,
    /// Covered part of the right and the left lung; nothing when not both are marked.
    pub(super) lungs: Option<[f64; 2]>,
    /// Covered part of both lungs together.
    pub(super) extent: Option<f64>,
    /// Covered part of the image.
    pub(super) share: f64,
    /// Separate parts of at least [`REGION`] of the image.
    pub(super) parts: usize,
}

impl Finding {
    /// Whether the right and the left lung are affected; nothing when a lung is not marked, or barely touched.
    pub(super) fn affected(&self) -> Option<[bool; 2]> {
        let lungs = self.lungs?;
        let clear =
            lungs.iter().all(|part| *part >= AFFECTED || *part < SPARED) && lungs.iter().any(|part| *part >= AFFECTED);
        clear.then(|| lungs.map(|part| part >= AFFECTED))
    }
}

/// All that is asked about.
pub(super) struct Facts {
    pub(super) width: u32,
    pub(super) height: u32,
    /// As the table has it.
    pub(super) view: String,
    pub(super) diagnosis: String,
    pub(super) marked: Vec<Marked>,
    /// Lower case.
    notes: String,
}

impl Facts {
    pub(super) fn of(picture: &Picture, image: &Image, marked: Vec<Marked>) -> Self {
        Self {
            width: image.width,
            height: image.height,
            view: picture.view.clone(),
            diagnosis: diagnosis(&picture.finding),
            marked,
            notes: format!(" {} ", picture.notes.to_lowercase()),
        }
    }

    /// Refuses an image whose marked lungs contradict the orientation that is stated.
    pub(super) fn check_sides(&self, table: &Path) -> Result<(), ImportError> {
        let middle = |label| self.mask(label)?.centroid().map(|[x, _]| x);
        match (middle(RIGHT_LUNG), middle(LEFT_LUNG)) {
            (Some(right), Some(left)) if right >= left => {
                let file =
                    self.marked.iter().filter_map(|marked| marked.region.as_ref()).map(|region| &region.id).next();
                let what = format!("the right lung lies right of the left lung on the image ({file:?} and others)");
                Err(Problem::new(table, what, "mirror the image, or exchange the names of its lungs").into())
            }
            _ => Ok(()),
        }
    }

    /// The one view that table and notes agree on.
    pub(super) fn view(&self) -> Option<&'static str> {
        let said_ap = self.notes.contains("anteroposterior") || self.notes.contains("ap chest");
        match self.view.as_str() {
            "PA" if !said_ap => Some(PA),
            "AP" | "AP Supine" => Some(AP),
            "L" => Some(LATERAL),
            _ => None,
        }
    }

    /// The labels of this role that are marked, in the order of the classes.
    pub(super) fn present(&self, role: RegionRole) -> Vec<&'static str> {
        let is = |class: &&Class| class.role == role && self.marked.iter().any(|marked| marked.class == *class);
        CLASSES.iter().filter(is).map(|class| class.label).collect()
    }

    /// The labels of this role that are neither marked nor mentioned in the notes.
    pub(super) fn absent(&self, role: RegionRole) -> Vec<&'static str> {
        let is = |class: &&Class| {
            class.role == role
                && self.marked.iter().all(|marked| marked.class != *class)
                && !class.mentions.iter().any(|word| self.notes.contains(word))
        };
        CLASSES.iter().filter(is).map(|class| class.label).collect()
    }

    /// Ids of the regions with a label.
    pub(super) fn regions(&self, label: &str) -> Vec<&str> {
        let own = self.marked.iter().filter(|marked| marked.class.label == label);
        own.filter_map(|marked| marked.region.as_ref()).map(|region| region.id.as_str()).collect()
    }

    /// The only region with a label.
    pub(super) fn region(&self, label: &str) -> Option<&Region> {
        let mut own = self.marked.iter().filter(|marked| marked.class.label == label);
        match (own.next(), own.next()) {
            (Some(only), None) => only.region.as_ref(),
            _ => None,
        }
    }

    /// All pixels with a label.
    fn mask(&self, label: &str) -> Option<Mask> {
        union(self.marked.iter().filter(|marked| marked.class.label == label).filter_map(|marked| marked.mask.as_ref()))
    }

    /// The part of the heart and mediastinum that lies in the left half of the image.
    pub(super) fn heart_left(&self) -> Option<f64> {
        let heart = self.mask(HEART)?;
        let left = heart.inside.chunks(heart.width as usize).flat_map(|row| &row[..row.len() / 2]);
        Some(left.filter(|inside| **inside).count() as f64 / heart.area() as f64)
    }

    /// The findings with a mask.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let lungs = [RIGHT_LUNG, LEFT_LUNG].map(|label| self.mask(label));
        let measured = |label| {
            let mask = self.mask(label)?;
            let covered = |lung: &Mask| mask.overlap(lung) as f64 / lung.area() as f64;
            let (mut parted, mut extent) = (None, None);
            if let [Some(right), Some(left)] = &lungs {
                parted = Some([covered(right), covered(left)]);
                extent = union([right, left]).map(|both| covered(&both));
            }
            let least = (REGION * mask.inside.len() as f64).ceil() as usize;
            Some(Finding {
                label,
                region: self.region(label).cloned(),
                regions: self.regions(label).into_iter().map(str::to_owned).collect(),
                lungs: parted,
                extent,
                share: mask.area() as f64 / mask.inside.len() as f64,
                parts: parts(&mask, least),
            })
        };
        self.present(RegionRole::Finding).into_iter().filter_map(measured).collect()
    }
}

pub(super) const PA: &str = "posteroanterior (PA)";
pub(super) const AP: &str = "anteroposterior (AP)";
pub(super) const LATERAL: &str = "lateral";
