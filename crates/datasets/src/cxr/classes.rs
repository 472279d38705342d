//! Structures that are marked in the chest X-ray data set.

use stepwise_data::case::RegionRole;

/// Class of structures that are marked in the data set.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Class {
    /// Name in the column `Template Name` of `structure.csv`.
    pub(super) name: &'static str,
    /// Name in regions and questions.
    pub(super) label: &'static str,
    /// Kind of structure: organ, finding or device.
    pub(super) role: RegionRole,
    /// Lower-case parts of words by which clinical notes mention the structure. When the notes mention it, a missing
    /// mark does not prove that it is absent.
    pub(super) mentions: &'static [&'static str],
}

/// Label of the patient's right lung.
pub(super) const RIGHT_LUNG: &str = "right lung";
/// Label of the patient's left lung.
pub(super) const LEFT_LUNG: &str = "left lung";
/// Label of the heart and the mediastinum, which are marked together.
pub(super) const HEART: &str = "heart and mediastinum";

/// All classes that are imported, in the order in which questions name them.
pub(super) const CLASSES: &[Class] = &[
    class("Right Lung", RIGHT_LUNG, RegionRole::Organ, &[]),
    class("Left Lung", LEFT_LUNG, RegionRole::Organ, &[]),
    class("Cardiomediastinum", HEART, RegionRole::Organ, &[]),
    class("Airways", "trachea and main bronchi", RegionRole::Organ, &[]),
    class("Ground Glass Opacities", "ground-glass opacity", RegionRole::Finding, &["ground", "hazy"]),
    class("Consolidation", "consolidation", RegionRole::Finding, &["consolid", "air space", "airspace"]),
    class("Pneumothorax", "pneumothorax", RegionRole::Finding, &["pneumothora"]),
    class("Pleural Effusion", "pleural effusion", RegionRole::Finding, &["effusion"]),
    class("Endotracheal Tube", "endotracheal tube", RegionRole::Device, &["ett", "endotracheal", "intubat", "tube"]),
    class(
        "Central Venous Line",
        "central venous line",
        RegionRole::Device,
        &["cvl", "cvc", "venous", "catheter", "line"],
    ),
    class("Nosogastric Tube", "nasogastric tube", RegionRole::Device, &["ngt", "gastric", " og ", "tube"]),
    class("Monitoring Probes", "monitoring probes", RegionRole::Device, &["probe", "electrode", "lead", "ecg"]),
    class("Tubings", "external tubing", RegionRole::Device, &["tubing", "tube", "intubat"]),
];

const fn class(name: &'static str, label: &'static str, role: RegionRole, mentions: &'static [&'static str]) -> Class {
    Class { name, label, role, mentions }
}
