//! `gaussian_noise` adds independent Gaussian noise to every channel in floating point, then rounds and clips.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::byte;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `gaussian_noise`. It adds Gaussian noise to every
/// pixel. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<GaussianNoise>>(
    "gaussian_noise",
    Purpose::Attack,
    "Gaussian noise on every pixel, five levels of similarity",
);

/// Corruption `gaussian_noise`: adds a normal number to every channel value. Its standard deviation grows with the
/// intensity, to the full scale of 255 grey levels.
#[derive(Clone, Copy, Debug)]
pub struct GaussianNoise;

impl Corruption for GaussianNoise {
    const NAME: &'static str = "gaussian_noise";
    const BYTES_PER_PIXEL: u64 = 30;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let normals = normals(picture.len(), rng);
        Box::new(move |intensity| each(picture, &normals, |value, normal| value + 255.0 * intensity * normal))
    }
}

/// Returns the image with every channel value replaced by `change(value, noise)`, rounded and clipped. `noise` has one
/// number per channel value; values after its end stay as they are.
pub(super) fn each(picture: &RgbImage, noise: &[f64], change: impl Fn(f64, f64) -> f64) -> RgbImage {
    let mut changed = picture.clone();
    changed.iter_mut().zip(noise).for_each(|(value, noise)| *value = byte(change(f64::from(*value), *noise)));
    changed
}

/// Draws `count` independent standard normal numbers (Box and Muller, 1958).
pub(crate) fn normals(count: usize, rng: &mut impl Rng) -> Vec<f64> {
    let mut normals = Vec::with_capacity(count + 1);
    while normals.len() < count {
        let radius = (-2.0 * libm::log(1.0 - rng.random::<f64>())).sqrt();
        let angle = std::f64::consts::TAU * rng.random::<f64>();
        normals.extend([radius * libm::cos(angle), radius * libm::sin(angle)]);
    }
    normals.truncate(count);
    normals
}

/// Returns mean and standard deviation of a flat image of grey level `value` after a corruption.
#[cfg(test)]
pub(super) fn spread<C: Corruption>(value: u8, intensity: f64) -> (f64, f64) {
    let flat = RgbImage::from_pixel(200, 200, image::Rgb([value; 3]));
    let mut rng = stepwise_data::random::stream(3, &["n"]);
    let noisy = C::of(&flat, &Site::default(), &mut rng)(intensity);
    let mean = noisy.iter().map(|v| f64::from(*v)).sum::<f64>() / noisy.len() as f64;
    let variance = noisy.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / noisy.len() as f64;
    (mean, variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mean_and_deviation_are_those_stated() {
        let (mean, deviation) = spread::<GaussianNoise>(128, 0.08);
        // Standard errors at 120,000 values: 0.06 and 0.04.
        assert!((mean - 128.0).abs() < 0.3, "{mean}");
        assert!((deviation - 0.08 * 255.0).abs() < 0.25, "{deviation}");
    }
}
