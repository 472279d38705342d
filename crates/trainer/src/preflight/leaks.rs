//! Leaks: images that are near-duplicates of images on the other side of the split. The same file or patient on two sides
//! is found earlier, by [`Cases::open_with`].

use stepwise_data::check::{Fingerprints, fingerprints, near};
use stepwise_data::problem::Problem;

use crate::cases::{Cases, CasesError, LeakRule};

/// Checks that no evaluation image is a near-duplicate of a training image, in all folders of the run. Reads all image
/// files. Unreadable files are not reported here. Synthetic images are left out. Returns one problem for each such image.
///
/// # Errors
/// [`CasesError::Leaks`] with these problems, unless `rule` allows them.
pub fn check(cases: &Cases, rule: LeakRule) -> Result<Vec<Problem>, CasesError> {
    let placed = cases.pictures.placed(cases.train.iter().chain(&cases.eval));
    rule.apply(compare(cases, &fingerprints(&placed)))
}

/// Compares the images like [`check`]. `fingerprints` are those of the training cases, then those of the evaluation cases.
pub(super) fn compare(cases: &Cases, fingerprints: &Fingerprints) -> Vec<Problem> {
    let placed = cases.pictures.placed(cases.train.iter().chain(&cases.eval));
    near(&placed, fingerprints)
}
