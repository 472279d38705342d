//! Masks of products, made on the device from the bounds of the visible keys.

use std::ops::Range;
use std::sync::OnceLock;

use burn::tensor::{Bool, Device, Int, Tensor};

use super::rows::ints;

/// Keys of one product that its queries attend to.
#[derive(Debug)]
pub struct Mask {
    /// Numbers of the keys from 0, `[1, 1, 1, keys]`.
    keys: Tensor<4, Int>,
    /// First key that each query attends to, `[parts or 1, 1, queries, 1]`; None where it is 0 for all queries.
    starts: Option<Tensor<4, Int>>,
    /// End of the keys that each query attends to, `[parts or 1, 1, queries, 1]`.
    ends: Tensor<4, Int>,
    /// The mask, made at its first use; None if it is not kept.
    kept: Option<OnceLock<Tensor<4, Bool>>>,
}

impl Mask {
    /// Makes a mask from the keys that each query attends to, `[parts * queries]`, with 0 to `keys` as numbers. `keep`
    /// says whether the mask is kept after its first use.
    ///
    /// # Panics
    /// When `parts` is 0 or there are no queries.
    pub fn new(visible: &[Range<usize>], parts: usize, keys: usize, keep: bool, device: &Device) -> Self {
        let queries = visible.len() / parts;
        let same = visible.chunks(queries).all(|part| part == &visible[..queries]);
        let parts = if same { 1 } else { parts };
        let column = |bound: fn(&Range<usize>) -> usize| {
            ints(visible.iter().take(parts * queries).map(bound), device).reshape([parts, 1, queries, 1])
        };
        Self {
            keys: Tensor::arange(0..keys as i64, device).reshape([1, 1, 1, keys]),
            starts: visible.iter().any(|range| range.start > 0).then(|| column(|range| range.start)),
            ends: column(|range| range.end),
            kept: keep.then(OnceLock::new),
        }
    }

    /// Returns the mask, `[parts or 1, 1, queries, keys]`: true where a key is hidden from a query.
    pub fn hidden(&self) -> Tensor<4, Bool> {
        match &self.kept {
            Some(kept) => kept.get_or_init(|| self.made()).clone(),
            None => self.made(),
        }
    }

    fn made(&self) -> Tensor<4, Bool> {
        let after = self.keys.clone().greater_equal(self.ends.clone());
        match &self.starts {
            Some(starts) => after.bool_or(self.keys.clone().lower(starts.clone())),
            None => after,
        }
    }
}
