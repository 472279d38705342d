//! Facts about one chest X-ray, measured on its masks.

use std::path::Path;

use stepwise_data::case::{Image, Region, RegionRole};
use stepwise_data::image::Mask;
use stepwise_data::problem::Problem;

use super::classes::{CLASSES, CONSOLIDATION, Class, EFFUSION, HEART, LEFT_LUNG, PROBES, RIGHT_LUNG, TUBING};
use super::diagnosis;
use super::doubt::sides_differ;
use super::tables::Picture;
use crate::import::ImportError;
use crate::marks::Target;
use crate::pixels::{parts, union};

/// Smallest share of a lung, 0 to 1, that a finding covers when the lung counts as affected: 1 %, a choice of this
/// importer.
pub(super) const AFFECTED: f64 = 0.01;
/// Share of a lung below which it counts as not affected. Between the two limits nothing is asked.
const SPARED: f64 = 0.001;
/// Smallest share of the image that the mask of a structure covers. A smaller mask is a stray click.
pub(super) const LEAST: f64 = 0.0001;
/// Smallest share of the image that a separate part of a finding must cover to be counted.
pub(super) const REGION: f64 = 0.001;

/// Structure that is marked on the image.
pub(super) struct Marked {
    /// Class of the structure.
    pub(super) class: &'static Class,
    /// Region of the structure; None when only its presence is known.
    pub(super) region: Option<Region>,
    /// Mask of the structure on the whole image; None when the data set has none.
    pub(super) mask: Option<Mask>,
}

/// Finding and the measurements of its masks. Shares are between 0 and 1.
pub(super) struct Finding {
    /// Whether the notes put the finding into other lungs than its mask does, so that its place and features are unknown.
    pub(super) is_elsewhere: bool,
    /// Label of the finding's class.
    pub(super) label: &'static str,
    /// Region of the whole finding; None when it is marked in several regions.
    pub(super) region: Option<Region>,
    /// Ids of all its regions.
    pub(super) regions: Vec<String>,
    /// Covered share of the right and the left lung; None when a lung is not marked.
    pub(super) lungs: Option<[f64; 2]>,
    /// Covered share of both lungs together; None when a lung is not marked.
    pub(super) extent: Option<f64>,
    /// Covered share of the image.
    pub(super) share: f64,
    /// Number of separate parts that cover at least [`REGION`] of the image.
    pub(super) parts: usize,
}

impl Finding {
    /// Returns whether the right and the left lung are affected. None when a lung is not marked or its covered share
    /// lies between [`SPARED`] and [`AFFECTED`], or when neither lung is affected.
    pub(super) fn affected(&self) -> Option<[bool; 2]> {
        let lungs = self.lungs?;
        let clear =
            lungs.iter().all(|part| *part >= AFFECTED || *part < SPARED) && lungs.iter().any(|part| *part >= AFFECTED);
        clear.then(|| lungs.map(|part| part >= AFFECTED))
    }
}

/// Facts that the questions on one image are made from.
pub(super) struct Facts {
    /// Width of the image in pixels.
    pub(super) width: u32,
    /// Height of the image in pixels.
    pub(super) height: u32,
    /// View as recorded in the table.
    pub(super) view: String,
    /// Recorded diagnosis, in the words of questions.
    pub(super) diagnosis: String,
    /// Marked structures, in the order of the table.
    pub(super) marked: Vec<Marked>,
    /// Classes whose presence is unknown, although the table marks them.
    doubtful: Vec<&'static Class>,
    /// Clinical notes in lower case, with a blank before and after, and a word for an intubation that the table records.
    pub(super) notes: String,
    /// Whether the name of the image file ends in "PA".
    is_named_pa: bool,
}

impl Facts {
    /// Collects the facts of an image from its row of the table, its size, its marked structures, and the classes whose
    /// marks are doubtful.
    pub(super) fn of(picture: &Picture, image: &Image, marked: Vec<Marked>, doubtful: Vec<&'static Class>) -> Self {
        let intubated = if picture.intubated { "intubated " } else { "" };
        let stem = Path::new(&picture.filename).file_stem().map(|stem| stem.to_string_lossy().to_lowercase());
        Self {
            width: image.width,
            height: image.height,
            view: picture.view.clone(),
            diagnosis: diagnosis(&picture.finding),
            marked,
            doubtful,
            notes: format!(" {} {intubated}", picture.notes.to_lowercase()),
            is_named_pa: stem.is_some_and(|stem| stem.ends_with("-pa") || stem.ends_with("_pa")),
        }
    }

    /// Checks that the marked lungs agree with the radiological orientation: the patient's right is on the left of the
    /// image. `table` is named in the error.
    ///
    /// # Errors
    /// When both lungs are marked and the right one does not lie to the left of the left one.
    pub(super) fn check_sides(&self, table: &Path) -> Result<(), ImportError> {
        let middle = |label| self.mask(label)?.centroid().map(|[x, _]| x);
        match (middle(RIGHT_LUNG), middle(LEFT_LUNG)) {
            (Some(right), Some(left)) if right >= left => {
                let file =
                    self.marked.iter().filter_map(|marked| marked.region.as_ref()).map(|region| &region.id).next();
                let what =
                    format!("the right lung lies to the right of the left lung on the image ({file:?} and others)");
                Err(Problem::new(table, what, "mirror the image, or exchange the names of its lungs").into())
            }
            _ => Ok(()),
        }
    }

    /// Returns the view; None when the table names no known view, the notes contradict it, or nothing confirms it. The
    /// table calls nearly all images PA, also those of patients in bed, so PA needs the file name or the notes as well and
    /// holds for no image with a device or of an intubated patient.
    pub(super) fn view(&self) -> Option<&'static str> {
        let said_ap = self.notes.contains("anteroposterior") || self.notes.contains("ap chest");
        let said_pa = self.notes.contains("posteroanterior") || self.notes.contains("pa chest") || self.is_named_pa;
        let in_bed = self.notes.contains("intubat") || !self.present(RegionRole::Device).is_empty();
        match self.view.as_str() {
            "PA" if said_pa && !said_ap && !in_bed => Some(PA),
            "AP" | "AP Supine" => Some(AP),
            "L" => Some(LATERAL),
            _ => None,
        }
    }

    /// Returns the labels of this role that are marked, in the order of the classes.
    pub(super) fn present(&self, role: RegionRole) -> Vec<&'static str> {
        let is = |class: &&Class| class.role == role && self.marked.iter().any(|marked| marked.class == *class);
        CLASSES.iter().filter(is).map(|class| class.label).collect()
    }

    /// Returns the labels of this role that are known to be absent: neither marked, also not doubtfully, nor mentioned in
    /// the notes, nor easily confused with a marked device. An effusion beside a consolidation, which hides it, is unknown
    /// as well. In the order of the classes.
    pub(super) fn absent(&self, role: RegionRole) -> Vec<&'static str> {
        let present = self.present(role);
        let is_hidden = |label: &str| label == EFFUSION && present.contains(&CONSOLIDATION);
        let is = |class: &&Class| {
            class.role == role
                && !is_hidden(class.label)
                && !present.contains(&class.label)
                && !self.doubtful.contains(class)
                && !class.mentioned(&self.notes)
                && !present.iter().any(|other| are_confused(class.label, other))
        };
        CLASSES.iter().filter(is).map(|class| class.label).collect()
    }

    /// Returns the ids of the regions with this label, in the order of the table; empty when there are none.
    pub(super) fn regions(&self, label: &str) -> Vec<&str> {
        let own = self.marked.iter().filter(|marked| marked.class.label == label);
        own.filter_map(|marked| marked.region.as_ref()).map(|region| region.id.as_str()).collect()
    }

    /// Returns the region with this label; None when there is none or more than one, or when only its presence
    /// is known.
    pub(super) fn region(&self, label: &str) -> Option<&Region> {
        let mut own = self.marked.iter().filter(|marked| marked.class.label == label);
        match (own.next(), own.next()) {
            (Some(only), None) => only.region.as_ref(),
            _ => None,
        }
    }

    /// Returns the union of the masks with this label; None when there is no mask.
    fn mask(&self, label: &str) -> Option<Mask> {
        union(self.marked.iter().filter(|marked| marked.class.label == label).filter_map(|marked| marked.mask.as_ref()))
    }

    /// Returns the share, 0 to 1, of the heart and mediastinum that lies in the left half of the image; None without a
    /// mask.
    pub(super) fn heart_left(&self) -> Option<f64> {
        let heart = self.mask(HEART)?;
        let left = heart.inside.chunks(heart.width as usize).flat_map(|row| &row[..row.len() / 2]);
        Some(left.filter(|inside| **inside).count() as f64 / heart.area() as f64)
    }

    /// Returns the smallest finding or device with one region as the target of a mark, and the absent ones of the same
    /// role as other contents. The other two frames stay clear of all findings and devices. None where there is none, or
    /// where none is known to be absent.
    pub(super) fn target(&self) -> Option<Target> {
        let roles = [RegionRole::Finding, RegionRole::Device];
        let labels = roles.iter().flat_map(|role| self.present(*role).into_iter().map(move |label| (*role, label)));
        let area = |region: &Region| {
            let [x0, y0, x1, y1] = region.shape.bounds();
            (x1 - x0) * (y1 - y0)
        };
        let single = labels.filter_map(|(role, label)| Some((role, self.region(label)?)));
        let (role, region) = single.min_by(|(_, one), (_, other)| area(one).total_cmp(&area(other)))?;
        let others: Vec<String> = self.absent(role).into_iter().take(2).map(str::to_owned).collect();
        let abnormal = self.marked.iter().filter(|marked| roles.contains(&marked.class.role));
        // Where only the presence of a structure is known, any frame may hold it.
        let avoid = abnormal.map(|marked| Some(marked.region.as_ref()?.shape.bounds())).collect::<Option<Vec<_>>>()?;
        let name = region.label.clone();
        (!others.is_empty()).then(|| Target { region: region.clone(), content: name.clone(), name, others, avoid })
    }

    /// Returns the measured findings that have a mask, in the order of the classes.
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
            let mut finding = Finding {
                is_elsewhere: false,
                label,
                region: self.region(label).cloned(),
                regions: self.regions(label).into_iter().map(str::to_owned).collect(),
                lungs: parted,
                extent,
                share: mask.area() as f64 / mask.inside.len() as f64,
                parts: parts(&mask, least),
            };
            let class = CLASSES.iter().find(|class| class.label == label)?;
            let affected = finding.affected();
            finding.is_elsewhere = affected.is_some_and(|affected| sides_differ(&self.notes, class, affected));
            Some(finding)
        };
        self.present(RegionRole::Finding).into_iter().filter_map(measured).collect()
    }
}

/// Returns whether an image with the device `marked` can show the device `label` without a mark: the cables of probes look
/// like tubing, and where one tube or line is marked, others were often left out.
fn are_confused(label: &str, marked: &str) -> bool {
    let is_device = |label: &str| CLASSES.iter().any(|class| class.label == label && class.role == RegionRole::Device);
    let is_pair = |one: &str, other: &str| [label, marked] == [one, other] || [label, marked] == [other, one];
    is_device(label) && is_device(marked) && (is_pair(PROBES, TUBING) || ![label, marked].contains(&PROBES))
}

/// View from back to front, as questions name it.
pub(super) const PA: &str = "posteroanterior (PA)";
/// View from front to back, as questions name it.
pub(super) const AP: &str = "anteroposterior (AP)";
/// View from the side, as questions name it.
pub(super) const LATERAL: &str = "lateral";
