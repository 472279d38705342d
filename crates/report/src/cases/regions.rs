//! Outlines of regions as paths of a drawing, in pixels of the image.

use std::fmt::Write;

use stepwise_data::case::{Image, Region, Shape};
use stepwise_data::dataset::{Dataset, image_path};
use stepwise_data::image::load_mask;

/// Sides of an image, in pixels, above which outlines of masks are drawn at a coarser resolution.
const FINE: u32 = 1024;

/// Outline of a region.
pub struct Outline {
    /// Data of a path.
    pub path: String,
    /// Box around the region, or around the largest part of a mask of several parts: `[x0, y0, x1, y1]`.
    pub part: [f64; 4],
    /// Why the box is drawn instead of a mask; None where the outline is exact.
    pub note: Option<String>,
}

/// Returns the outline of a region.
pub fn outline(dataset: &Dataset, image: &Image, region: &Region) -> Outline {
    let bounds = region.shape.bounds();
    let whole = |path, note| Outline { path, part: bounds, note };
    match &region.shape {
        Shape::Box { .. } => whole(rectangle(bounds), None),
        Shape::Polygon { points } => whole(closed(points.iter().copied()), None),
        Shape::Mask { path, .. } => match mask(dataset, image, path) {
            Ok((path, part)) => Outline { path, part: part.unwrap_or(bounds), note: None },
            Err(reason) => whole(rectangle(bounds), Some(reason)),
        },
    }
}

fn rectangle([x0, y0, x1, y1]: [f64; 4]) -> String {
    closed([[x0, y0], [x1, y0], [x1, y1], [x0, y1]].into_iter())
}

/// A closed line through the points.
fn closed(points: impl Iterator<Item = [f64; 2]>) -> String {
    let mut path = String::new();
    for (place, [x, y]) in points.enumerate() {
        let _ = write!(path, "{}{x} {y}", if place == 0 { 'M' } else { 'L' });
    }
    path + "Z"
}

/// The outline of a mask, and the box around its largest part; None for the box of an empty mask.
fn mask(dataset: &Dataset, image: &Image, path: &str) -> Result<(String, Option<[f64; 4]>), String> {
    let file = image_path(&dataset.root, path).map_err(|error| error.to_string())?;
    let mask = load_mask(&file).map_err(|error| error.to_string())?;
    if (mask.width, mask.height) != (image.width, image.height) {
        return Err(format!("the mask is {} x {} pixels", mask.width, mask.height));
    }
    let step = image.width.max(image.height).div_ceil(FINE).max(1);
    let coarse = if step > 1 { mask.coarser(step) } else { mask };
    let scaled = |[x, y]: [u32; 2]| [(x * step).min(image.width), (y * step).min(image.height)];
    let mut outline = String::new();
    let mut parts: Vec<[f64; 4]> = Vec::new();
    for corners in coarse.outlines() {
        let corners: Vec<[u32; 2]> = corners.into_iter().map(scaled).collect();
        let points = corners.iter().map(|corner| corner.map(f64::from)).collect();
        parts.push(Shape::Polygon { points }.bounds());
        let mut last = [0, 0];
        for (place, [x, y]) in corners.into_iter().enumerate() {
            let _ = match place {
                0 => write!(outline, "M{x} {y}"),
                _ if y == last[1] => write!(outline, "H{x}"),
                _ => write!(outline, "V{y}"),
            };
            last = [x, y];
        }
        outline.push('Z');
    }
    let area = |[x0, y0, x1, y1]: &[f64; 4]| (x1 - x0) * (y1 - y0);
    let largest = parts.into_iter().max_by(|one, other| area(one).total_cmp(&area(other)));
    Ok((outline, largest))
}

#[cfg(test)]
mod tests {
    use image::{GrayImage, Luma};
    use serde_json::json;

    use super::*;

    #[test]
    fn a_label_belongs_to_the_largest_part_of_a_mask() {
        let folder = tempfile::tempdir().expect("writable");
        let inside = |x: u32, y: u32| (x < 3 && y < 3) || (30..39).contains(&x) && (10..15).contains(&y);
        let mask = GrayImage::from_fn(40, 20, |x, y| Luma([u8::from(inside(x, y))]));
        mask.save(folder.path().join("m.png")).expect("writable");
        let image = json!({"id": "i0", "path": "p.png", "sha256": "", "width": 40, "height": 20});
        let region = json!({"id": "r", "image": "i0", "label": "lungs", "kind": "mask", "path": "m.png", "role": "organ",
            "box": [0, 0, 39, 15]});
        let image: Image = serde_json::from_value(image).expect("an image");
        let region: Region = serde_json::from_value(region).expect("a region");
        let dataset = Dataset::new(&folder.path().join("cases.jsonl"), Vec::new());
        let found = outline(&dataset, &image, &region);
        assert_eq!((found.part, found.note), ([30.0, 10.0, 39.0, 15.0], None));
        assert_eq!(found.path.matches('M').count(), 2, "{}", found.path);
    }
}
