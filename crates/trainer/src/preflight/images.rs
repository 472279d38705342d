//! Decoding of all images before the run, so that a damaged or refused file does not stop it hours later.

use stepwise_benchmark::runner::load;
use stepwise_data::case::Case;

use crate::batches::examples::ExampleError;
use crate::cases::{CaseImages, Cases};
use crate::progress::Progress;

/// Number of images that one thread decodes at a time.
const IMAGES_AT_ONCE: usize = 8;

/// Decodes every image of the training and evaluation cases once, on all CPU threads. Synthetic images are left out.
///
/// # Errors
/// When an image is missing, damaged or refused, or differs from the recorded one. The error names the first one.
pub(super) fn check(cases: &Cases, progress: &mut dyn Progress) -> Result<(), ExampleError> {
    if matches!(cases.pictures, CaseImages::Drawn { .. }) {
        return Ok(());
    }
    let all = cases.train.iter().chain(&cases.eval);
    let images: Vec<(&Case, usize)> =
        all.flat_map(|case| (0..case.images.len()).map(move |index| (case, index))).collect();
    let threads = std::thread::available_parallelism().map_or(1, Into::into);
    for (round, part) in images.chunks(threads * IMAGES_AT_ONCE).enumerate() {
        let loaded: Vec<_> = std::thread::scope(|scope| {
            let decode = |part: &[(&Case, usize)]| {
                part.iter().try_for_each(|(case, index)| load(&cases.pictures, case, *index).map(drop))
            };
            let threads: Vec<_> = part.chunks(IMAGES_AT_ONCE).map(|part| scope.spawn(move || decode(part))).collect();
            let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|loaded| loaded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        for loaded in loaded {
            loaded.map_err(ExampleError::Image)?;
        }
        let done = round * threads * IMAGES_AT_ONCE + part.len();
        progress.advance("checking images", done as u64, images.len() as u64);
    }
    Ok(())
}
