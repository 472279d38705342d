//! Leaks: patients and equal images on two sides of the split, which [`Cases::open_with_leaks`] finds, and images that are
//! near-duplicates of images on another side.

use stepwise_data::check::{Fingerprints, NearImage, fingerprints, near_across_sides, near_problems};
use stepwise_data::problem::Problem;

use crate::cases::{Cases, CasesError, LeakRule};

/// Leaks between the sides of the split.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    /// All leaks, one problem for each group, file and image: first those of [`Cases::leaks`], then near-duplicates.
    pub problems: Vec<Problem>,
    /// Near-duplicates. Cases are counted as in [`Cases::all`].
    pub near: Vec<NearImage>,
}

/// Finds patients, equal images and near-duplicate images on two sides of the split, in all folders of the run: those of
/// the training, the evaluation and the held-out cases. Reads all image files. Unreadable files are not reported here.
/// Synthetic images are left out. Returns one problem for each leak.
///
/// # Errors
/// [`CasesError::Leaks`] with these problems, unless `rule` allows them.
pub fn check(cases: &Cases, rule: LeakRule) -> Result<Vec<Problem>, CasesError> {
    let fingerprints = fingerprints(&cases.pictures.placed(cases.all()));
    rule.apply(find(cases, &fingerprints).problems)
}

/// Finds the leaks like [`check`]. `fingerprints` are those of the images of [`Cases::all`].
pub(super) fn find(cases: &Cases, fingerprints: &Fingerprints) -> Leaks {
    let placed = cases.pictures.placed(cases.all());
    let near = near_across_sides(&placed, fingerprints);
    let problems = cases.leaks.iter().cloned().chain(near_problems(&placed, &near)).collect();
    Leaks { problems, near }
}
