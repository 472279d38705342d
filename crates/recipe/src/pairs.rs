//! Reads `pairs = { kind = "swap", share = 0.5, partner = "random" }`: questions that are trained on two images in one batch.

use serde::Serialize;
use stepwise_config::section::{Section, Words};

/// Pairs of training examples: one question with two images on which different answers are right, in one micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pairs {
    /// Source of the second image.
    pub kind: PairKind,
    /// Probability that a question with a partner becomes a pair, above 0 and at most 1.
    pub share: f64,
    /// Choice among the patients that can lend the second image.
    #[serde(skip_serializing_if = "PairPartner::is_random")]
    pub partner: PairPartner,
}

/// Source of the second image of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairKind {
    /// Images of another patient with another right answer to the same question, chosen like the condition `swap_near`.
    #[default]
    Swap,
}

/// Choice of the partner among the patients of the same modality for whom another answer to the same question is right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairPartner {
    /// A random patient, drawn again in every epoch.
    #[default]
    Random,
    /// The patient with the smallest distance between thumbnails of the images (hard negative mining), the same in every
    /// epoch.
    NearestThumbnail,
}

impl PairPartner {
    fn is_random(&self) -> bool {
        *self == Self::Random
    }
}

const PARTNERS: Words<PairPartner> =
    &[("random", PairPartner::Random), ("nearest_thumbnail", PairPartner::NearestThumbnail)];

const KINDS: Words<PairKind> = &[("swap", PairKind::Swap)];

/// Reads `pairs`. Without the key the result is `inherited`; a share of 0 gives None and so cancels the pairs of
/// `[curriculum]`.
pub(super) fn read(section: &mut Section<'_>, inherited: Option<Pairs>) -> Option<Pairs> {
    let is_written = section.has("pairs");
    let mut table = section.section("pairs").about(
        "Pairs: a question is also trained on the images of another patient, on which another answer is right, in the same \
         micro-batch. Both examples have the same words, without a condition of `augment` and without context. A pair adds a \
         training example, so a step has more of them.",
    );
    let kind = table.choice(
        "kind",
        KINDS,
        PairKind::default(),
        "Source of the second image: another patient of the same modality, chosen like the condition `swap_near` (swap).",
    );
    let share = table.float("share", 0.5, 0.0..=1.0, "Share of the questions with such a patient that become pairs.");
    let partner = table.choice(
        "partner",
        PARTNERS,
        PairPartner::default(),
        "Patient with the second image: a random one, drawn again in every epoch (random), or the one whose images look most \
         alike, by the Euclidean distance between thumbnails of 16 x 16 pixels; equal distances are decided by the case id \
         (nearest_thumbnail).",
    );
    table.finish();
    if is_written { (share > 0.0).then_some(Pairs { kind, share, partner }) } else { inherited }
}
