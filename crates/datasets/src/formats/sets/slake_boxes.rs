//! Boxes of SLAKE: `detection.json` beside the image, a list of objects with one key, organ or finding to `[x, y, w, h]` in
//! pixels. Masks of the same organs are in [`super::slake_masks`].

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value};
use stepwise_data::case::RegionRole;
use stepwise_data::io::{bounded, contained};

use super::super::entry::{RegionDraft, Unit};
use super::super::region_mask::RegionMask;

/// Words of labels that are findings. All other labels are organs.
const FINDINGS: [&str; 14] = [
    "abnormal",
    "atelectasis",
    "cancer",
    "cardiomegaly",
    "consolidation",
    "edema",
    "effusion",
    "infiltration",
    "lesion",
    "mass",
    "nodule",
    "pneumonia",
    "pneumothorax",
    "tumor",
];

/// Regions of an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Boxes {
    /// Regions on the only image of a row.
    pub(super) regions: Vec<RegionDraft>,
    /// Pixels of regions, by their index; regions without them are boxes.
    pub(super) masks: BTreeMap<usize, RegionMask>,
    /// Width and height of the masks in pixels; None without masks.
    pub(super) size: Option<(u32, u32)>,
    /// Parts of the files that are left out.
    pub(super) remarks: Vec<String>,
}

/// Returns the role of a region with a label.
pub(super) fn role(label: &str) -> RegionRole {
    let is_finding = FINDINGS.iter().any(|word| label.to_lowercase().contains(word));
    if is_finding { RegionRole::Finding } else { RegionRole::Organ }
}

/// Reads the boxes in the file `name`, relative to `root`.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn read(root: &Path, name: &str) -> Result<Boxes, String> {
    let path = contained::resolve(root, name).map_err(|error| error.to_string())?;
    let text = bounded::text(&path).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let objects: Vec<Map<String, Value>> =
        serde_json::from_str(&text).map_err(|error| format!("{name} is no list of objects: {error}"))?;
    let mut boxes = Boxes::default();
    for (label, value) in objects.iter().flatten() {
        let numbers: Option<Vec<f64>> = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
        let Some([x, y, width, height]) = numbers.as_deref() else {
            return Err(format!("{name}: {label}: {value} is not [x, y, width, height]"));
        };
        if *width <= 0.0 || *height <= 0.0 {
            boxes.remarks.push("box without area in detection.json".into());
            continue;
        }
        boxes.regions.push(RegionDraft {
            image: 0,
            label: label.to_lowercase(),
            bounds: [*x, *y, x + width, y + height],
            unit: Unit::Pixels,
            role: role(label),
        });
    }
    Ok(boxes)
}
