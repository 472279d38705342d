//! `region_mask` covers the evidence with grey. `random_mask`, the control, covers an area of the same shape
//! without evidence.
//!
//! The difference between their effects is region grounding: the extra loss of accuracy when the covered pixels are
//! the evidence. Items whose answer is in the outline of the evidence are left out, because the cover shows the answer;
//! `answers = "place"` asks those of these items alone whose answer is the place of the evidence.

use std::sync::Arc;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Cover, Masking};
use crate::perturb::support::registry::plain_kind;
use crate::perturb::{Perturbed, ShownImages};

plain_kind! {
    EVIDENCE = EvidenceMask(Masking), "region_mask", EvidenceRemoved, "the evidence is covered with grey",
    |given, scene| Ok(covering(given, given.over_evidence(scene)?))
}

plain_kind! {
    RANDOM = RandomMask(Masking), "random_mask", Control, "an area of the same shape without evidence is covered with grey",
    |given, scene| Ok(covering(given, given.elsewhere(scene)?))
}

fn covering(masking: &Masking, masks: Vec<Marked>) -> Perturbed {
    let cover = Cover { masks, value: masking.value };
    Perturbed { pictures: ShownImages::Edited(Arc::new(cover)), ..Perturbed::default() }
}
