//! Pieces of a batch whose decoded images fit into memory together.

use std::collections::HashMap;

use crate::perturb::{Perturbed, ShownImages};
use crate::plan::Plan;
use crate::runner::prepare::PendingQuery;

/// Largest size in bytes of the decoded images of the questions that are answered together. A single question may show
/// more.
pub const DECODED_AT_ONCE: u64 = 128 << 20;

/// Splits queued questions into pieces that are answered together, so that the decoded images of each take at most
/// `most` bytes. Questions that fit together stay one piece in their order. Otherwise questions with the same images
/// come next to each other, so that images are decoded and changed once. A single question with more bytes is a piece
/// of its own.
pub(super) fn pieces(plan: &Plan<'_>, mut waiting: Vec<PendingQuery>, most: u64) -> Vec<Vec<PendingQuery>> {
    let mut numbers: HashMap<(usize, String), usize> = HashMap::new();
    let mut sizes: Vec<u64> = Vec::new();
    let mut number = |asked: &PendingQuery| {
        let (case, perturbed) = (asked.perturbed.shown_case(asked.entry.case), &asked.perturbed);
        let key = if perturbed.frame.without_images { "none".to_owned() } else { perturbed.pictures.key() };
        *numbers.entry((case, key)).or_insert_with(|| {
            sizes.push(decoded_bytes(plan, case, perturbed));
            sizes.len() - 1
        })
    };
    let shown: Vec<usize> = waiting.iter().map(&mut number).collect();
    if sizes.iter().sum::<u64>() <= most {
        return vec![waiting];
    }
    let mut shown: Vec<(usize, PendingQuery)> = shown.into_iter().zip(waiting.drain(..)).collect();
    shown.sort_by_key(|(number, _)| *number);
    let mut pieces: Vec<Vec<PendingQuery>> = Vec::new();
    let (mut bytes, mut last) = (0, None);
    for (number, asked) in shown {
        let own = if last == Some(number) { 0 } else { sizes[number] };
        bytes += own;
        match pieces.last_mut() {
            Some(piece) if own == 0 || bytes <= most => piece.push(asked),
            _ => {
                bytes = own;
                pieces.push(vec![asked]);
            }
        }
        last = Some(number);
    }
    pieces
}

/// Bytes of the decoded images that a perturbation shows for the case with index `case`, including the originals of
/// edited images.
fn decoded_bytes(plan: &Plan<'_>, case: usize, perturbed: &Perturbed) -> u64 {
    if perturbed.frame.without_images {
        return 0;
    }
    let copies = if matches!(perturbed.pictures, ShownImages::Edited(_)) { 2 } else { 1 };
    let images = &plan.pool.cases()[case].images;
    images.iter().map(|image| 3 * copies * u64::from(image.width) * u64::from(image.height)).sum()
}
