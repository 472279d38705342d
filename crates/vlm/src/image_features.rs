//! Image features as a vector of fixed length, for linear readers.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use stepwise_ops::values_of;

use crate::batch::TileSet;
use crate::model::leading;
use crate::nn::parameter::Pass;
use crate::pipeline::VlmPipeline;
use crate::processor::Prepared;

/// Side of the grid to which the features of the whole image are averaged.
const GRID: usize = 4;

impl VlmPipeline {
    /// Returns the features of an image as the language model receives them, in a vector whose length does not depend on
    /// the image: the features of the whole-image tile, averaged in a grid of 4 x 4 cells, cell by cell and row
    /// by row (a tile with fewer features repeats them); then the mean over the features of all other tiles, 0 without
    /// other tiles. Each part has the width of the language model. Features that are added between its layers
    /// ([`EncoderShape::deepstack`](crate::model::EncoderShape::deepstack)) are left out.
    #[must_use]
    pub fn image_features(&self, image: &Arc<Prepared>, pass: &Pass) -> Vec<f32> {
        let sides = self.processor.feature_grid(image.grid);
        let width = self.model.config().text.hidden_size;
        // Features of each of some tiles, row by row.
        let features_of = |tiles: &[usize]| -> Vec<Vec<f32>> {
            let (mut set, count) = (TileSet::default(), sides[0] * sides[1]);
            let rows = self.processor.tile_features(image.grid);
            let firsts: Vec<usize> = tiles.iter().map(|tile| set.first_feature(image, *tile, rows)).collect();
            let Some(features) = self.features(&set, pass) else { return Vec::new() };
            let values = values_of(leading(features, width));
            firsts.iter().map(|first| values[first * width..(first + count) * width].to_vec()).collect()
        };
        let others: Vec<usize> = (0..image.grid.tiles() - 1).collect();
        let mut vector = match features_of(&[others.len()]).first() {
            Some(whole) => averaged(whole, sides, width),
            None => return Vec::new(),
        };
        let start = vector.len();
        vector.resize(start + width, 0.0);
        // On the CPU a tile is encoded alone, because rounding depends on the sizes of matrix products.
        let together = if *self.model.device() == Device::flex() { 1 } else { others.len().max(1) };
        for tile in others.chunks(together).flat_map(features_of) {
            let rows = tile.len() / width * others.len();
            for row in tile.chunks_exact(width) {
                vector[start..].iter_mut().zip(row).for_each(|(sum, value)| *sum += value / rows as f32);
            }
        }
        vector
    }
}

/// Averages the features of a tile, `[rows * columns, width]`, in the cells of a grid: `[GRID * GRID, width]`.
fn averaged(features: &[f32], [rows, columns]: [usize; 2], width: usize) -> Vec<f32> {
    let cell = |cell: usize| {
        let (across, along) = (stretch(cell / GRID, rows), stretch(cell % GRID, columns));
        let count = (across.len() * along.len()) as f32;
        let places = across.flat_map(|row| along.clone().map(move |column| row * columns + column));
        let mut mean = vec![0.0; width];
        for place in places {
            mean.iter_mut().zip(&features[place * width..]).for_each(|(sum, value)| *sum += value);
        }
        mean.iter_mut().for_each(|sum| *sum /= count);
        mean
    };
    (0..GRID * GRID).flat_map(cell).collect()
}

/// Returns which of `count` rows or columns belong to cell `index` of [`GRID`]; at least one.
fn stretch(index: usize, count: usize) -> Range<usize> {
    let (start, end) = ((index * count).div_ceil(GRID), ((index + 1) * count).div_ceil(GRID));
    if start < end { start..end } else { index * count / GRID..index * count / GRID + 1 }
}

#[cfg(test)]
mod tests {
    use super::averaged;

    #[test]
    fn features_are_averaged_cell_by_cell() {
        let features: Vec<f32> = (0..64).map(|place| place as f32).collect();
        let cells = averaged(&features, [8, 8], 1);
        assert_eq!(cells.len(), 16);
        assert_eq!(cells[0], (0.0 + 1.0 + 8.0 + 9.0) / 4.0);
        assert_eq!(cells[15], (54.0 + 55.0 + 62.0 + 63.0) / 4.0);
        // Two rows of three features: rows and the last two columns stand twice.
        let few = averaged(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3], 1);
        assert_eq!(few, [1.0, 2.0, 3.0, 3.0, 1.0, 2.0, 3.0, 3.0, 4.0, 5.0, 6.0, 6.0, 4.0, 5.0, 6.0, 6.0]);
        assert_eq!(averaged(&[1.0, 2.0], [1, 1], 2), [1.0, 2.0].repeat(16));
    }
}
