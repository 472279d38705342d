//! `shot_noise` replaces every channel value by a Poisson count, as a detector with few quanta does.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::gaussian_noise::{each, normals};
use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `shot_noise`. It adds the counting noise of too few
/// quanta. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<ShotNoise>>(
    "shot_noise",
    Purpose::Attack,
    "counting noise of too few quanta, five levels of similarity",
);

/// Corruption `shot_noise`: replaces every channel value by a Poisson count, as a detector with few quanta does. White
/// has an expected count of `1 / intensity^2` quanta: one quantum at full intensity.
#[derive(Clone, Copy, Debug)]
pub struct ShotNoise;

impl Corruption for ShotNoise {
    const NAME: &'static str = "shot_noise";
    const BYTES_PER_PIXEL: u64 = 30;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let normals = normals(picture.len(), rng);
        Box::new(move |intensity| {
            let white = 1.0 / (intensity * intensity).max(1e-9);
            each(picture, &normals, |value, normal| poisson(value / 255.0 * white, normal) / white * 255.0)
        })
    }
}

/// Returns the Poisson count with this `mean` at the same quantile as the standard normal number `normal`, so that one
/// draw serves all means. For a mean below 20 it sums probabilities, up to a count of 200; otherwise it uses the
/// expansion of Cornish and Fisher (1938) up to skewness.
pub(crate) fn poisson(mean: f64, normal: f64) -> f64 {
    if mean < 20.0 {
        let rank = 0.5 * libm::erfc(-normal * std::f64::consts::FRAC_1_SQRT_2);
        let mut probability = libm::exp(-mean);
        let (mut count, mut below) = (0.0, probability);
        // A count of 200 is reached only when rounding keeps the sum below the rank.
        while below < rank && count < 200.0 {
            count += 1.0;
            probability *= mean / count;
            below += probability;
        }
        return count;
    }
    (mean + mean.sqrt() * normal + (normal * normal - 1.0) / 6.0).round().max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::image::corruption::gaussian_noise::spread;
    use stepwise_data::random::stream;

    #[test]
    fn noise_grows_as_the_root_of_what_is_counted() {
        // White has 100 quanta, so 127.5 has 50. The standard deviation is sqrt(50) quanta of 2.55 levels each.
        let (mean, deviation) = spread::<ShotNoise>(128, 0.1);
        assert!((mean - 128.0).abs() < 0.5 && (deviation - 2.55 * 50.2f64.sqrt()).abs() < 0.3, "{mean} {deviation}");
        assert_eq!(spread::<ShotNoise>(0, 1.0), (0.0, 0.0));
    }

    #[test]
    fn few_quanta_are_counted_as_poisson_numbers_are() {
        let drawn = normals(200_000, &mut stream(1, &["p"]));
        for mean in [0.5f64, 2.0, 19.0, 21.0, 300.0] {
            let counts: Vec<f64> = drawn.iter().map(|normal| poisson(mean, *normal)).collect();
            let average = counts.iter().sum::<f64>() / counts.len() as f64;
            let variance = counts.iter().map(|c| (c - average) * (c - average)).sum::<f64>() / counts.len() as f64;
            // Standard errors at 200,000 counts: 0.3 % of the smallest mean, 0.5 % of its variance.
            assert!((average / mean - 1.0).abs() < 0.015, "{mean}: {average}");
            assert!((variance / mean - 1.0).abs() < 0.02, "{mean}: {variance}");
        }
    }
}
