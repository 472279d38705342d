//! Formats, one file each, and their registry.

mod annotated;
mod coco;
mod coco_outline;
mod common;
mod dicom;
mod drvd_bench;
mod hugging_face;
mod image_cells;
mod kvasir_vqa;
mod labelmap;
mod llama_factory;
mod llava;
mod medvh;
mod medvigil;
mod ms_swift;
mod msd;
mod msd_sheet;
mod omni_med_vqa;
mod path_vqa;
mod pmc_vqa;
mod probmed;
mod slake;
mod slake_boxes;
mod slake_files;
mod slake_masks;
mod step_cot;
mod table;
mod trl;
mod turns;
mod unpaired;
mod vlmevalkit;
mod voc;
mod voc_lists;
mod vqa_rad;
mod yolo;
mod yolo_sheet;
mod yolo_sides;

use super::format::Format;

/// All formats, in the order of lists on the command line.
pub(crate) const FORMATS: &[&dyn Format] = &[
    &table::Table,
    &slake::Slake,
    &vqa_rad::VqaRad,
    &path_vqa::PathVqa,
    &kvasir_vqa::KvasirVqa,
    &pmc_vqa::PmcVqa,
    &omni_med_vqa::OmniMedVqa,
    &drvd_bench::DrvdBench,
    &probmed::ProbMed,
    &step_cot::StepCot,
    &medvh::MedVh,
    &medvigil::MedVigil,
    &llava::Llava,
    &llama_factory::LlamaFactory,
    &ms_swift::MsSwift,
    &trl::Trl,
    &vlmevalkit::VlmEvalKit,
    &coco::Coco,
    &yolo::Yolo,
    &voc::Voc,
    &labelmap::LabelMap,
    &dicom::Dicom,
    &msd::Msd,
];
