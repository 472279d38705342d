//! Synthetic cases.

use stepwise_data::case::Case;
use stepwise_data::synth::{SynthOptions, record};

/// Returns the records of the first `count` synthetic cases of the default options. No images are painted and no files
/// are written.
#[must_use]
pub fn synthetic(count: u64) -> Vec<Case> {
    synthetic_with(count, &SynthOptions::default())
}

/// Returns the records of the first `count` synthetic cases of `options`. No images are painted and no files
/// are written.
#[must_use]
pub fn synthetic_with(count: u64, options: &SynthOptions) -> Vec<Case> {
    (0..count).map(|index| record(index, options)).collect()
}
