//! Reads `pairs = { kind = "swap", share = 0.5 }`: questions that are trained on two images in one batch.

use serde::Serialize;
use stepwise_config::section::{Section, Words};

/// Pairs of training examples: one question with two images on which different answers are right, in one micro-batch.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pairs {
    /// Source of the second image.
    pub kind: PairKind,
    /// Probability that a question with a partner becomes a pair, above 0 and at most 1.
    pub share: f64,
}

/// Source of the second image of a pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PairKind {
    /// Images of another patient with another right answer to the same question, chosen like the condition `swap_near`.
    #[default]
    Swap,
}

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
    table.finish();
    if is_written { (share > 0.0).then_some(Pairs { kind, share }) } else { inherited }
}
