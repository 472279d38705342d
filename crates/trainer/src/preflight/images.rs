//! Look at all images before the run, so that a damaged or refused file does not stop it hours later, and so that no
//! image is on two sides of the split.

use std::num::NonZero;

use stepwise_benchmark::runner::load;
use stepwise_data::case::Case;
use stepwise_data::check::{Fingerprints, image_warnings};
use stepwise_data::near_duplicates::Fingerprint;
use stepwise_data::parallel;

use super::leaks::{self, Leaks};
use crate::cases::{CaseImages, Cases, CasesError, LeakRule};
use crate::progress::Progress;

/// Number of cases for each thread between two reports of progress.
const CASES_AT_ONCE: usize = 8;

/// Result of a look at all images. Empty for synthetic images.
#[derive(Clone, Debug, Default)]
pub struct LookedAt {
    /// Fingerprints of the images of [`Cases::all`]. None for an image of a held-out case that cannot be read.
    pub fingerprints: Fingerprints,
    /// Patients and images on two sides of the split; empty unless they are allowed.
    pub leaks: Leaks,
}

/// Decodes every image of the training, evaluation and held-out cases once, on all CPU threads, warns about images with few
/// grey levels and about held-out images that cannot be read, and compares the images of all sides. Synthetic images are
/// left out.
///
/// # Errors
/// When an image of a training or evaluation case is missing, damaged or refused, or differs from the recorded one; the
/// error names the first one. When a patient or an image is on two sides of the split and `rule` refuses it; the error
/// names all of them.
pub fn check(cases: &Cases, rule: LeakRule, progress: &mut dyn Progress) -> Result<LookedAt, CasesError> {
    if matches!(cases.pictures, CaseImages::Drawn { .. }) {
        return Ok(LookedAt::default());
    }
    let all: Vec<(usize, &Case)> = cases.all().enumerate().collect();
    let used = cases.train.len() + cases.eval.len();
    let look = |(place, case): &(usize, &Case)| {
        let fingerprint = |index| match load(&cases.pictures, case, index) {
            Ok(picture) => Ok(Some(Fingerprint::of(&picture))),
            Err(_) if *place >= used => Ok(None),
            Err(error) => Err(CasesError::from(error)),
        };
        (0..case.images.len()).map(fingerprint).collect::<Result<_, CasesError>>()
    };
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut fingerprints: Fingerprints = Vec::with_capacity(all.len());
    for part in all.chunks(threads * CASES_AT_ONCE) {
        for looked in parallel::map(part, look) {
            fingerprints.push(looked?);
        }
        progress.advance("checking images", fingerprints.len() as u64, all.len() as u64);
    }
    for warning in
        image_warnings(cases.all().zip(&fingerprints)).into_iter().chain(unread(cases, &fingerprints[used..]))
    {
        progress.warning(&warning);
    }
    let Leaks { problems, near } = leaks::find(cases, &fingerprints);
    let leaks = Leaks { problems: rule.apply(problems)?, near };
    Ok(LookedAt { fingerprints, leaks })
}

/// Warns about images of held-out cases without one of the `fingerprints`. None where there are none.
fn unread(cases: &Cases, fingerprints: &[Vec<Option<Fingerprint>>]) -> Option<String> {
    let unread = |found: &Vec<Option<Fingerprint>>| found.iter().filter(|found| found.is_none()).count();
    let count: usize = fingerprints.iter().map(unread).sum();
    let first = fingerprints.iter().position(|found| unread(found) > 0)?;
    let case = &cases.held_out[first];
    let place = cases.pictures.place(&case.case_id)?;
    Some(format!(
        "images of the {} side that cannot be read and are not compared with the training images: {count}, the first one of \
         {}:{} -> `stepwise check` names them",
        case.split.word(),
        place.file.display(),
        place.row
    ))
}
