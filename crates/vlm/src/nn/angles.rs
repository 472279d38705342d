//! Rotary angles (Su et al. 2021) of the rows of a pass.

use burn::tensor::{Device, Tensor};
use stepwise_ops::{RotaryTables, rotary};

/// Rotary angles of rows, as tables for the rotation of heads.
#[derive(Clone, Debug)]
pub(crate) struct Angles(RotaryTables);

impl Angles {
    /// Makes the tables of `angles`, row by row with `half` angles each, in radians. `half` is half the width of a head.
    pub fn new(angles: &[f32], half: usize, device: &Device) -> Self {
        Self(RotaryTables::new(angles, half, device))
    }

    /// Returns the frequencies `theta^(-2 i / width)` for `i` below `width / 2`.
    pub fn frequencies(theta: f64, width: usize) -> Vec<f32> {
        let theta = theta as f32;
        (0..width / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / width as f32)).collect()
    }

    /// Returns the heads of `x`, `[rows, heads * width]`, turned by the angles.
    pub fn turn(&self, x: Tensor<2>) -> Tensor<2> {
        rotary(x, &self.0)
    }

    /// Returns the angles of the given rows, in this order; a row may occur several times.
    pub fn select(&self, rows: &[usize]) -> Self {
        Self(self.0.select(rows))
    }

    /// Returns the angles of the row `row`.
    pub fn row(&self, row: usize) -> Self {
        Self(self.0.rows(row, 1))
    }
}
