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
    /// mark does not prove that it is absent. The first one is part of the name itself.
    pub(super) mentions: &'static [&'static str],
}

/// Words before a structure in a sentence that denies it.
const DENIALS: [&str; 3] = ["no", "not", "without"];

impl Class {
    /// Returns whether the clinical notes, in lower case, mention the structure, also where they deny it.
    pub(super) fn mentioned(&self, notes: &str) -> bool {
        self.mentions.iter().any(|word| notes.contains(word))
    }

    /// Returns whether a sentence of the clinical notes, in lower case, names the structure and does not deny it.
    pub(super) fn named(&self, notes: &str) -> bool {
        self.sentences(notes).next().is_some()
    }

    /// Iterates over the sentences of the clinical notes, in lower case, that name the structure and do not deny it.
    pub(super) fn sentences<'a>(&self, notes: &'a str) -> impl Iterator<Item = &'a str> {
        let name = self.mentions.first().copied();
        let is_denied = |before: &str| before.split_whitespace().any(|word| DENIALS.contains(&word));
        let names = move |sentence: &&str| {
            name.and_then(|name| sentence.find(name)).is_some_and(|place| !is_denied(&sentence[..place]))
        };
        notes.split('.').filter(names)
    }
}

/// Label of the patient's right lung.
pub(super) const RIGHT_LUNG: &str = "right lung";
/// Label of the patient's left lung.
pub(super) const LEFT_LUNG: &str = "left lung";
/// Label of the heart and the mediastinum, which are marked together.
pub(super) const HEART: &str = "heart and mediastinum";

/// Label of fluid between the lung and the chest wall.
pub(super) const EFFUSION: &str = "pleural effusion";
/// Label of filled air spaces of a lung.
pub(super) const CONSOLIDATION: &str = "consolidation";
/// Label of air between the lung and the chest wall.
pub(super) const PNEUMOTHORAX: &str = "pneumothorax";
/// Label of the electrodes and sensors of a monitor.
pub(super) const PROBES: &str = "monitoring probes";
/// Label of tubes outside the body.
pub(super) const TUBING: &str = "external tubing";

/// All classes that are imported, in the order in which questions name them.
pub(super) const CLASSES: &[Class] = &[
    class("Right Lung", RIGHT_LUNG, RegionRole::Organ, &[]),
    class("Left Lung", LEFT_LUNG, RegionRole::Organ, &[]),
    class("Cardiomediastinum", HEART, RegionRole::Organ, &[]),
    class("Airways", "trachea and main bronchi", RegionRole::Organ, &[]),
    class("Ground Glass Opacities", "ground-glass opacity", RegionRole::Finding, &["ground", "hazy"]),
    class("Consolidation", CONSOLIDATION, RegionRole::Finding, &["consolid", "air space", "airspace"]),
    class("Pneumothorax", PNEUMOTHORAX, RegionRole::Finding, &["pneumothora"]),
    class("Pleural Effusion", EFFUSION, RegionRole::Finding, &["effusion"]),
    class(
        "Endotracheal Tube",
        "endotracheal tube",
        RegionRole::Device,
        &["endotracheal", "ett", "intubat", "tube", "ventilat"],
    ),
    class(
        "Central Venous Line",
        "central venous line",
        RegionRole::Device,
        &["venous", "cvl", "cvc", "catheter", "line"],
    ),
    class(
        "Nosogastric Tube",
        "nasogastric tube",
        RegionRole::Device,
        &["gastric", "ngt", " og ", "tube", "intubat", "ventilat"],
    ),
    class("Monitoring Probes", PROBES, RegionRole::Device, &["probe", "electrode", "lead", "ecg"]),
    class("Tubings", TUBING, RegionRole::Device, &["tubing", "tube", "intubat", "ventilat"]),
];

const fn class(name: &'static str, label: &'static str, role: RegionRole, mentions: &'static [&'static str]) -> Class {
    Class { name, label, role, mentions }
}
