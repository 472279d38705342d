//! Keys of a case, in the order of the reference page.

use super::kind::Need::{Nullable, Optional, Required};
use super::kind::{Field, Kind};
use crate::case::{SCHEMA, SourceKind};

/// A list of texts.
const WORDS: Kind = Kind::List(&Kind::Text);
/// A list of indices from 0.
const PLACES: Kind = Kind::List(&Kind::Whole(u64::MAX));

/// Keys of a case, that is of one line of a case file.
pub(super) const CASE: &[Field] = &[
    Field("schema", Required, Kind::Word(&[SCHEMA]), "Name of this format."),
    Field("case_id", Required, Kind::Text, "Id of the case, unique within the data set."),
    Field(
        "group_id",
        Required,
        Kind::Text,
        "Id of the group, for example a patient. All cases of a group are on one side of the split.",
    ),
    Field(
        "split",
        Required,
        Kind::Word(&["train", "validation", "test"]),
        "Side of the split: trained on, used to choose the best epoch, or evaluated at the end.",
    ),
    Field("source", Required, Kind::Object(SOURCE), "Data set that the case comes from."),
    Field("modality", Required, Kind::Text, "Imaging modality, for example `x-ray`, `ct` or `mri`."),
    Field("body_region", Nullable, Kind::Text, "Imaged part of the body, for example `chest`."),
    Field("risk_tier", Nullable, Kind::Text, "How much harm a wrong answer could do, as the source rates it."),
    Field("images", Required, Kind::List(&Kind::Object(IMAGE)), "Images, at least one."),
    Field("regions", Optional, Kind::List(&REGION), "Named areas of the images."),
    Field(
        "chain",
        Required,
        Kind::List(&Kind::Object(ITEM)),
        "Questions, at least one. Parents come before their children.",
    ),
];

const SOURCE: &[Field] = &[
    Field("dataset", Required, Kind::Text, "Name of the data set."),
    Field("revision", Nullable, Kind::Text, "Version, commit or digest of the data set."),
    Field("licence", Required, Kind::Text, "Licence of the image, as the source states it."),
    Field(
        "credentialed",
        Optional,
        Kind::Flag,
        "True when access needs credentials. Reports show neither images nor texts of such a case. By default false.",
    ),
];

const IMAGE: &[Field] = &[
    Field("id", Required, Kind::Text, "Id by which regions name the image, unique within the case."),
    Field(
        "path",
        Required,
        Kind::Text,
        "Path of the PNG or JPEG file, relative to the folder of the case file and inside it, with `/`.",
    ),
    Field(
        "sha256",
        Required,
        Kind::Text,
        "SHA-256 of the file, 64 lower-case hexadecimal digits, as `sha256sum FILE` or `shasum -a 256 FILE` prints it.",
    ),
    Field(
        "phash",
        Nullable,
        Kind::Text,
        "Difference hash of the image, 16 lower-case hexadecimal digits. May be left out: near-duplicates are found \
         from the pixels.",
    ),
    Field("width", Required, Kind::Whole(u32::MAX as u64), "Width of the image as shown, in pixels."),
    Field("height", Required, Kind::Whole(u32::MAX as u64), "Height of the image as shown, in pixels."),
    Field(
        "orientation",
        Nullable,
        Kind::Text,
        "`radiological` when the patient's right is on the image's left, `neurological` when it is on the image's \
         right.",
    ),
    Field(
        "pixels",
        Nullable,
        Kind::Object(PIXELS),
        "How `data import` made the pixels from the file of the source; left out when the file is a copy.",
    ),
];

const PIXELS: &[Field] = &[
    Field(
        "source",
        Nullable,
        Kind::Text,
        "Path of the source's file, relative to its folder. Left out for DICOM, because file names can identify a person.",
    ),
    Field("sha256", Required, Kind::Text, "SHA-256 of the source's file, 64 lower-case hexadecimal digits."),
    Field("kind", Required, Kind::Word(SourceKind::WORDS), "Format of the source's file."),
    Field("bits", Required, Kind::Whole(u16::MAX as u64), "Bits of a sample in the source's file."),
    Field(
        "mapping",
        Nullable,
        Kind::Text,
        "How values became grey levels 0 to 255: `LOW:HIGH` (linear between these values), `window:CENTRE/WIDTH`, or a \
         table of the file in words.",
    ),
    Field("window", Nullable, Kind::Numbers(2), "Window `[centre, width]`, in values of the source after rescaling."),
    Field("inverted", Optional, Kind::Flag, "True when grey levels were inverted, as in DICOM `MONOCHROME1`."),
    Field("turn", Nullable, Kind::Text, "How the stored pixels were turned or mirrored, in words."),
    Field("frame", Nullable, Kind::Whole(u32::MAX as u64), "Frame of a file with several, counted from 1."),
    Field(
        "slice",
        Nullable,
        Kind::Text,
        "Plane and index of a slice of a volume, as in `axial 12`; indices are counted from 0 along the stored axis.",
    ),
];

const REGION: Kind = Kind::Tagged(
    &[
        Field(
            "id",
            Required,
            Kind::Text,
            "Id by which evidence and box answers name the region, unique within the case.",
        ),
        Field("image", Required, Kind::Text, "Id of the image that holds the region."),
        Field("label", Required, Kind::Text, "Name of the structure, for example `nodule`."),
        Field(
            "role",
            Required,
            Kind::Word(&["organ", "finding", "device", "reference", "body"]),
            "Normal anatomy, abnormality, foreign object, area that a question refers to or compares with, or area of \
             the body or field of view.",
        ),
    ],
    ("kind", "Form of the region, which decides its further keys."),
    &[
        (
            "box",
            &[Field(
                "box",
                Required,
                Kind::Numbers(4),
                "Corners `[x0, y0, x1, y1]` in pixels; `x1` and `y1` lie just outside.",
            )],
        ),
        (
            "polygon",
            &[Field(
                "points",
                Required,
                Kind::List(&Kind::Numbers(2)),
                "At least three points `[x, y]` in pixels; the last one is joined to the first.",
            )],
        ),
        (
            "mask",
            &[
                Field(
                    "path",
                    Required,
                    Kind::Text,
                    "Path of the mask, an image file of the image's size whose non-zero pixels are the region.",
                ),
                Field(
                    "box",
                    Required,
                    Kind::Numbers(4),
                    "Box `[x0, y0, x1, y1]` around the non-zero pixels; `x1` and `y1` lie just outside.",
                ),
            ],
        ),
    ],
);

const ITEM: &[Field] = &[
    Field("id", Required, Kind::Text, "Id of the question, unique within the case."),
    Field("stage", Required, Kind::Whole(u8::MAX as u64), "Clinical stage, 1 to 4."),
    Field("category", Required, Kind::Text, "Id of the category. It belongs to the stage of the question."),
    Field(
        "parents",
        Optional,
        WORDS,
        "Ids of the earlier questions that this one builds on, of the same or an earlier stage.",
    ),
    Field("question", Required, Kind::Text, "Question as it is asked, without options."),
    Field("answer", Required, ANSWER, "Right answer."),
    Field("evidence", Optional, WORDS, "Ids of the regions that hold the evidence."),
    Field(
        "confusable",
        Optional,
        PLACES,
        "Indices of wrong options that are easily confused with the right one. A misleading hint names the first.",
    ),
    Field("paraphrases", Optional, WORDS, "Other wordings of the same question."),
    Field("rationale", Nullable, Kind::Text, "Reason why the answer is right."),
    Field("laterality", Nullable, Kind::Object(LATERALITY), "Effect of a left-right flip of the image on the answer."),
    Field("vision_required", Nullable, Kind::Flag, "Whether answering needs the image."),
];

const LATERALITY: &[Field] = &[
    Field("dependent", Required, Kind::Flag, "Whether the flip changes the right answer."),
    Field(
        "flipped_gold",
        Nullable,
        Kind::Text,
        "Right answer after the flip, as text; not needed for box answers, because boxes move with the image.",
    ),
];

const ANSWER: Kind = Kind::Tagged(
    &[],
    ("type", "Type of the answer, which decides its further keys."),
    &[
        (
            "choice",
            &[
                Field("options", Required, WORDS, "Options without letters, at least two, all different."),
                Field("gold", Required, PLACES, "Indices of the right options, from 0: at least one, but not all."),
                Field("refusal", Nullable, Kind::Whole(u64::MAX), "Index of the option that declines to answer."),
            ],
        ),
        (
            "yesno",
            &[
                Field("gold", Required, Kind::Flag, "True when \"yes\" is right."),
                Field(
                    "pair_of",
                    Nullable,
                    Kind::Text,
                    "Id of the negated question in the same case, which has the opposite answer and names this one in turn.",
                ),
            ],
        ),
        (
            "text",
            &[
                Field("gold", Required, WORDS, "Right answers, at least one. The first one is trained on."),
                Field("aliases", Optional, WORDS, "Other wordings that also count as right."),
            ],
        ),
        (
            "box",
            &[
                Field("gold", Required, WORDS, "Ids of the right regions, at least one."),
                Field(
                    "iou_ok",
                    Required,
                    Kind::Number,
                    "Smallest intersection over union (IoU) of a right box, above 0 and at most 1.",
                ),
            ],
        ),
        (
            "number",
            &[
                Field("gold", Required, Kind::Number, "Right number."),
                Field("unit", Nullable, Kind::Text, "Unit, for example `mm`."),
                Field("abs_tol", Nullable, Kind::Number, "Absolute tolerance, 0 or more; by default 0."),
                Field(
                    "rel_tol",
                    Nullable,
                    Kind::Number,
                    "Relative tolerance as a part of `gold`, 0 or more; by default 0. The larger tolerance counts.",
                ),
            ],
        ),
    ],
);
