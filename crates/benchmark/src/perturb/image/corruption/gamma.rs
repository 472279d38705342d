//! `gamma`: every value to a power, in a drawn direction.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Gamma>>(
    "gamma",
    Purpose::Attack,
    "mid-tones lifted or lowered, five levels of similarity",
);

/// Values as shares of the full scale raised to a power, from 1 to 8 or to an eighth.
#[derive(Clone, Copy, Debug)]
pub struct Gamma;

impl Corruption for Gamma {
    const NAME: &'static str = "gamma";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = if rng.random::<bool>() { 3.0 } else { -3.0 };
        Box::new(move |intensity| {
            let power = libm::exp2(direction * intensity);
            curved(picture, |value| 255.0 * libm::pow(value / 255.0, power))
        })
    }
}
