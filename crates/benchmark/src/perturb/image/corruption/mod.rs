//! Corruptions: what scanners, networks and file formats do to pictures. Each comes in five levels, and a level is not an
//! intensity but a loss of similarity: for every picture the intensity is solved by bisection so that its structural
//! similarity with the corrupted one reaches the level's band. So levels of different corruptions can be compared, and a
//! bland picture is not spared nor a busy one drowned. But every intensity has an end, about twice the strongest that
//! ImageNet-C (Hendrycks and Dietterich, 2019) uses: where a picture is so bland that not even its end reaches the band,
//! the end is shown, as a corruption must not wipe the evidence away.

pub mod brightness;
pub mod contrast;
pub mod defocus_blur;
pub mod gamma;
pub mod gaussian_blur;
pub mod gaussian_noise;
pub mod jpeg;
pub mod motion_blur;
pub mod pixelate;
pub mod resize;
pub mod salt_pepper;
pub mod shot_noise;
pub mod speckle_noise;
pub mod ssim;

use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;

use image::RgbImage;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer};

use crate::perturb::support::evidence::evidence;
use crate::perturb::support::geometry::Rect;
use crate::perturb::{Edit, Perturbation, Perturbed, Scene, ShownImages, Skip, SuiteRng};
use ssim::Reference;

/// Structural similarity aimed at, at levels 1 to 5.
pub const TARGETS: [f64; 5] = [0.95, 0.85, 0.70, 0.55, 0.40];
/// A level's band: its target, give or take so much.
pub const TOLERANCE: f64 = 0.01;
/// Intensities tried at most.
const TRIALS: usize = 14;

/// A way to spoil a picture.
pub trait Corruption: Debug + Send + Sync + 'static {
    /// Names its draws.
    const NAME: &'static str;
    /// The modalities it occurs in, in lower-case letters; all when empty.
    const MODALITIES: &'static [&'static str] = &[];

    /// Draws all that is random, once, and gives the corrupted picture for every intensity from 0 (nothing) to 1 (the
    /// strongest); it must fall in similarity, by and large, as the intensity grows.
    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a>;
}

/// The corrupted picture at an intensity from 0 to 1.
pub type Spoil<'a> = Box<dyn Fn(f64) -> RgbImage + 'a>;

/// What a corruption knows of a picture beside its pixels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Site {
    /// The evidence of all questions about it. What is spoilt in one place only is placed elsewhere, if that can be.
    pub evidence: Vec<Rect>,
}

/// A corruption at a level.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Calibrated<C> {
    /// 1 to 5, an index into [`TARGETS`].
    #[serde(deserialize_with = "level")]
    pub level: usize,
    #[serde(skip)]
    corruption: PhantomData<C>,
}

fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let level = usize::deserialize(deserializer)?;
    if (1..=TARGETS.len()).contains(&level) {
        Ok(level)
    } else {
        Err(serde::de::Error::custom(format!("level is {level} -> write 1 to {}", TARGETS.len())))
    }
}

impl<C: Corruption> Perturbation for Calibrated<C> {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let modality: String = scene.case.modality.to_lowercase().chars().filter(char::is_ascii_alphanumeric).collect();
        if !C::MODALITIES.is_empty() && !C::MODALITIES.contains(&modality.as_str()) {
            return Err(Skip("it does not occur in pictures of this modality"));
        }
        let case = scene.case;
        let mut sites = vec![Site::default(); case.images.len()];
        for found in case.chain.iter().flat_map(|item| evidence(case, item)) {
            let known = &mut sites[found.image].evidence;
            found.rects.into_iter().for_each(|rect| {
                if !known.contains(&rect) {
                    known.push(rect);
                }
            });
        }
        let spoilt: Spoilt<C> =
            Spoilt { level: self.level, rng: scene.rng, case_id: case.case_id.clone(), sites, corruption: PhantomData };
        Ok(Perturbed { pictures: ShownImages::Edited(Arc::new(spoilt)), ..Perturbed::default() })
    }
}

/// The corruption of one case: the same for all of its items, so they share one encoding.
#[derive(Debug)]
struct Spoilt<C> {
    level: usize,
    rng: SuiteRng,
    case_id: String,
    sites: Vec<Site>,
    corruption: PhantomData<C>,
}

impl<C: Corruption> Edit for Spoilt<C> {
    fn key(&self) -> String {
        let SuiteRng { seed, version } = self.rng;
        format!("{}:{}:{seed}:{version}:{}:{:?}", C::NAME, self.level, self.case_id, self.sites)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let mut rng = self.rng.stream(C::NAME, &[&self.case_id, &index.to_string()]);
        let nothing = Site::default();
        let spoilt = C::of(picture, self.sites.get(index).unwrap_or(&nothing), &mut rng);
        let solved = solve(picture, TARGETS[self.level - 1], &*spoilt);
        drop(spoilt);
        *picture = solved;
    }
}

/// The picture of the intensity, found by bisection, whose similarity with the original comes nearest to `target`; the
/// strongest where even that stays above.
fn solve(original: &RgbImage, target: f64, spoil: &dyn Fn(f64) -> RgbImage) -> RgbImage {
    let reference = Reference::new(original);
    let (mut weak, mut strong) = (0.0, 1.0);
    let mut nearest: Option<(f64, RgbImage)> = None;
    for trial in 0..=TRIALS {
        // Strong blurs take long, so the strongest is tried last, and only when all others were too weak.
        let intensity = match trial {
            TRIALS if strong < 1.0 => break,
            TRIALS => 1.0,
            _ => (weak + strong) / 2.0,
        };
        let spoilt = spoil(intensity);
        let similarity = reference.ssim(&spoilt);
        if similarity > target {
            weak = intensity;
        } else {
            strong = intensity;
        }
        let distance = (similarity - target).abs();
        if nearest.as_ref().is_none_or(|(least, _)| distance <= *least) {
            nearest = Some((distance, spoilt));
        }
        if distance <= TOLERANCE / 2.0 {
            break;
        }
    }
    nearest.map_or_else(|| original.clone(), |(_, spoilt)| spoilt)
}

/// The extent of a blur in pixels, from its largest as a share of the shorter side; intensity is squared, as weak blurs
/// differ most.
fn blur_extent(picture: &RgbImage, largest: f64, intensity: f64) -> f64 {
    largest * f64::from(picture.width().min(picture.height())) * intensity * intensity
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use stepwise_data::random::stream;

    use super::*;

    #[test]
    fn no_blur_blurs_at_no_intensity_nor_ever_a_flat_picture() {
        fn holds<C: Corruption>() {
            let flat = RgbImage::from_pixel(30, 20, Rgb([9, 90, 200]));
            let busy = RgbImage::from_fn(30, 20, |x, y| Rgb([(x * 8) as u8, (y * 12) as u8, ((x * y) % 256) as u8]));
            let of = |picture, intensity| C::of(picture, &Site::default(), &mut stream(1, &["b"]))(intensity);
            for intensity in [0.0, 0.3, 1.0] {
                assert_eq!(of(&flat, intensity), flat, "{}", C::NAME);
            }
            assert_eq!(of(&busy, 0.0), busy, "{}", C::NAME);
            assert_ne!(of(&busy, 1.0), busy, "{}", C::NAME);
        }
        holds::<defocus_blur::DefocusBlur>();
        holds::<gaussian_blur::GaussianBlur>();
        holds::<motion_blur::MotionBlur>();
    }
}
