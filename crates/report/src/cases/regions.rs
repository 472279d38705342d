//! Outlines of regions as paths of a drawing, in pixels of the image.

use std::fmt::Write;

use stepwise_data::case::{Image, Region, Shape};
use stepwise_data::dataset::{Dataset, image_path};
use stepwise_data::image::load_mask;

/// Sides of an image, in pixels, above which outlines of masks are drawn at a coarser resolution.
const FINE: u32 = 1024;

/// Returns the outline of a region as the data of a path, and why the box is drawn instead of a mask; None for the
/// reason where the outline is exact.
pub fn path(dataset: &Dataset, image: &Image, region: &Region) -> (String, Option<String>) {
    match &region.shape {
        Shape::Box { bounds } => (rectangle(*bounds), None),
        Shape::Polygon { points } => (closed(points.iter().copied()), None),
        Shape::Mask { path, bounds } => match mask(dataset, image, path) {
            Ok(outline) => (outline, None),
            Err(reason) => (rectangle(*bounds), Some(reason)),
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

/// The outline of a mask.
fn mask(dataset: &Dataset, image: &Image, path: &str) -> Result<String, String> {
    let file = image_path(&dataset.root, path).map_err(|error| error.to_string())?;
    let mask = load_mask(&file).map_err(|error| error.to_string())?;
    if (mask.width, mask.height) != (image.width, image.height) {
        return Err(format!("the mask is {} x {} pixels", mask.width, mask.height));
    }
    let step = image.width.max(image.height).div_ceil(FINE).max(1);
    let coarse = if step > 1 { mask.coarser(step) } else { mask };
    let scaled = |[x, y]: [u32; 2]| [(x * step).min(image.width), (y * step).min(image.height)];
    let mut outline = String::new();
    for corners in coarse.outlines() {
        let mut last = [0, 0];
        for (place, [x, y]) in corners.into_iter().map(scaled).enumerate() {
            let _ = match place {
                0 => write!(outline, "M{x} {y}"),
                _ if y == last[1] => write!(outline, "H{x}"),
                _ => write!(outline, "V{y}"),
            };
            last = [x, y];
        }
        outline.push('Z');
    }
    Ok(outline)
}
