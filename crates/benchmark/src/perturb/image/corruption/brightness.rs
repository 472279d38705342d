//! `brightness` adds a constant to every value; the sign is random unless the evidence is very dark or very bright.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `brightness`. It makes the image brighter or
/// darker. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Brightness>>(
    "brightness",
    Purpose::Attack,
    "brighter or darker, five levels of similarity",
);

/// Corruption `brightness`: adds a constant to every channel value, positive or negative at random, but positive
/// where the evidence is very dark and negative where it is very bright. The constant grows with the intensity, to three
/// quarters of the full scale.
#[derive(Clone, Copy, Debug)]
pub struct Brightness;

impl Corruption for Brightness {
    const NAME: &'static str = "brightness";

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = 0.75 * if site.lifts(picture, rng) { 255.0 } else { -255.0 };
        Box::new(move |intensity| curved(picture, |value| value + direction * intensity))
    }
}
