//! Rows that the formats give: images, questions and regions, before answers and categories are decided.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use stepwise_data::case::{Laterality, RegionRole, Split};
use stepwise_data::problem::Problems;

use super::record::Place;
use super::region_mask::RegionMask;
use crate::source_image::Plane;

/// One record of a source as its format reads it.
pub(crate) enum Entry {
    /// A row with questions.
    Row(Box<Row>),
    /// A row that the format leaves out, with the reason.
    LeftOut(Place, String),
    /// A row that is wrong.
    Faulty(Problems),
    /// A remark on a part of a row, such as one box, that is left out while the row stays.
    Part(Place, String),
}

/// Images of one record with the questions about them.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// Place of the record.
    pub(crate) place: Place,
    /// Images in the order in which the record names them.
    pub(crate) images: Vec<ImageRef>,
    /// Questions; turns of a conversation are in their order.
    pub(crate) questions: Vec<Question>,
    /// Regions on the images.
    pub(crate) regions: Vec<RegionDraft>,
    /// Pixels of regions, by their index; regions without them are boxes. A mask has the size that its image states.
    pub(crate) masks: BTreeMap<usize, RegionMask>,
    /// Outlines of regions, by their index, as polygons of points `[x, y]` in the unit of their region.
    pub(crate) polygons: BTreeMap<usize, Vec<[f64; 2]>>,
    /// Names that rows share when they must be on one side of the split, such as a patient; the first is the group.
    pub(crate) links: Vec<String>,
    /// Side of the published split; None when the source has none.
    pub(crate) split: Option<Split>,
    /// Imaging modality; None when not recorded.
    pub(crate) modality: Option<String>,
    /// Imaged part of the body; None when not recorded.
    pub(crate) body_region: Option<String>,
    /// How much harm a wrong answer could do, as the source rates it; None when not recorded.
    pub(crate) risk_tier: Option<String>,
    /// Whether access to the source needs credentials.
    pub(crate) credentialed: bool,
    /// Licence of the image as the source states it; None when not recorded.
    pub(crate) licence: Option<String>,
    /// Version of the source as it states it; None when not recorded.
    pub(crate) revision: Option<String>,
    /// Parts of the record that the format leaves out while the row stays, such as a box without area.
    pub(crate) remarks: Vec<String>,
}

impl Row {
    /// Makes a row with one image and nothing else that is recorded.
    pub(crate) fn new(place: Place, images: Vec<ImageRef>, questions: Vec<Question>) -> Self {
        Self {
            place,
            images,
            questions,
            regions: Vec::new(),
            masks: BTreeMap::new(),
            polygons: BTreeMap::new(),
            links: Vec::new(),
            split: None,
            modality: None,
            body_region: None,
            risk_tier: None,
            credentialed: false,
            licence: None,
            revision: None,
            remarks: Vec::new(),
        }
    }
}

/// An image of the source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ImageRef {
    /// Field that names the image.
    pub(crate) field: String,
    /// Where the image is.
    pub(crate) at: ImageAt,
    /// Width and height in pixels that the annotation states; None when it does not.
    pub(crate) size: Option<(u32, u32)>,
}

/// Where an image is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ImageAt {
    /// File below the folder `root`, by its relative path as the source writes it.
    File {
        /// Folder that the file must not leave.
        root: PathBuf,
        /// Relative path.
        path: String,
    },
    /// File in the record itself as base64, after a name for the image.
    Base64(String, String),
    /// Bytes of a file in the record itself, after a name for the image.
    Bytes(String, Arc<[u8]>),
    /// Slice of a NIfTI volume below the folder `root`.
    Slice {
        /// Folder that the file must not leave.
        root: PathBuf,
        /// Relative path.
        path: String,
        /// Plane of the slice.
        plane: Plane,
        /// Index of the slice along the stored axis, counted from 0.
        index: usize,
    },
}

impl ImageRef {
    /// Makes a reference to a file below `root` that the field `field` names.
    pub(crate) fn file(field: &str, root: impl Into<PathBuf>, path: impl Into<String>) -> Self {
        Self { field: field.into(), at: ImageAt::File { root: root.into(), path: path.into() }, size: None }
    }
}

/// A question as the source has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Question {
    /// Wording.
    pub(crate) text: String,
    /// Field of the source with the wording; None for `question`.
    pub(crate) field: Option<String>,
    /// Options in the order of their letters, with or without letters; an empty text is a missing option. Empty without options.
    pub(crate) options: Vec<String>,
    /// Right answers that must agree, each with its field.
    pub(crate) golds: Vec<Gold>,
    /// Indices of the regions that are the answer; empty when the answer is no box.
    pub(crate) boxes: Vec<usize>,
    /// Indices of the regions that hold the evidence.
    pub(crate) evidence: Vec<usize>,
    /// Fields of the source that rules of the category map compare.
    pub(crate) fields: Vec<(String, String)>,
    /// Whether the question continues a conversation, so that the turn before it is its parent.
    pub(crate) continues: bool,
    /// Whether the answer is taught word for word, so that it becomes yes/no or a number only when it is written as these
    /// are taught.
    pub(crate) is_verbatim: bool,
    /// Name that the two questions of a pair share, which ask about one image and have opposite answers; None for a
    /// question without a pair.
    pub(crate) pair: Option<String>,
    /// Reason why the answer is right; None when not recorded.
    pub(crate) rationale: Option<String>,
    /// Effect of a left-right flip of the image, with the answer after it as the source writes it; None when not recorded.
    pub(crate) laterality: Option<Laterality>,
    /// Why the tool of the source does not train on the answer, so that it is left out; None when it does.
    pub(crate) untaught: Option<String>,
}

/// A right answer as the source writes it.
#[derive(Clone, Debug)]
pub(crate) struct Gold {
    /// Field of the source.
    pub(crate) field: String,
    /// Text of the field.
    pub(crate) text: String,
    /// How the text names an option.
    pub(crate) form: GoldForm,
}

impl Gold {
    /// Makes an answer of the field `field`.
    pub(crate) fn new(field: &str, text: impl Into<String>, form: GoldForm) -> Self {
        Self { field: field.into(), text: text.into(), form }
    }
}

/// How the text of an answer names an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GoldForm {
    /// By its letter.
    Letter,
    /// By its text.
    Text,
    /// By letter, by text, or by letter and text; the readings must agree.
    Either,
}

/// A region as the source has it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RegionDraft {
    /// Index of the image in the row.
    pub(crate) image: usize,
    /// Name of the structure.
    pub(crate) label: String,
    /// Corners `[x0, y0, x1, y1]`.
    pub(crate) bounds: [f64; 4],
    /// Unit of the corners.
    pub(crate) unit: Unit,
    /// Kind of region.
    pub(crate) role: RegionRole,
}

/// Unit of the corners of a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Pixels of the image.
    Pixels,
    /// Fractions of width and height, 0 to 1.
    Fractions,
}
