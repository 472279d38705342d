//! `gaussian_blur`: detail spread normally.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil, blur_extent};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<GaussianBlur>>(
    "gaussian_blur",
    Purpose::Attack,
    "blurred by a normal distribution, five levels of similarity",
);

/// The standard deviation grows to a 24th of the shorter side.
#[derive(Clone, Copy, Debug)]
pub struct GaussianBlur;

impl Corruption for GaussianBlur {
    const NAME: &'static str = "gaussian_blur";

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        Box::new(move |intensity| sharp.blurred(blur_extent(picture, 1.0 / 24.0, intensity)).picture())
    }
}
