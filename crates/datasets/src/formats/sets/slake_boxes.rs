//! Boxes of SLAKE: `detection.json` beside the image, a list of objects with one key, organ or finding to `[x, y, w, h]` in
//! pixels.

use std::path::Path;

use serde_json::{Map, Value};
use stepwise_data::case::RegionRole;
use stepwise_data::io::{bounded, contained};

use super::super::entry::{RegionDraft, Unit};

/// Name of the file.
const FILE: &str = "detection.json";

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

/// Boxes of an image.
#[derive(Clone, Debug, Default)]
pub(super) struct Boxes {
    /// Regions on the only image of a row.
    pub(super) regions: Vec<RegionDraft>,
    /// Number of boxes without area, which are left out.
    pub(super) without_area: usize,
}

/// Reads the boxes in the folder `below`, relative to `root`; none without a file.
///
/// # Errors
/// What is wrong with the file.
pub(super) fn read(root: &Path, below: &str) -> Result<Boxes, String> {
    let name = if below.is_empty() { FILE.to_owned() } else { format!("{below}/{FILE}") };
    if !root.join(&name).exists() {
        return Ok(Boxes::default());
    }
    let path = contained::resolve(root, &name).map_err(|error| error.to_string())?;
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
            boxes.without_area += 1;
            continue;
        }
        let is_finding = FINDINGS.iter().any(|word| label.to_lowercase().contains(word));
        boxes.regions.push(RegionDraft {
            image: 0,
            label: label.to_lowercase(),
            bounds: [*x, *y, x + width, y + height],
            unit: Unit::Pixels,
            role: if is_finding { RegionRole::Finding } else { RegionRole::Organ },
        });
    }
    Ok(boxes)
}
