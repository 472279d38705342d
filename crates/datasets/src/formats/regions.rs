//! Regions of a row in pixels of its images.

use image::metadata::Orientation;
use stepwise_data::case::{Region, Shape};
use stepwise_data::problem::Problems;

use super::entry::{ImageRef, RegionDraft, Unit};
use super::pictures::Picture;
use super::record::Place;
use super::tally::Tally;
use super::turned::{turned_box, turned_point};
use crate::source_image::DrawnOn;

/// Returns on which pixels the regions of an image were drawn. Without an EXIF orientation both are the same. The size that
/// the annotation states decides where it can, else `choice`, the user's.
///
/// # Errors
/// When the annotation states another size than the image has, or the image has an EXIF orientation and nothing says on
/// which pixels its regions were drawn.
pub(super) fn drawn_on(
    place: &Place,
    wanted: &ImageRef,
    picture: &Picture,
    choice: Option<DrawnOn>,
) -> Result<DrawnOn, Problems> {
    let shown = (picture.image.width, picture.image.height);
    let is_turned = picture.turn != Orientation::NoTransforms;
    let found = match wanted.size {
        _ if !is_turned => Some(DrawnOn::Shown),
        // A half turn or a mirror image keeps the size, and so does a quarter turn of a square.
        _ if picture.stored == shown => choice,
        Some(size) if size == shown => Some(DrawnOn::Shown),
        Some(size) if size == picture.stored => Some(DrawnOn::Stored),
        _ => choice,
    };
    let expected = if found == Some(DrawnOn::Stored) { picture.stored } else { shown };
    if let Some((width, height)) = wanted.size
        && (width, height) != expected
        && (found.is_some() || (width, height) != picture.stored)
    {
        let (kind, (expected_width, expected_height)) = match found {
            Some(DrawnOn::Stored) => ("as stored", expected),
            _ => ("as shown", expected),
        };
        let what = format!(
            "the annotation is for {width}x{height} pixels, but the image {kind} has {expected_width}x{expected_height}"
        );
        return Err(place.problem("width", what, "use the image to which the annotation belongs"));
    }
    found.ok_or_else(|| {
        let what = format!(
            "the image has an EXIF orientation ({}), and nothing says whether its regions were drawn before turning",
            picture.turn.to_exif()
        );
        let advice =
            "give --exif stored if they were drawn on the stored pixels, or --exif shown if on the turned image";
        place.problem(&wanted.field, what, advice)
    })
}

/// Returns a region in pixels of the image as shown, cut off at its edges. The ids of region and image are set when the
/// case is made.
///
/// # Errors
/// When no part of the box lies on the image.
pub(super) fn placed(
    place: &Place,
    draft: &RegionDraft,
    picture: &Picture,
    drawn_on: DrawnOn,
    decisions: &mut Tally,
) -> Result<Region, Problems> {
    let is_stored = drawn_on == DrawnOn::Stored && picture.turn != Orientation::NoTransforms;
    let (width, height) = if is_stored { picture.stored } else { (picture.image.width, picture.image.height) };
    let size = [f64::from(width), f64::from(height)];
    let scale = if draft.unit == Unit::Fractions { size } else { [1.0, 1.0] };
    let [x0, y0, x1, y1] = draft.bounds;
    let whole = [x0 * scale[0], y0 * scale[1], x1 * scale[0], y1 * scale[1]];
    let cut = [
        whole[0].clamp(0.0, size[0]),
        whole[1].clamp(0.0, size[1]),
        whole[2].clamp(0.0, size[0]),
        whole[3].clamp(0.0, size[1]),
    ];
    // Not a number is refused here, too.
    if !(cut[0] < cut[2] && cut[1] < cut[3]) {
        let what = format!("{:?} of {} has no area on the image", draft.bounds, draft.label);
        return Err(place.problem("box", what, "correct the box, or remove it"));
    }
    if cut.iter().zip(whole).any(|(cut, whole)| (cut - whole).abs() > 1e-6) {
        decisions.add("box cut off at the edge of the image", place.short());
    }
    let bounds = without_noise(if is_stored {
        decisions.add("region turned along with its image by the EXIF orientation", place.short());
        turned_box(cut, size, picture.turn)
    } else {
        cut
    });
    Ok(Region {
        id: String::new(),
        image: String::new(),
        label: draft.label.clone(),
        shape: Shape::Box { bounds },
        role: draft.role,
    })
}

/// Rounds coordinates to a millionth of a pixel, so that sums and products of decimals have no digits of their own, as in
/// 31.999999999999993.
fn without_noise<const N: usize>(coordinates: [f64; N]) -> [f64; N] {
    coordinates.map(|coordinate| (coordinate * 1e6).round() / 1e6)
}

/// Farthest distance in pixels between a side of a box and of the box around its outline.
const FARTHEST: f64 = 2.0;

/// Returns the polygon of `points` in their unit, turned along with the image where it was drawn on stored pixels, and cut
/// off at the sides of the placed box `shape`; None when the box around it is another one.
pub(super) fn outlined(
    shape: &Shape,
    (points, unit): (&[[f64; 2]], Unit),
    picture: &Picture,
    drawn_on: DrawnOn,
) -> Option<Shape> {
    let (width, height) = match drawn_on {
        DrawnOn::Stored => picture.stored,
        DrawnOn::Shown => (picture.image.width, picture.image.height),
    };
    let size = [f64::from(width), f64::from(height)];
    let [across, down] = if unit == Unit::Fractions { size } else { [1.0, 1.0] };
    let shown = |[x, y]: &[f64; 2]| {
        let point = [x * across, y * down];
        match drawn_on {
            DrawnOn::Stored => turned_point(point, size, picture.turn),
            DrawnOn::Shown => point,
        }
    };
    let points: Vec<[f64; 2]> = points.iter().map(shown).collect();
    let around = Shape::Polygon { points: points.clone() }.bounds();
    let [x0, y0, x1, y1] = shape.bounds();
    let points: Vec<[f64; 2]> = points.iter().map(|[x, y]| without_noise([x.clamp(x0, x1), y.clamp(y0, y1)])).collect();
    let polygon = Shape::Polygon { points };
    let is_near =
        |one: [f64; 4], other: [f64; 4]| one.iter().zip(other).all(|(one, other)| (one - other).abs() <= FARTHEST);
    // A part beyond the edge of the image is cut off with the box.
    (is_near(polygon.bounds(), shape.bounds()) && !(around[2] <= x0 || around[3] <= y0)).then_some(polygon)
}
