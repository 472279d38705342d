//! Images whose EXIF orientation turns them, beside regions: annotations are often drawn on the stored pixels.

use image::metadata::Orientation;

use super::Files;
use crate::case::Case;
use crate::dataset::{Dataset, image_path};
use crate::image::orientation;

/// Returns a warning for all images with regions that are shown turned or mirrored; None without such images, and with
/// less than [`Files::Contents`]. Files that cannot be read are passed over: they are problems.
pub(super) fn warning(dataset: &Dataset, files: Files) -> Option<String> {
    if files < Files::Contents {
        return None;
    }
    let has_region = |case: &Case, id: &str| case.regions.iter().any(|region| region.image == id);
    let turned: Vec<(&str, Orientation)> = dataset
        .cases
        .iter()
        .flat_map(|case| case.images.iter().filter(|image| has_region(case, &image.id)))
        .filter_map(|image| {
            let found = orientation(&image_path(&dataset.root, &image.path).ok()?).ok()?;
            (found != Orientation::NoTransforms).then_some((image.path.as_str(), found))
        })
        .collect();
    let (path, first) = turned.first()?;
    let (images, are) = if turned.len() == 1 { ("image", "is") } else { ("images", "are") };
    Some(format!(
        "{} {images} with regions {are} shown turned or mirrored by the EXIF orientation, such as {path} (orientation {}) \
         -> look with `stepwise data show --html` whether the regions were drawn on the image as shown",
        turned.len(),
        first.to_exif()
    ))
}
