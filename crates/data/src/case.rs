//! The case record `case/1`: one image (or several), its regions, and a chain of questions through the clinical stages.
//!
//! Coordinates are pixels of the original image: floating point, `x0 y0 x1 y1`, half-open, origin at the top left.

use serde::{Deserialize, Serialize};

/// The only schema this version reads and writes.
pub const SCHEMA: &str = "case/1";

/// One line of a case file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// Unique within a data set.
    pub case_id: String,
    /// What must stay on one side of a split: a patient, a run of slices.
    pub group_id: String,
    /// Which side of the split.
    pub split: Split,
    /// Where it comes from.
    pub source: Source,
    /// For example `x-ray`, `ct`, `mri`.
    pub modality: String,
    /// For example `chest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_region: Option<String>,
    /// How much harm a wrong answer could do, where the source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk_tier: Option<String>,
    /// At least one.
    pub images: Vec<Image>,
    /// Organs, findings and reference areas.
    #[serde(default)]
    pub regions: Vec<Region>,
    /// The questions, parents before children.
    pub chain: Vec<Item>,
}

/// Side of the split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Learned from.
    Train,
    /// Looked at while learning; chooses the checkpoint.
    Validation,
    /// Looked at once.
    Test,
}

/// Origin of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Name of the data set.
    pub dataset: String,
    /// Version, commit or digest of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// Licence of the image, as the source states it.
    pub licence: String,
    /// Whether access needs credentials; such pixels are never exported.
    #[serde(default)]
    pub credentialed: bool,
}

/// An image of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// Referred to by regions.
    pub id: String,
    /// Relative to the folder of the case file, inside it.
    pub path: String,
    /// Of the file's bytes, lower-case hexadecimal.
    pub sha256: String,
    /// 64-bit difference hash of the picture, 16 hexadecimal digits; near-duplicates are a few bits apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phash: Option<String>,
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// `radiological` when the patient's right is on the image's left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orientation: Option<String>,
}

/// A named area of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Region {
    /// Referred to by evidence and by box answers.
    pub id: String,
    /// The image it lies on.
    pub image: String,
    /// What it is.
    pub label: String,
    /// Its outline.
    #[serde(flatten)]
    pub shape: Shape,
    /// Why it is recorded.
    pub role: RegionRole,
}

/// The outline of a region.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Shape {
    /// An axis-parallel rectangle.
    Box {
        /// `[x0, y0, x1, y1]`.
        #[serde(rename = "box")]
        bounds: [f64; 4],
    },
    /// A closed polygon of at least three points.
    Polygon {
        /// `[x, y]` each.
        points: Vec<[f64; 2]>,
    },
    /// A picture of the image's size whose non-zero pixels are inside.
    Mask {
        /// Relative to the folder of the case file.
        path: String,
        /// `[x0, y0, x1, y1]` around the non-zero pixels.
        #[serde(rename = "box")]
        bounds: [f64; 4],
    },
}

impl Shape {
    /// The smallest rectangle around the region, `[x0, y0, x1, y1]`.
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
}

/// Why a region is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegionRole {
    /// Normal anatomy.
    Organ,
    /// Something abnormal.
    Finding,
    /// Something foreign.
    Device,
    /// Something to compare with.
    Reference,
    /// The area inside the body or the field of view.
    Body,
}

/// One question of a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Unique within the case.
    pub id: String,
    /// Clinical stage, 1 to 4.
    pub stage: u8,
    /// Two-digit id in the taxonomy.
    pub category: String,
    /// Items whose answers this one builds on; each of the same stage or an earlier one.
    #[serde(default)]
    pub parents: Vec<String>,
    /// As asked.
    pub question: String,
    /// What is right.
    pub answer: Answer,
    /// Regions that hold the evidence.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// Options (by index) a careful reader could confuse with the right one; a misleading hint names the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusable: Vec<usize>,
    /// Other wordings of the same question.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paraphrases: Vec<String>,
    /// Why the answer is right.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rationale: Option<String>,
    /// What a left-right flip of the image does to the answer; unknown when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub laterality: Option<Laterality>,
    /// Whether the picture is needed; unknown when absent.
    #[serde(default)]
    pub vision_required: Option<bool>,
}

/// What is right.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// One (or one of several) of the options. Options are stored as text; letters are assigned when rendered.
    Choice {
        /// At least two, all different.
        options: Vec<String>,
        /// Indices of the right ones.
        gold: Vec<usize>,
        /// Index of the option that declines to answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        refusal: Option<usize>,
    },
    /// Yes or no.
    Yesno {
        /// Whether "yes" is right.
        gold: bool,
        /// The negated twin in the same case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pair_of: Option<String>,
    },
    /// Words.
    Text {
        /// Any of these is right.
        gold: Vec<String>,
        /// So is any of these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        aliases: Vec<String>,
    },
    /// One rectangle a gold region.
    Box {
        /// Region ids.
        gold: Vec<String>,
        /// Intersection over union from which an answer is right.
        iou_ok: f64,
    },
    /// A number.
    Number {
        /// The right one.
        gold: f64,
        /// For example `mm`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unit: Option<String>,
        /// Absolute tolerance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        abs_tol: Option<f64>,
        /// Relative tolerance.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rel_tol: Option<f64>,
    },
}

/// What a left-right flip does to an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Laterality {
    /// Whether the answer changes.
    pub dependent: bool,
    /// Text of the right answer after the flip.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flipped_gold: Option<String>,
}
