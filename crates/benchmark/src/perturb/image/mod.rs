//! Perturbations of the shown images.

pub mod artefact;
pub mod blank;
pub mod corruption;
pub mod cue;
pub mod cue_text;
pub mod flip;
pub mod no_image;
pub mod region_decay;
pub mod region_mask;
pub mod region_only;
pub mod swap_far;
pub mod swap_near;
pub mod swap_partner;
pub mod swap_same;
pub mod written;
