//! Regions of a row in pixels of its images.

use stepwise_data::case::{Region, Shape};
use stepwise_data::problem::Problems;

use super::entry::{ImageRef, RegionDraft, Unit};
use super::pictures::Picture;
use super::record::Place;
use super::tally::Tally;

/// Returns a region in pixels of the image, cut off at its edges. The ids of region and image are set when the case is
/// made.
///
/// # Errors
/// When the annotation states another size than the image has, the image has an EXIF orientation and nothing says to
/// which pixels the box belongs, or no part of the box lies on the image.
pub(super) fn placed(
    place: &Place,
    draft: &RegionDraft,
    wanted: &ImageRef,
    picture: &Picture,
    decisions: &mut Tally,
) -> Result<Region, Problems> {
    let (width, height) = (picture.image.width, picture.image.height);
    if let Some((stated, tall)) = wanted.size
        && (stated, tall) != (width, height)
    {
        let what = format!("the annotation is for {stated}x{tall} pixels, but the image as shown has {width}x{height}");
        let advice = "use the image to which the annotation belongs, without an EXIF orientation";
        return Err(place.problem("width", what, advice));
    }
    if picture.is_turned && !turns_sides(wanted, picture) {
        let what = "the image has an EXIF orientation, and nothing says whether its boxes were drawn before turning";
        let advice = "save the image upright and without EXIF orientation, as its boxes were drawn";
        return Err(place.problem(&wanted.field, what, advice));
    }
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
    Ok(Region {
        id: String::new(),
        image: String::new(),
        label: draft.label.clone(),
        shape: Shape::Box { bounds: cut },
        role: draft.role,
    })
}

/// Returns whether a stated size equals only the size as shown: the sides differ, so a quarter turn is certain. A half
/// turn or a mirror image keeps the size, and such an image is refused by the caller as undecided.
fn turns_sides(wanted: &ImageRef, picture: &Picture) -> bool {
    picture.swaps_sides && wanted.size.is_some_and(|(width, height)| width != height)
}
