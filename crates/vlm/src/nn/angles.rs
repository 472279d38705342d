//! Rotary angles (Su et al. 2021) as tables of cosines and sines.

use burn::tensor::{Device, Tensor, TensorData};

/// Cosines and sines of rotary angles, `[rows, half]` each, where `half` is half the width of a head.
#[derive(Clone, Debug)]
pub(crate) struct Angles {
    cos: Tensor<2>,
    sin: Tensor<2>,
}

impl Angles {
    /// Makes the tables of `angles`, row by row with `half` angles each, in radians.
    pub fn new(angles: &[f32], half: usize, device: &Device) -> Self {
        let table = |of: fn(f32) -> f32| {
            let values: Vec<f32> = angles.iter().map(|angle| of(*angle)).collect();
            Tensor::<2>::from_data(TensorData::new(values, [angles.len() / half, half]), device)
        };
        Self { cos: table(f32::cos), sin: table(f32::sin) }
    }

    /// Returns the frequencies `theta^(-2 i / width)` for `i` below `width / 2`.
    pub fn frequencies(theta: f64, width: usize) -> Vec<f32> {
        let theta = theta as f32;
        (0..width / 2).map(|i| 1.0 / theta.powf((2 * i) as f32 / width as f32)).collect()
    }

    /// Returns the heads of `x`, `[rows, heads * width]`, turned by the angles.
    pub fn turn(&self, x: Tensor<2>) -> Tensor<2> {
        stepwise_ops::rotary(x, &self.cos, &self.sin)
    }
}
