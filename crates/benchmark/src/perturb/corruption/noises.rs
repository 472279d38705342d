//! `shot_noise`, `speckle_noise`, `salt_pepper`: noise that depends on what it falls on, or replaces it.

use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::gaussian_noise::{each, normals};
use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{Kind, Purpose};

/// Too few quanta.
pub const SHOT: Kind = Kind::of::<Calibrated<ShotNoise>>(
    "shot_noise",
    Purpose::Attack,
    "counting noise of too few quanta, five levels of similarity",
);
/// Noise in proportion.
pub const SPECKLE: Kind = Kind::of::<Calibrated<SpeckleNoise>>(
    "speckle_noise",
    Purpose::Attack,
    "noise in proportion to brightness, five levels of similarity",
);
/// Black and white pixels.
pub const SALT_PEPPER: Kind = Kind::of::<Calibrated<SaltPepper>>(
    "salt_pepper",
    Purpose::Attack,
    "single pixels black or white, five levels of similarity",
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

/// Every channel times one plus a normal number; its deviation is 2 at full intensity.
#[derive(Clone, Copy, Debug)]
pub struct SpeckleNoise;

impl Corruption for SpeckleNoise {
    const NAME: &'static str = "speckle_noise";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let normals = normals(picture.len(), rng);
        Box::new(move |intensity| each(picture, &normals, |value, normal| value * (1.0 + 2.0 * intensity * normal)))
    }
}

/// Each pixel black or white with a probability that is the intensity. A stronger one spoils all that a weaker one does.
#[derive(Clone, Copy, Debug)]
pub struct SaltPepper;

impl Corruption for SaltPepper {
    const NAME: &'static str = "salt_pepper";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let drawn: Vec<(f64, bool)> = picture.pixels().map(|_| (rng.random(), rng.random())).collect();
        Box::new(move |intensity| {
            let mut spoilt = picture.clone();
            for (pixel, (rank, white)) in spoilt.pixels_mut().zip(&drawn) {
                if *rank < intensity {
                    *pixel = Rgb([if *white { 255 } else { 0 }; 3]);
                }
            }
            spoilt
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwise_curriculum::random::stream;

    fn spread<C: Corruption>(value: u8, intensity: f64) -> (f64, f64) {
        let flat = RgbImage::from_pixel(200, 200, Rgb([value; 3]));
        let noisy = C::of(&flat, &Site::default(), &mut stream(3, &["n"]))(intensity);
        let mean = noisy.iter().map(|v| f64::from(*v)).sum::<f64>() / noisy.len() as f64;
        let variance = noisy.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / noisy.len() as f64;
        (mean, variance.sqrt())
    }

    #[test]
    fn noise_grows_as_its_law_says() {
        // 100 quanta for white, so 50 for 127.5: a deviation of the root of 50 quanta of 2.55 levels each.
        let (mean, deviation) = spread::<ShotNoise>(128, 0.1);
        assert!((mean - 128.0).abs() < 0.5 && (deviation - 2.55 * 50.2f64.sqrt()).abs() < 0.3, "{mean} {deviation}");
        let (mean, deviation) = spread::<SpeckleNoise>(100, 0.05);
        assert!((mean - 100.0).abs() < 0.3 && (deviation - 10.0).abs() < 0.2, "{mean} {deviation}");
        assert_eq!(spread::<ShotNoise>(0, 1.0), (0.0, 0.0));
        assert_eq!(spread::<SpeckleNoise>(0, 1.0), (0.0, 0.0));
        let (mean, _) = spread::<SaltPepper>(0, 0.2);
        assert!((mean - 25.5).abs() < 1.5, "{mean}");
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
