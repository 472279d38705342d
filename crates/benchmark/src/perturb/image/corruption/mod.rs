//! Corruptions: degradations of images by scanners, transmission and file formats.
//!
//! Each corruption has five levels. A level is a target of structural similarity, not an intensity: for every image,
//! bisection finds the intensity at which the similarity between original and corrupted image reaches the level's band.
//! So levels of different corruptions, and of different images, are comparable.
//!
//! The largest intensity is about twice the strongest one of ImageNet-C (Hendrycks and Dietterich, 2019). An image with
//! so little detail that even the largest intensity stays above the band is shown at the largest intensity, because a
//! corruption must not remove the evidence. For the same reason two bounds hold before the band is reached:
//!
//! - Inside the evidence, enough of the contrast is left, and noise does not cover it ([`visible`]). Similarity alone does
//!   not ensure this: a bright smear keeps much of its structure for the measure until it is white everywhere.
//! - Blurs and blocks are small against the smallest evidence ([`Site::detail`]), because smooth images stay similar to
//!   themselves under any blur. Levels whose band lies beyond this bound show the same image.
//!
//! Items are left out whose right answer a corruption can change: image quality and what follows from it, marks drawn on
//! the image, and under blurs and blocks numbers, sizes and forms.

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
pub mod visible;

use crate::perturb::support::evidence::evidence;
use crate::perturb::support::geometry::Rect;
use crate::perturb::support::outline_answer::is_form;
use crate::perturb::support::quality::depends_on_quality;
use crate::perturb::support::raster::grey_level;
use crate::perturb::{Edit, Perturbation, Perturbed, Scene, ShownImages, Skip};
use crate::rng::SuiteRng;
use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Deserializer};
use ssim::Reference;
use std::fmt::Debug;
use std::marker::PhantomData;
use std::sync::Arc;
use stepwise_data::taxonomy::is_about_marks;
use visible::Evident;

/// Targets of structural similarity (SSIM, 1 for identical images) with the original image, at levels 1 to 5. The
/// values are a choice of this benchmark.
pub const TARGETS: [f64; 5] = [0.95, 0.85, 0.70, 0.55, 0.40];
/// Half-width of a level's band of similarity (SSIM) around its target; the search for the intensity stops within half
/// of it.
pub const TOLERANCE: f64 = 0.01;
/// Largest number of intensities that the bisection tries, before the largest intensity.
const TRIALS: usize = 14;

/// A kind of corruption of images, with an intensity from 0 to 1 that [`Calibrated`] chooses for each image.
pub trait Corruption: Debug + Send + Sync + 'static {
    /// Name of the kind; part of the key of its random draws.
    const NAME: &'static str;
    /// Modalities that the corruption applies to, in lower case without punctuation; empty means all.
    const MODALITIES: &'static [&'static str] = &[];
    /// Temporary memory of the corruption in bytes per pixel of the image: copies of the image in bytes, and numbers or
    /// copies in `f64`.
    const BYTES_PER_PIXEL: u64 = 12;
    /// Whether the extent of the corruption is bound by [`Site::detail`] and so needs no bound of the contrast, which also
    /// falls where a blur removes nothing but noise.
    const BOUND_BY_DETAIL: bool = false;

    /// Makes all random draws from `rng` once and returns a function from intensity to corrupted image. `picture` is
    /// the original; `site` tells where the evidence lies, which local corruptions avoid. Intensity 0 changes nothing
    /// and 1 is the strongest. Similarity with the original must fall, at least roughly, as intensity grows.
    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a>;
}

/// Function from an intensity, 0 to 1, to the corrupted image.
pub type Spoil<'a> = Box<dyn Fn(f64) -> RgbImage + 'a>;

/// Information about an image other than its pixels, which local corruptions need.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Site {
    /// Bounding rectangles, in pixels, of the evidence of all questions of the case on this image. A local corruption
    /// is placed away from it if possible.
    pub evidence: Vec<Rect>,
}

/// Largest size of a detail as a share of the image's shorter side, also the size for a case without evidence; a choice of
/// this benchmark.
pub const LARGEST_DETAIL: f64 = 1.0 / 8.0;

impl Site {
    /// Returns the size in pixels of a detail of `picture` that a blur must leave visible: the shortest side of all
    /// evidence, at most [`LARGEST_DETAIL`] of the image's shorter side.
    #[must_use]
    pub fn detail(&self, picture: &RgbImage) -> f64 {
        let sides = self.evidence.iter().flat_map(|rect| [rect.x1 - rect.x0, rect.y1 - rect.y0]);
        let largest = LARGEST_DETAIL * f64::from(picture.width().min(picture.height()));
        sides.map(|side| side as f64).fold(largest, f64::min)
    }

    /// Returns the rectangles whose contrast a corruption keeps: the evidence, or the whole image without evidence.
    fn kept(&self, picture: &RgbImage) -> Vec<Rect> {
        if self.evidence.is_empty() {
            return vec![Rect::of_size(picture.width(), picture.height())];
        }
        self.evidence.clone()
    }

    /// Returns the mean grey level, 0 to 255, of the rectangles whose contrast is kept.
    fn brightness(&self, picture: &RgbImage) -> f64 {
        let kept = self.kept(picture);
        kept.iter().map(|rect| grey_level(picture, *rect)).sum::<f64>() / kept.len().max(1) as f64
    }

    /// Returns whether a curve of grey levels lifts them: at random in mid-range, else away from the nearer end of the
    /// scale, at which they would all become equal.
    fn lifts(&self, picture: &RgbImage, rng: &mut ChaCha8Rng) -> bool {
        let is_drawn = rng.random::<bool>();
        match self.brightness(picture) {
            ..64.0 => true,
            192.0.. => false,
            _ => is_drawn,
        }
    }
}

/// Perturbation that applies the corruption `C` at a level: for every image, with the intensity at which its similarity
/// to the original reaches the level's target.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct Calibrated<C> {
    /// Level, 1 to 5; level `n` has the target of similarity `TARGETS[n - 1]`.
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
        if depends_on_quality(case, scene.item) {
            return Err(Skip("the corruption changes the image quality, on which the answer depends"));
        }
        if is_about_marks(&scene.item.category) {
            return Err(Skip("the corruption would change the marks that the question is about"));
        }
        if C::BOUND_BY_DETAIL && is_form(scene.item) {
            return Err(Skip("the blur would change the number, size or form that is asked for"));
        }
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

/// Edit that corrupts the images of one case. It is the same for all items of the case, so they share one
/// image encoding.
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
        let site = self.sites.get(index).unwrap_or(&nothing);
        let spoilt = C::of(picture, site, &mut rng);
        let kept = if C::BOUND_BY_DETAIL { Vec::new() } else { site.kept(picture) };
        let evident = Evident::new(picture, kept, site.detail(picture));
        let solved = solve(picture, TARGETS[self.level - 1], &evident, &*spoilt);
        drop(spoilt);
        *picture = solved;
    }

    fn bytes_per_pixel(&self) -> u64 {
        C::BYTES_PER_PIXEL
    }
}

/// Returns the corrupted image whose similarity with the original is nearest to `target` among the intensities tried by
/// bisection that leave the evidence visible; the original when none does. Intensity 1 is tried when all others stay above
/// the target.
fn solve(original: &RgbImage, target: f64, evident: &Evident, spoil: &dyn Fn(f64) -> RgbImage) -> RgbImage {
    let reference = Reference::new(original);
    let (mut weak, mut strong) = (0.0, 1.0);
    let mut nearest: Option<(f64, RgbImage)> = None;
    for trial in 0..=TRIALS {
        // Strong blurs are slow, so intensity 1 is tried last and only when all others were too weak.
        let intensity = match trial {
            TRIALS if strong < 1.0 => break,
            TRIALS => 1.0,
            _ => (weak + strong) / 2.0,
        };
        let spoilt = spoil(intensity);
        if !evident.is_left_in(&spoilt) {
            strong = intensity;
            continue;
        }
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

/// Returns the extent of a blur in pixels: `largest`, in details ([`Site::detail`]), times the squared intensity. Squaring
/// gives finer steps to weak blurs, whose similarity changes fastest.
fn blur_extent(detail: f64, largest: f64, intensity: f64) -> f64 {
    largest * detail * intensity * intensity
}

#[cfg(test)]
mod tests {
    use image::Rgb;
    use stepwise_data::random::stream;

    use super::*;

    /// Bright smear with one darker cell, and the rectangle around the cell.
    fn smear() -> (RgbImage, Rect) {
        let in_cell = |x: u32, y: u32| (60..100).contains(&x) && (40..80).contains(&y);
        let level =
            |x: u32, y: u32| if in_cell(x, y) { 150 + (x % 5) as u8 } else { 238 + ((x * 7 + y * 13) % 11) as u8 };
        (RgbImage::from_fn(160, 120, |x, y| Rgb([level(x, y); 3])), Rect { x0: 50, y0: 30, x1: 110, y1: 90 })
    }

    #[test]
    fn the_evidence_stays_visible_at_every_level() {
        fn holds<C: Corruption>() {
            let (original, cell) = smear();
            for (level, seed) in (1..=TARGETS.len()).flat_map(|level| (1..4).map(move |seed| (level, seed))) {
                let rng = SuiteRng { seed, version: 1 };
                let sites = vec![Site { evidence: vec![cell] }];
                let edit = Spoilt::<C> { level, rng, case_id: "c".into(), sites, corruption: PhantomData };
                let mut picture = original.clone();
                edit.apply(0, &mut picture);
                let evident = Evident::new(&original, vec![cell], 15.0);
                assert!(evident.is_left_in(&picture), "{} {level}", C::NAME);
            }
        }
        holds::<brightness::Brightness>();
        holds::<contrast::Contrast>();
        holds::<gamma::Gamma>();
        holds::<jpeg::Jpeg>();
        holds::<gaussian_noise::GaussianNoise>();
        holds::<shot_noise::ShotNoise>();
        holds::<salt_pepper::SaltPepper>();
        holds::<speckle_noise::SpeckleNoise>();
        holds::<gaussian_blur::GaussianBlur>();
        holds::<defocus_blur::DefocusBlur>();
        holds::<motion_blur::MotionBlur>();
        holds::<pixelate::Pixelate>();
        holds::<resize::Resize>();
        holds::<super::super::artefact::window_shift::WindowShift>();
        holds::<super::super::artefact::exposure::Exposure>();
        holds::<super::super::artefact::scatter::Scatter>();
    }

    #[test]
    fn blurs_and_blocks_are_small_against_the_smallest_evidence() {
        let (picture, cell) = smear();
        let small = Rect { x0: 10, y0: 10, x1: 14, y1: 18 };
        assert_eq!(Site::default().detail(&picture), 15.0);
        assert_eq!(Site { evidence: vec![cell] }.detail(&picture), 15.0);
        assert_eq!(Site { evidence: vec![cell, small] }.detail(&picture), 4.0);
    }

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
