//! `shot_noise`: a count of too few quanta for every channel.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::gaussian_noise::{each, normals};
use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<ShotNoise>>(
    "shot_noise",
    Purpose::Attack,
    "counting noise of too few quanta, five levels of similarity",
);

/// A Poisson count for every channel; white is one quantum at full intensity and `1 / intensity^2` below it.
#[derive(Clone, Copy, Debug)]
pub struct ShotNoise;

impl Corruption for ShotNoise {
    const NAME: &'static str = "shot_noise";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let normals = normals(picture.len(), rng);
        Box::new(move |intensity| {
            let white = 1.0 / (intensity * intensity).max(1e-9);
            each(picture, &normals, |value, normal| poisson(value / 255.0 * white, normal) / white * 255.0)
        })
    }
}

/// The Poisson count of this mean that stands where a normal number stands among normal numbers: by summing probabilities
/// where the mean is small, else by the expansion of Cornish and Fisher (1938) to its skewness.
pub(crate) fn poisson(mean: f64, normal: f64) -> f64 {
    if mean < 20.0 {
        let rank = 0.5 * libm::erfc(-normal * std::f64::consts::FRAC_1_SQRT_2);
        let mut probability = libm::exp(-mean);
        let (mut count, mut below) = (0.0, probability);
        // No mean below 20 gives 200 but where rounding keeps the sum below the rank.
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
        // 100 quanta for white, so 50 for 127.5: a deviation of the root of 50 quanta of 2.55 levels each.
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
