//! Rules of a case apart from its question chain: names, source, images and regions.

use super::Faults;
use crate::answer_text::control_fault;
use crate::case::{Case, Image, Region, SCHEMA, Shape};
use crate::case_schema::SHA256;
use crate::dhash::parse_phash;
use crate::image::MAX_DIMENSION;
use crate::io::contained::is_inside;
use crate::io::digest::is_sha256;

const ORIENTATIONS: [&str; 2] = ["radiological", "neurological"];

/// Checks the names, source, images and regions of a case, without reading files, and adds the problems to `faults`.
pub(super) fn check(case: &Case, faults: &mut Faults) {
    if case.schema != SCHEMA {
        faults.add("schema", format!("is \"{}\"", case.schema), format!("write \"{SCHEMA}\""));
    }
    for (field, text) in [
        ("case_id", &case.case_id),
        ("group_id", &case.group_id),
        ("modality", &case.modality),
        ("source.dataset", &case.source.dataset),
        ("source.licence", &case.source.licence),
    ] {
        faults.not_blank(field, text);
    }
    for (field, text) in [("body_region", &case.body_region), ("source.revision", &case.source.revision)] {
        faults.text(field, text.as_deref().and_then(control_fault));
    }
    if case.images.is_empty() {
        faults.add("images", "there is no image", "add at least one");
    }
    faults.all_different(|index| format!("images[{index}].id"), case.images.iter().map(|image| image.id.as_str()));
    faults.all_different(|index| format!("regions[{index}].id"), super::region_ids(case));
    for (index, image) in case.images.iter().enumerate() {
        check_image(image, &format!("images[{index}]"), faults);
    }
    for (index, region) in case.regions.iter().enumerate() {
        check_region(case, region, &format!("regions[{index}]"), faults);
    }
}

fn check_image(image: &Image, at: &str, faults: &mut Faults) {
    faults.not_blank(&format!("{at}.id"), &image.id);
    check_path(&image.path, &format!("{at}.path"), faults);
    for (key, side) in [("width", image.width), ("height", image.height)] {
        if side == 0 || side > MAX_DIMENSION {
            faults.add(format!("{at}.{key}"), format!("is {side}"), format!("use 1 to {MAX_DIMENSION} pixels"));
        }
    }
    if !is_sha256(&image.sha256) {
        faults.add(format!("{at}.sha256"), "is not 64 lower-case hexadecimal digits", format!("write {SHA256}"));
    }
    if image.phash.as_deref().is_some_and(|phash| parse_phash(phash).is_none()) {
        let advice = "write the image's difference hash, or leave it out";
        faults.add(format!("{at}.phash"), "is not 16 lower-case hexadecimal digits", advice);
    }
    if let Some(orientation) = &image.orientation
        && !ORIENTATIONS.contains(&orientation.as_str())
    {
        let near = crate::problem::did_you_mean(orientation, ORIENTATIONS);
        let what = format!("\"{orientation}\" is not known{near}");
        faults.add(format!("{at}.orientation"), what, "use \"radiological\" or \"neurological\", or leave it out");
    }
}

fn check_region(case: &Case, region: &Region, at: &str, faults: &mut Faults) {
    faults.not_blank(&format!("{at}.id"), &region.id);
    faults.not_blank(&format!("{at}.label"), &region.label);
    let images = case.images.iter().map(|image| image.id.as_str());
    if !faults.known(&format!("{at}.image"), &region.image, "image", images) {
        return;
    }
    let Some(image) = case.images.iter().find(|image| image.id == region.image) else { return };
    let (field, finite) = match &region.shape {
        Shape::Polygon { points } => {
            if points.len() < 3 {
                faults.add(format!("{at}.points"), format!("has {} points", points.len()), "give at least three");
                return;
            }
            ("points", points.iter().flatten().all(|value| value.is_finite()))
        }
        Shape::Box { bounds } => ("box", bounds.iter().all(|value| value.is_finite())),
        Shape::Mask { path, bounds } => {
            check_path(path, &format!("{at}.path"), faults);
            ("box", bounds.iter().all(|value| value.is_finite()))
        }
    };
    let field = format!("{at}.{field}");
    let bounds @ [x0, y0, x1, y1] = region.shape.bounds();
    if !finite {
        faults.add(field, "a coordinate is not a finite number", "use pixels of the image");
    } else if x0 >= x1 || y0 >= y1 {
        faults.add(field, format!("{bounds:?} has no area"), "order coordinates as x0 < x1 and y0 < y1");
    } else if x0 < 0.0 || y0 < 0.0 || x1 > f64::from(image.width) || y1 > f64::from(image.height) {
        let what = format!("{bounds:?} extends beyond the image's {} x {} pixels", image.width, image.height);
        faults.add(field, what, "use pixels of the original image, with the origin at the top left");
    }
}

fn check_path(path: &str, field: &str, faults: &mut Faults) {
    if let Some(fault) = control_fault(path) {
        faults.text(field, Some(fault));
    } else if path.contains('\\') {
        // The same words for every path, so that the problems of all cases are one line.
        let what = "has a backslash, so it does not lead into the data set's folder";
        faults.add(field, what, "write `/` between folders");
    } else if !is_inside(path) {
        let what = format!("\"{path}\" does not lead into the data set's folder");
        faults.add(field, what, "use a relative path with `/` and without `..`");
    }
}
