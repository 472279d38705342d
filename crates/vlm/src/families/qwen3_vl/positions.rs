//! Learned positions of patches: a square table that covers an image of any size.

use burn::tensor::{Float, Int, Tensor};
use stepwise_ops::{row_of, tensor_of};

use crate::encoder::TileSizes;
use crate::nn::layers::Table;
use crate::nn::parameter::{ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError};

/// Table of positions, sampled bilinearly with aligned corners: the corner patches of an image have the positions in the
/// corners of the table.
#[derive(Clone, Debug)]
pub(super) struct Positions {
    table: Table,
    side: usize,
}

/// Table entry of a place between entries along one axis, and its weight.
type Share = (usize, f32);

impl Positions {
    /// Reads the table of `side` x `side` positions, `[side * side, width]`, from `source`.
    ///
    /// # Errors
    /// When the tensor is missing, cannot be read or has another shape.
    pub fn read(source: &mut dyn Source, side: usize, width: usize) -> Result<Self, WeightError> {
        let table = Table::read(source, "model.visual.pos_embed".to_owned(), [side * side, width])?;
        Ok(Self { table, side })
    }

    /// Returns the positions of the patches of all tiles, `[patches, width]`, each tile row by row. `patch` is the side
    /// of a patch in pixels.
    pub fn forward(&self, sizes: &[TileSizes], patch: usize, pass: &Pass) -> Tensor<2> {
        let table = self.table.weight.read(pass);
        let corner = |corner: usize| {
            let (mut entries, mut weights) = (Vec::new(), Vec::new());
            for [tiles, height, width] in sizes {
                let [rows, columns] = [height, width].map(|length| shares(length / patch, self.side));
                for _ in 0..*tiles {
                    for row in &rows {
                        let (top, of_row) = row[corner / 2];
                        for column in &columns {
                            let (left, of_column) = column[corner % 2];
                            entries.push((top * self.side + left) as i64);
                            weights.push(of_row * of_column);
                        }
                    }
                }
            }
            let (count, device) = (entries.len(), table.device());
            let entries = row_of::<Int>(entries, &device);
            let weights = tensor_of::<2, Float>(weights, [count, 1], &device);
            table.clone().select(0, entries) * weights
        };
        corner(0) + corner(1) + corner(2) + corner(3)
    }

    /// Calls `visitor` for the table.
    pub fn visit(&mut self, visitor: &mut impl ParameterVisitor) {
        self.table.visit(visitor);
    }
}

/// Returns the two entries, of `side`, between which each of `count` evenly spread places lies. The first place is at the
/// first entry and the last place at the last one; a single place is at the first entry.
fn shares(count: usize, side: usize) -> Vec<[Share; 2]> {
    let last = side - 1;
    let share = |index: usize| {
        let place = (index * last) as f64 / (count - 1).max(1) as f64;
        let before = (place as usize).min(last);
        let weight = (place - before as f64) as f32;
        [(before, 1.0 - weight), ((before + 1).min(last), weight)]
    };
    (0..count).map(share).collect()
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn corners_are_aligned() {
        assert_eq!(shares(3, 5), [[(0, 1.0), (1, 0.0)], [(2, 1.0), (3, 0.0)], [(4, 1.0), (4, 0.0)]]);
        assert_eq!(shares(3, 2), [[(0, 1.0), (1, 0.0)], [(0, 0.5), (1, 0.5)], [(1, 1.0), (1, 0.0)]]);
        assert_eq!(shares(1, 4), [[(0, 1.0), (1, 0.0)]]);
        assert_eq!(shares(2, 1), [[(0, 1.0), (0, 0.0)]; 2]);
    }
}
