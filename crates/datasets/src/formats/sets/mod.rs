//! Formats, one file each, and their registry.

mod annotated;
mod coco;
mod common;
mod llama_factory;
mod llava;
mod ms_swift;
mod omni_med_vqa;
mod pmc_vqa;
mod slake;
mod table;
mod turns;
mod vlmevalkit;
mod vqa_rad;
mod yolo;

use super::format::Format;

/// All formats, in the order of lists on the command line.
pub(crate) const FORMATS: &[&dyn Format] = &[
    &table::Table,
    &slake::Slake,
    &vqa_rad::VqaRad,
    &pmc_vqa::PmcVqa,
    &omni_med_vqa::OmniMedVqa,
    &llava::Llava,
    &llama_factory::LlamaFactory,
    &ms_swift::MsSwift,
    &vlmevalkit::VlmEvalKit,
    &coco::Coco,
    &yolo::Yolo,
];
