//! `gamma` raises every value to a power. Whether mid-tones become darker or brighter is random unless the evidence is
//! very dark or very bright.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `gamma`. It lifts or lowers the mid-tones. Levels 1
/// to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Gamma>>(
    "gamma",
    Purpose::Attack,
    "mid-tones lifted or lowered, five levels of similarity",
);

/// Corruption `gamma`: raises channel values, as shares of the full scale, to a power. It goes with the intensity from
/// 1 to 8 or to 1/8, at random, but to 1/8 where the evidence is very dark and to 8 where it is very bright.
#[derive(Clone, Copy, Debug)]
pub struct Gamma;

impl Corruption for Gamma {
    const NAME: &'static str = "gamma";

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = if site.lifts(picture, rng) { -3.0 } else { 3.0 };
        Box::new(move |intensity| {
            let power = libm::exp2(direction * intensity);
            curved(picture, |value| 255.0 * libm::pow(value / 255.0, power))
        })
    }
}
