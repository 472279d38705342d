//! The case record `case/1`: images, their regions, and a chain of questions through the clinical stages.
//!
//! Coordinates are floating-point pixels of the original image with the origin at the top left. Boxes are
//! `[x0, y0, x1, y1]` and half-open: `x1` and `y1` lie just outside.

mod pixels;

use serde::{Deserialize, Serialize};

pub use pixels::{Pixels, SourceKind};

use crate::box_format::BoxFormat;
use crate::box_grid::BoxGrid;

/// Name of the only case schema that this version reads and writes.
pub const SCHEMA: &str = "case/1";

/// A case: one line of a case file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Name of the schema, always [`SCHEMA`].
    pub schema: String,
    /// Id of the case, unique within a data set.
    pub case_id: String,
    /// Id of the group, for example a patient or a run of slices. All cases of a group are on one side of the split.
    pub group_id: String,
    /// Side of the split.
    pub split: Split,
    /// Data set that the case comes from.
    pub source: Source,
    /// Imaging modality, for example `x-ray`, `ct` or `mri`.
    pub modality: String,
    /// Imaged part of the body, for example `chest`; None when not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_region: Option<String>,
    /// How much harm a wrong answer could do, as the source rates it; None when it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_tier: Option<String>,
    /// Images, at least one.
    pub images: Vec<Image>,
    /// Organs, findings, devices and reference areas on the images; empty when none is recorded.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// Questions, at least one; parents come before their children.
    pub chain: Vec<Item>,
}

impl Case {
    /// Sets the grid on which boxes of each image are answered. `grid` maps width and height of an image to it.
    pub fn set_box_grid(&mut self, grid: impl Fn(u32, u32) -> BoxGrid) {
        self.images.iter_mut().for_each(|image| image.box_grid = grid(image.width, image.height));
    }

    /// Returns the unit in which boxes are answered: that of the first image.
    #[must_use]
    pub fn box_format(&self) -> BoxFormat {
        self.images.first().map_or(BoxFormat::default(), |image| image.box_grid.format)
    }

    /// Returns the largest coordinates of boxes over all images, across and down.
    #[must_use]
    pub fn box_limits(&self) -> [u32; 2] {
        [0, 1].map(|axis| self.images.iter().map(|image| image.box_grid.steps[axis]).max().unwrap_or(0))
    }

    /// Returns region and image of `id`; None without the region or its image.
    #[must_use]
    pub fn region_on_image(&self, id: &str) -> Option<(&Region, &Image)> {
        let region = self.regions.iter().find(|region| region.id == id)?;
        Some((region, self.images.iter().find(|image| image.id == region.image)?))
    }
}

/// Side of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Training data.
    Train,
    /// Evaluated during training; decides which checkpoint is the best.
    Validation,
    /// Evaluated once, at the end.
    Test,
}

impl Split {
    /// Returns the word of the side in the key `split`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Origin of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the data set.
    pub dataset: String,
    /// Version, commit or digest of the data set; None when not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Licence of the image, as the source states it.
    pub licence: String,
    /// Whether access to the data set needs credentials. Reports can be passed on, so they show neither images nor texts of
    /// such a case.
    #[serde(default)]
    pub credentialed: bool,
}

/// An image of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Id by which regions name the image, unique within the case.
    pub id: String,
    /// Path of the image file, relative to the folder of the case file and inside it.
    pub path: String,
    /// SHA-256 of the file's bytes, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Difference hash of the image (64 bits, 16 lower-case hexadecimal digits, see [`crate::dhash::phash`]);
    /// near-duplicates differ in few bits. None when not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phash: Option<String>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `radiological` when the patient's right is on the image's left, `neurological` when it is on the image's right;
    /// None when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<String>,
    /// How an import made the pixels from the file of the source; None when the file is a copy, or nothing is recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pixels: Option<Pixels>,
    /// Grid on which boxes of this image are answered. It belongs to the model and is not part of the record; percent until
    /// [`Case::set_box_grid`] sets another one.
    #[serde(skip)]
    pub box_grid: BoxGrid,
}

/// A named area of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Id by which evidence and box answers name the region, unique within the case.
    pub id: String,
    /// Id of the image that holds the region.
    pub image: String,
    /// Name of the structure, for example `nodule`.
    pub label: String,
    /// Outline of the region, in pixels of its image.
    #[serde(flatten)]
    pub shape: Shape,
    /// Kind of region.
    pub role: RegionRole,
}

/// Outline of a region, in pixels of its image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Shape {
    /// An axis-parallel rectangle.
    Box {
        /// Corners `[x0, y0, x1, y1]`.
        #[serde(rename = "box")]
        bounds: [f64; 4],
    },
    /// A closed polygon of at least three points.
    Polygon {
        /// Points, each `[x, y]`; the last one is joined to the first.
        points: Vec<[f64; 2]>,
    },
    /// A mask file of the image's size, whose non-zero pixels are the region.
    Mask {
        /// Path of the mask, relative to the folder of the case file and inside it.
        path: String,
        /// Box `[x0, y0, x1, y1]` around the non-zero pixels.
        #[serde(rename = "box")]
        bounds: [f64; 4],
    },
}

impl Shape {
    /// Returns the smallest box around the region, `[x0, y0, x1, y1]` in pixels. A polygon without points gives
    /// infinite bounds.
    #[must_use]
    pub fn bounds(&self) -> [f64; 4] {
        match self {
            Self::Box { bounds } | Self::Mask { bounds, .. } => *bounds,
            Self::Polygon { points } => points.iter().fold(
                [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY],
                |[x0, y0, x1, y1], [x, y]| [x0.min(*x), y0.min(*y), x1.max(*x), y1.max(*y)],
            ),
        }
    }

    /// Returns the path of the mask file; None for other shapes.
    #[must_use]
    pub fn mask_path(&self) -> Option<&str> {
        match self {
            Self::Mask { path, .. } => Some(path),
            Self::Box { .. } | Self::Polygon { .. } => None,
        }
    }
}

/// Kind of region.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionRole {
    /// Normal anatomy.
    Organ,
    /// Abnormality.
    Finding,
    /// Foreign object, for example a tube or a line.
    Device,
    /// Mark or area that a question refers to or compares with.
    Reference,
    /// Area of the body, or the field of view.
    Body,
}

impl RegionRole {
    /// All roles, in the order of the reference page.
    pub const ALL: [Self; 5] = [Self::Organ, Self::Finding, Self::Device, Self::Reference, Self::Body];

    /// Returns the word of the role in the key `role`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Organ => "organ",
            Self::Finding => "finding",
            Self::Device => "device",
            Self::Reference => "reference",
            Self::Body => "body",
        }
    }
}

/// One question of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Id of the question, unique within the case.
    pub id: String,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Id of the category in the taxonomy (see [`crate::taxonomy`]), two digits in Stepwise's own one.
    pub category: String,
    /// Ids of the questions whose answers this one builds on; empty when it builds on none. They come earlier in the
    /// chain and have the same or an earlier stage.
    #[serde(default)]
    pub parents: Vec<String>,
    /// Question as it is asked.
    pub question: String,
    /// Right answer.
    pub answer: Answer,
    /// Ids of the regions that hold the evidence; empty when none is recorded.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Indices of wrong options that are easily confused with the right one; empty for answers without options. A
    /// misleading hint names the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusable: Vec<usize>,
    /// Other wordings of the same question; empty when none is recorded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paraphrases: Vec<String>,
    /// Reason why the answer is right; None when not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// Effect of a left-right flip of the image on the answer; None when unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laterality: Option<Laterality>,
    /// Whether answering needs the image; None when unknown.
    #[serde(default)]
    pub vision_required: Option<bool>,
}

/// Type of an answer, with the right answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// One of several options. Options are stored as text; letters are assigned when the prompt is rendered.
    Choice {
        /// Options, at least two, all different.
        options: Vec<String>,
        /// Indices of the right options: at least one, but not all.
        gold: Vec<usize>,
        /// Index of the abstain option, which declines to answer; None when there is none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal: Option<usize>,
    },
    /// Yes or no.
    Yesno {
        /// True when "yes" is right.
        gold: bool,
        /// Id of the negated question in the same case; None when there is none. The negated question has the opposite
        /// answer and names this question in turn.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair_of: Option<String>,
    },
    /// Free text.
    Text {
        /// Right answers, at least one. The first is the one that is trained on.
        gold: Vec<String>,
        /// Other wordings that also count as right.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<String>,
    },
    /// One box for each right region.
    Box {
        /// Ids of the right regions, at least one, all different.
        gold: Vec<String>,
        /// Smallest intersection over union (IoU) of a right box, above 0 and at most 1.
        iou_ok: f64,
    },
    /// A number. It is right within the larger of the two tolerances.
    Number {
        /// Right number.
        gold: f64,
        /// Unit, for example `mm`; None for plain numbers such as counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// Absolute tolerance, 0 or more; None means 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abs_tol: Option<f64>,
        /// Relative tolerance as a part of `gold`, 0 or more; None means 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rel_tol: Option<f64>,
    },
}

/// Effect of a left-right flip of the image on an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laterality {
    /// Whether the flip changes the right answer.
    pub dependent: bool,
    /// Right answer after the flip, as text: the option's words for a choice, `yes` or `no`, or the number or text
    /// itself; for box answers it is not read, because the boxes move with the image. None when the answer does not
    /// change or is not recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flipped_gold: Option<String>,
}
