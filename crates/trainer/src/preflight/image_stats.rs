//! Sizes of the images of a run, for the memory estimate. No image is read: the cases state the sizes.

use std::collections::HashSet;

use stepwise_benchmark::perturb::{Perturbed, ShownImages};
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::runner::DECODED_AT_ONCE;
use stepwise_data::case::{Case, Image};
use stepwise_vlm::processor::Processor;

use crate::cases::Cases;
use crate::evaluation::evaluate::BATCH;
use crate::evaluation::vlm_model::PREPARED_AT_ONCE;
use crate::preflight::memory::{DecodedBytes, ImageStats};

/// Bytes per pixel of a decoded image.
const PIXEL: u64 = 3;

/// Sizes of the images of a run. `learned` is the number of pixels of the distinct tiles of its training examples. Equal images of
/// the benchmark, which `plan` holds, count once; attacked images are left out.
pub(super) fn of(cases: &Cases, plan: Option<&Plan<'_>>, processor: &Processor, learned: u64) -> ImageStats {
    let images = cases.train.iter().chain(&cases.eval).flat_map(|case| &case.images);
    let most = images.map(|image| pixels_of(image, processor)).max().unwrap_or(0);
    let largest = cases.train.iter().map(largest).max().unwrap_or(0);
    let mut stats = ImageStats {
        learned,
        tested: 0,
        most,
        decoded: DecodedBytes { learned: 2 * PIXEL * largest, ..Default::default() },
    };
    if let Some(plan) = plan {
        measure(plan, processor, &mut stats);
    }
    stats
}

/// Adds the images of the benchmark.
fn measure(plan: &Plan<'_>, processor: &Processor, stats: &mut ImageStats) {
    let mut all: HashSet<(usize, String)> = HashSet::new();
    let mut batch: HashSet<(usize, String)> = HashSet::new();
    let (mut planned, mut bytes, mut pixels) = (0, 0, 0);
    for of_case in plan.entries.chunk_by(|a, b| a.case == b.case) {
        for entry in of_case {
            let Some(perturbed) = plan.perturbed(*entry) else { continue };
            if perturbed.frame.without_images {
                continue;
            }
            let index = perturbed.shown_case(entry.case);
            let shown = (index, perturbed.pictures.key());
            let case = &plan.pool.cases()[index];
            let own: u64 = case.images.iter().map(|image| pixels_of(image, processor)).sum();
            if !all.contains(&shown) {
                stats.tested += own;
                all.insert(shown.clone());
            }
            if batch.insert(shown) {
                bytes += decoded(case, &perturbed);
                pixels += own;
                stats.decoded.temporary = stats.decoded.temporary.max(temporary(case, &perturbed));
            }
        }
        let most = (PREPARED_AT_ONCE as u64 / PIXEL).max(stats.most);
        // Images of earlier questions take up to a quarter more.
        stats.decoded.tested = stats.decoded.tested.max(bytes.min(DECODED_AT_ONCE / 4 * 5));
        stats.decoded.prepared = stats.decoded.prepared.max(pixels.min(most) * PIXEL);
        planned += of_case.len();
        if planned >= BATCH {
            batch.clear();
            (planned, bytes, pixels) = (0, 0, 0);
        }
    }
}

/// Pixels of the tiles of an image.
fn pixels_of(image: &Image, processor: &Processor) -> u64 {
    processor.grid(image.width, image.height).values() as u64 / PIXEL
}

fn decoded(case: &Case, perturbed: &Perturbed) -> u64 {
    let copies = if matches!(perturbed.pictures, ShownImages::Edited(_)) { 2 } else { 1 };
    copies * PIXEL * case.images.iter().map(|image| u64::from(image.width) * u64::from(image.height)).sum::<u64>()
}

/// Temporary bytes of the decoder, which has a copy of its own, and of the change.
fn temporary(case: &Case, perturbed: &Perturbed) -> u64 {
    let changing = match &perturbed.pictures {
        ShownImages::Edited(edit) => edit.bytes_per_pixel(),
        ShownImages::Own | ShownImages::Of(_) | ShownImages::MeanOf(_) => 0,
    };
    largest(case) * changing.max(PIXEL)
}

/// Pixels of the largest image of a case.
fn largest(case: &Case) -> u64 {
    case.images.iter().map(|image| u64::from(image.width) * u64::from(image.height)).max().unwrap_or(0)
}
