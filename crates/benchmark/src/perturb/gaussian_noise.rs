//! `gaussian_noise`: independent normal noise on every channel, clipped. A corruption no reader is trained against.

use std::sync::Arc;

use image::RgbImage;
use rand::Rng;
use serde::{Deserialize, Deserializer};

use super::{Draws, Edit, Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};

/// The registry entry.
pub const KIND: Kind =
    Kind::of::<GaussianNoise>("gaussian_noise", Purpose::Attack, "normal noise on every pixel, five levels");

/// Standard deviation at levels 1 to 5 as a share of the full scale; the levels of ImageNet-C (Hendrycks and
/// Dietterich, 2019).
pub const SIGMA: [f64; 5] = [0.08, 0.12, 0.18, 0.26, 0.38];

/// Additive noise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GaussianNoise {
    /// 1 to 5, an index into [`SIGMA`].
    #[serde(deserialize_with = "level")]
    pub level: usize,
}

/// The noise of one case: the same for all of its items, so they share one encoding.
#[derive(Clone, Debug)]
struct Noise {
    level: usize,
    draws: Draws,
    case_id: String,
}

impl Perturbation for GaussianNoise {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let noise = Noise { level: self.level, draws: scene.draws, case_id: scene.case.case_id.clone() };
        Ok(Perturbed { pictures: Pictures::Edited(Arc::new(noise)), ..Perturbed::default() })
    }
}

impl Edit for Noise {
    fn key(&self) -> String {
        format!("gaussian_noise:{}:{}:{}:{}", self.level, self.draws.seed, self.draws.version, self.case_id)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let sigma = SIGMA[self.level - 1] * 255.0;
        let mut rng = self.draws.stream("gaussian_noise", &[&self.case_id, &index.to_string()]);
        for pair in picture.chunks_mut(2) {
            for (value, normal) in pair.iter_mut().zip(normals(&mut rng)) {
                // Added in floating point and rounded once: adding a noise already cast to bytes would wrap.
                *value = (f64::from(*value) + sigma * normal).round().clamp(0.0, 255.0) as u8;
            }
        }
    }
}

/// Two independent standard normal numbers (Box and Muller, 1958).
fn normals(rng: &mut impl Rng) -> [f64; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * rng.random::<f64>();
    [radius * angle.cos(), radius * angle.sin()]
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let level = usize::deserialize(deserializer)?;
    if (1..=SIGMA.len()).contains(&level) {
        Ok(level)
    } else {
        Err(serde::de::Error::custom(format!("level is {level} -> write 1 to {}", SIGMA.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn mean_and_deviation_are_those_stated_and_a_key_fixes_the_pixels() {
        let noise = |case: &str| Noise { level: 1, draws: Draws { seed: 3, version: 1 }, case_id: case.to_owned() };
        let noisy = |case: &str, index| {
            let mut picture = RgbImage::from_pixel(200, 200, Rgb([128; 3]));
            noise(case).apply(index, &mut picture);
            picture
        };
        let picture = noisy("a", 0);
        let count = picture.len() as f64;
        let mean = picture.iter().map(|v| f64::from(*v)).sum::<f64>() / count;
        let deviation = (picture.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>() / count).sqrt();
        // Standard errors at 120,000 values: 0.06 and 0.04.
        assert!((mean - 128.0).abs() < 0.3, "{mean}");
        assert!((deviation - 0.08 * 255.0).abs() < 0.25, "{deviation}");
        assert_eq!(picture, noisy("a", 0));
        assert_ne!(picture, noisy("b", 0));
        assert_ne!(picture, noisy("a", 1));
    }
}
