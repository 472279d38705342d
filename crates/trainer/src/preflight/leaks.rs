//! Leaks: evaluation images that are near-duplicates of training images. The same file or patient on both sides of the
//! split of a run is found earlier, by [`Cases::open`].

use std::collections::{BTreeMap, HashMap};

use stepwise_data::case::Case;
use stepwise_data::check::{Fingerprints, NearImage, PlacedCase, fingerprints, near, near_images};
use stepwise_data::problem::Problems;

use crate::cases::{Cases, CasesError};

/// Checks that no evaluation image is a near-duplicate of a training image, in all folders of the run. Reads all image
/// files. Unreadable files are not reported here. Synthetic images are left out.
///
/// # Errors
/// [`CasesError::Between`] with one problem for each such image.
pub fn check(cases: &Cases) -> Result<(), CasesError> {
    let placed = cases.pictures.placed(cases.train.iter().chain(&cases.eval));
    compare(cases, &fingerprints(&placed))
}

/// Checks the images like [`check`]. `fingerprints` are those of the training cases, then those of the evaluation cases.
///
/// # Errors
/// [`CasesError::Between`] with one problem for each such image.
pub(super) fn compare(cases: &Cases, fingerprints: &Fingerprints) -> Result<(), CasesError> {
    let placed = cases.pictures.placed(cases.train.iter().chain(&cases.eval));
    match near(&placed, fingerprints) {
        problems if problems.is_empty() => Ok(()),
        problems => Err(CasesError::Between(Problems(problems))),
    }
}

/// Evaluation cases that show an image of the training cases, equal or nearly equal, or belong to one of their groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCases {
    /// Number of such cases.
    pub count: usize,
    /// Place of the first one, `file:row`.
    pub first: String,
    /// Place of the training case with its image or group.
    pub trained: String,
}

/// Looks for evaluation cases of `tested` that the training cases of `trained` contain in part: the same image, a
/// near-duplicate, or the same group. None where there are none. Synthetic cases are left out.
#[must_use]
pub fn seen(trained: &Cases, tested: &Cases) -> Option<SeenCases> {
    let mut placed = trained.pictures.placed(&trained.train);
    let count = placed.len();
    let mut known: HashMap<&str, usize> = HashMap::new();
    for (place, PlacedCase { case, .. }) in placed.iter().enumerate() {
        for name in names(case) {
            known.entry(name).or_insert(place);
        }
    }
    placed.extend(tested.pictures.placed(&tested.eval));
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    for (place, PlacedCase { case, .. }) in placed.iter().enumerate().skip(count) {
        if let Some(first) = names(case).find_map(|name| known.get(name)) {
            found.insert(place, *first);
        }
    }
    let other_set = |one: usize, other: usize| one < count && other >= count;
    for NearImage { earlier, case, .. } in near_images(&placed, other_set, &fingerprints(&placed)) {
        found.entry(case).or_insert(earlier);
    }
    let name = |place: usize| format!("{}:{}", placed[place].file.display(), placed[place].row);
    let (first, known) = found.first_key_value()?;
    Some(SeenCases { count: found.len(), first: name(*first), trained: name(*known) })
}

/// Group and image digests of a case.
fn names(case: &Case) -> impl Iterator<Item = &str> {
    let digests = case.images.iter().map(|image| image.sha256.as_str());
    std::iter::once(case.group_id.as_str()).chain(digests)
}
