//! `speckle_noise` adds Gaussian noise in proportion to brightness.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::gaussian_noise::{each, normals};
use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `speckle_noise`. It adds noise in proportion to
/// brightness. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<SpeckleNoise>>(
    "speckle_noise",
    Purpose::Attack,
    "noise in proportion to brightness, five levels of similarity",
);

/// Corruption `speckle_noise`: multiplies every channel value by 1 plus a normal number, whose standard deviation grows
/// with the intensity, to 2.
#[derive(Clone, Copy, Debug)]
pub struct SpeckleNoise;

impl Corruption for SpeckleNoise {
    const NAME: &'static str = "speckle_noise";
    const BYTES_PER_PIXEL: u64 = 30;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let normals = normals(picture.len(), rng);
        Box::new(move |intensity| each(picture, &normals, |value, normal| value * (1.0 + 2.0 * intensity * normal)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::image::corruption::gaussian_noise::spread;

    #[test]
    fn noise_grows_with_brightness() {
        let (mean, deviation) = spread::<SpeckleNoise>(100, 0.05);
        assert!((mean - 100.0).abs() < 0.3 && (deviation - 10.0).abs() < 0.2, "{mean} {deviation}");
        assert_eq!(spread::<SpeckleNoise>(0, 1.0), (0.0, 0.0));
    }
}
