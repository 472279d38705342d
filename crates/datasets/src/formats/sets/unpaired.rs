//! Images without an annotation, and annotations without an image, as every format with one annotation file an image
//! reports them.

use std::path::Path;
use std::sync::Arc;

use stepwise_data::problem::Problem;

use super::super::entry::Entry;
use super::super::record::Place;

/// Row of an image that has no annotation, so that nothing is known of it: left out. `what` names the annotation, as in
/// `a label file`.
pub(super) fn image_without(place: Place, what: &str) -> Entry {
    Entry::LeftOut(place, format!("an image without {what}, so its findings are unknown"))
}

/// The file as a place of its only row.
pub(super) fn whole(file: &Path) -> Place {
    Place { file: Arc::from(file), row: 1 }
}

/// Row of an annotation `what`, as in `a label file`, in `file` without an image of the same name: faulty.
pub(super) fn without_image(file: &Path, what: &str) -> Entry {
    let advice = "add the image, remove the file, or leave faulty rows out with --keep-going";
    Entry::Faulty(Problem::new(file, format!("is {what} without an image of the same name"), advice).into())
}
