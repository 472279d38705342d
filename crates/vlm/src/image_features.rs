//! Image features as a vector of fixed length, for linear readers.

use std::sync::Arc;

use burn::tensor::Tensor;
use stepwise_ops::values_of;

use crate::batch::TileSet;
use crate::nn::parameter::Pass;
use crate::pipeline::VlmPipeline;
use crate::processor::Prepared;

/// Largest side of the grid to which the features of the whole image are averaged.
const GRID: usize = 4;

impl VlmPipeline {
    /// Returns the features of an image as the language model receives them, in a vector whose length does not depend on
    /// the image: the features of the whole-image tile, averaged in a grid of 4 x 4 cells (fewer where a tile has fewer
    /// features in a row), cell by cell and row by row; then the mean over the features of all other tiles, 0 without
    /// other tiles. Each part has the width of the language model.
    #[must_use]
    pub fn image_features(&self, image: &Arc<Prepared>, pass: &Pass) -> Vec<f32> {
        let mut set = TileSet::default();
        let mut features_of = |tile: usize| -> Option<Tensor<2>> {
            set = TileSet::default();
            set.number(image, tile);
            self.features(&set, pass)
        };
        let others = image.grid.tiles() - 1;
        let Some(whole) = features_of(others) else { return Vec::new() };
        let width = whole.dims()[1];
        let mut vector = averaged(&values_of(whole), width);
        let start = vector.len();
        vector.resize(start + width, 0.0);
        for tile in (0..others).filter_map(features_of) {
            let rows = tile.dims()[0] * others;
            for row in values_of(tile).chunks_exact(width) {
                vector[start..].iter_mut().zip(row).for_each(|(sum, value)| *sum += value / rows as f32);
            }
        }
        vector
    }
}

/// Averages the features of a tile, `[side * side, width]`, in the cells of a grid: `[cells * cells, width]`.
fn averaged(features: &[f32], width: usize) -> Vec<f32> {
    let side = (features.len() / width).isqrt();
    let cells = side.min(GRID);
    let cell_of = |place: usize| place * cells / side;
    let mut sums = vec![0.0; cells * cells * width];
    let mut counts = vec![0.0f32; cells * cells];
    for (place, feature) in features.chunks_exact(width).take(side * side).enumerate() {
        let cell = cell_of(place / side) * cells + cell_of(place % side);
        counts[cell] += 1.0;
        sums[cell * width..][..width].iter_mut().zip(feature).for_each(|(sum, value)| *sum += value);
    }
    for (sums, count) in sums.chunks_exact_mut(width).zip(counts) {
        sums.iter_mut().for_each(|sum| *sum /= count);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::averaged;

    #[test]
    fn features_are_averaged_cell_by_cell() {
        let features: Vec<f32> = (0..64).map(|place| place as f32).collect();
        let cells = averaged(&features, 1);
        assert_eq!(cells.len(), 16);
        assert_eq!(cells[0], (0.0 + 1.0 + 8.0 + 9.0) / 4.0);
        assert_eq!(cells[15], (54.0 + 55.0 + 62.0 + 63.0) / 4.0);
        assert_eq!(averaged(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 2), [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
        assert_eq!(averaged(&(0..9).map(|place| place as f32).collect::<Vec<_>>(), 1).len(), 9);
    }
}
