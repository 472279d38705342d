//! `blank` replaces every image with flat grey, the mean colour of the modality, or uniform noise. It measures how well
//! questions are answered from the words alone. Items whose answer is also true of an empty image are skipped.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use rand::{Rng, RngCore};
use serde::Deserialize;

use crate::perturb::support::without_image::needs_its_image;
use crate::perturb::{Edit, Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};
use crate::rng::SuiteRng;

/// Entry in the registry of conditions, by which a suite file names `blank`: every image becomes grey, a mean colour,
/// or noise.
pub const KIND: PerturbationKind = PerturbationKind::of::<Blank>(
    "blank",
    Purpose::EvidenceRemoved,
    "every image becomes grey, a mean colour, or noise",
);

/// Largest number of images in the mean colour.
const SAMPLE: usize = 64;

/// Perturbation `blank`: replaces every image by grey, a mean colour, or noise, so that no evidence is left.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Blank {
    /// Content of the replaced images; grey by default.
    pub fill: Fill,
    /// Grey level of [`Fill::Grey`], 0 to 255; 128 by default.
    pub value: u8,
}

/// Content of the image that replaces a stored one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// One grey level everywhere.
    #[default]
    Grey,
    /// The mean colour of the first images of up to 64 cases of the same modality; the same cases for all questions.
    Mean,
    /// Uniform noise: every channel of every pixel is drawn from 0 to 255.
    Noise,
}

impl Default for Blank {
    fn default() -> Self {
        Self { fill: Fill::default(), value: 128 }
    }
}

impl Perturbation for Blank {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        needs_its_image(scene.item)?;
        let pictures = match self.fill {
            Fill::Grey => ShownImages::Edited(Arc::new(Grey(self.value))),
            Fill::Mean => ShownImages::MeanOf(sample(scene)),
            Fill::Noise => ShownImages::Edited(Arc::new(Noise { rng: scene.rng, case_id: scene.case.case_id.clone() })),
        };
        Ok(Perturbed { pictures, ..Perturbed::default() })
    }
}

/// Returns flat grey images of the default level in place of the images of a case, whatever the question.
#[must_use]
pub fn grey() -> ShownImages {
    ShownImages::Edited(Arc::new(Grey(Blank::default().value)))
}

/// Returns the first images of up to [`SAMPLE`] cases of the modality; the same images for every case of the modality.
fn sample(scene: &Scene<'_>) -> Vec<(usize, usize)> {
    let mut cases: Vec<usize> = scene.pool.of_modality(&scene.case.modality).to_vec();
    if cases.len() > SAMPLE {
        let draw = |case: usize| {
            let id = scene.pool.cases()[case].case_id.as_str();
            (scene.rng.stream("blank_mean", &[id]).next_u64(), case)
        };
        let mut ranked: Vec<(u64, usize)> = cases.into_iter().map(draw).collect();
        ranked.sort_unstable_by_key(|(rank, _)| *rank);
        cases = ranked.into_iter().take(SAMPLE).map(|(_, case)| case).collect();
    }
    cases.into_iter().map(|case| (case, 0)).collect()
}

#[derive(Clone, Debug)]
struct Grey(u8);

impl Edit for Grey {
    fn key(&self) -> String {
        format!("blank:{}", self.0)
    }

    fn apply(&self, _: usize, picture: &mut RgbImage) {
        picture.pixels_mut().for_each(|pixel| *pixel = Rgb([self.0; 3]));
    }
}

#[derive(Clone, Debug)]
struct Noise {
    rng: SuiteRng,
    case_id: String,
}

impl Edit for Noise {
    fn key(&self) -> String {
        format!("blank:noise:{}:{}:{}", self.rng.seed, self.rng.version, self.case_id)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let mut rng = self.rng.stream("blank_noise", &[&self.case_id, &index.to_string()]);
        rng.fill(&mut **picture);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_uniform_and_a_case_fixes_it() {
        let noisy = |case: &str| {
            let mut picture = RgbImage::new(200, 200);
            Noise { rng: SuiteRng { seed: 1, version: 1 }, case_id: case.to_owned() }.apply(0, &mut picture);
            picture
        };
        let picture = noisy("a");
        let mean = picture.iter().map(|value| f64::from(*value)).sum::<f64>() / picture.len() as f64;
        // The standard error at 120,000 values is 0.2.
        assert!((mean - 127.5).abs() < 1.0, "{mean}");
        assert!((0..=255u8).all(|value| picture.contains(&value)));
        assert_eq!(picture, noisy("a"));
        assert_ne!(picture, noisy("b"));
    }
}
