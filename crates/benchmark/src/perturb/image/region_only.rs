//! `region_only`, the control, shows only the evidence. `random_only` shows only an area of the same shape without
//! evidence. The rest of the image is grey.
//!
//! A model that relies on the evidence keeps its answer with `region_only` and loses it with `random_only`.

use std::sync::Arc;

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::masking::{Keep, Masking};
use crate::perturb::support::registry::plain_kind;
use crate::perturb::{Perturbed, ShownImages};

plain_kind! {
    EVIDENCE = EvidenceOnly(Masking), "region_only", Control, "all but the evidence is covered with grey",
    |given, scene| Ok(keeping(given, given.over_evidence(scene)?))
}

plain_kind! {
    RANDOM = RandomOnly(Masking), "random_only", EvidenceRemoved, "all but an area of the same shape without evidence is covered with grey",
    |given, scene| Ok(keeping(given, given.elsewhere(scene)?))
}

fn keeping(masking: &Masking, masks: Vec<Marked>) -> Perturbed {
    let keep = Keep { masks, value: masking.value };
    Perturbed { pictures: ShownImages::Edited(Arc::new(keep)), ..Perturbed::default() }
}
