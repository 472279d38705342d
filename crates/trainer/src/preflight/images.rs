//! Look at all images before the run, so that a damaged or refused file does not stop it hours later, and so that no
//! evaluation image is a near-duplicate of a training image.

use std::num::NonZero;

use stepwise_benchmark::runner::load;
use stepwise_data::case::Case;
use stepwise_data::check::{Fingerprints, image_warnings};
use stepwise_data::near_duplicates::Fingerprint;
use stepwise_data::parallel;
use stepwise_data::problem::Problem;

use super::leaks;
use crate::cases::{CaseImages, Cases, CasesError, LeakRule};
use crate::progress::Progress;

/// Number of cases for each thread between two reports of progress.
const CASES_AT_ONCE: usize = 8;

/// Result of a look at all images. Empty for synthetic images.
#[derive(Clone, Debug, Default)]
pub struct LookedAt {
    /// Fingerprints of the images of the training cases, then of the evaluation cases.
    pub fingerprints: Fingerprints,
    /// Evaluation images that are near-duplicates of training images, one problem for each; empty unless they are
    /// allowed.
    pub leaks: Vec<Problem>,
}

/// Decodes every image of the training and evaluation cases once, on all CPU threads, warns about images with few grey
/// levels, and compares the images of the two sides. Synthetic images are left out.
///
/// # Errors
/// When an image is missing, damaged or refused, or differs from the recorded one; the error names the first one. When
/// evaluation images are near-duplicates of training images and `rule` refuses them; the error names all of them.
pub fn check(cases: &Cases, rule: LeakRule, progress: &mut dyn Progress) -> Result<LookedAt, CasesError> {
    if matches!(cases.pictures, CaseImages::Drawn { .. }) {
        return Ok(LookedAt::default());
    }
    let all: Vec<&Case> = cases.train.iter().chain(&cases.eval).collect();
    let look = |case: &&Case| {
        let images = 0..case.images.len();
        images
            .map(|index| Ok(Some(Fingerprint::of(&*load(&cases.pictures, case, index)?))))
            .collect::<Result<_, CasesError>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut fingerprints: Fingerprints = Vec::with_capacity(all.len());
    for part in all.chunks(threads * CASES_AT_ONCE) {
        for looked in parallel::map(part, look) {
            fingerprints.push(looked?);
        }
        progress.advance("checking images", fingerprints.len() as u64, all.len() as u64);
    }
    for warning in image_warnings(all.iter().copied().zip(&fingerprints)) {
        progress.warning(&warning);
    }
    let leaks = rule.apply(leaks::compare(cases, &fingerprints))?;
    Ok(LookedAt { fingerprints, leaks })
}
