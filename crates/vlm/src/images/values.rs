//! Pixel values: bytes, values in 0..1, and normalised values.

use burn::tensor::{Float, Tensor};
use serde::Serialize;
use serde_json::Value;
use stepwise_ops::tensor_of;

use super::settings::{self, SettingError};

/// Mean of each colour channel that CLIP's preprocessing subtracts (Radford et al. 2021).
pub(crate) const CLIP_MEAN: [f64; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
/// Standard deviation of each colour channel by which CLIP's preprocessing divides.
pub(crate) const CLIP_STD: [f64; 3] = [0.268_629_54, 0.261_302_58, 0.275_777_11];

/// How bytes become the inputs of the image encoder. Field names are the names of `preprocessor_config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PixelValues {
    /// Factor that maps a byte to 0..1: 1/255.
    pub rescale_factor: f64,
    /// Mean of each channel (R, G, B) in 0..1, subtracted in normalisation.
    pub image_mean: [f64; 3],
    /// Standard deviation of each channel (R, G, B) in 0..1, above 0, by which normalisation divides.
    pub image_std: [f64; 3],
}

impl PixelValues {
    /// Reads the values from the image preprocessing settings. Absent means and deviations are `mean` and `std`.
    ///
    /// # Errors
    /// When rescaling or normalisation is switched off, or a value is malformed or not supported.
    pub(crate) fn from_json(value: &Value, mean: [f64; 3], std: [f64; 3]) -> Result<Self, SettingError> {
        settings::only_true(value, &["do_rescale", "do_normalize"])?;
        let above_zero = |std: f64| std.is_finite() && std > 0.0;
        Ok(Self {
            rescale_factor: settings::rescale_factor(value)?,
            image_mean: settings::channels(value, "image_mean", mean, f64::is_finite, "three numbers")?,
            image_std: settings::channels(value, "image_std", std, above_zero, "three numbers above 0")?,
        })
    }

    /// Converts bytes to values in 0..1, before normalisation. Attacks change pixels in this range.
    #[must_use]
    pub fn unit(&self, bytes: &[u8]) -> Vec<f32> {
        let table: Vec<f32> = (0..=255_u8).map(|byte| (f64::from(byte) * self.rescale_factor) as f32).collect();
        bytes.iter().map(|byte| table[usize::from(*byte)]).collect()
    }

    /// Normalises values in 0..1, `[tiles, 3, height, width]`: subtracts the mean of each channel, and divides by its
    /// standard deviation. The result has a gradient with respect to `unit`.
    #[must_use]
    pub fn normalise(&self, unit: Tensor<4>) -> Tensor<4> {
        let device = unit.device().without_autodiff();
        let row = |values: [f64; 3]| {
            let values = values.map(|value| value as f32).to_vec();
            tensor_of::<4, Float>(values, [1, 3, 1, 1], &device)
        };
        (unit - row(self.image_mean)) / row(self.image_std)
    }
}
