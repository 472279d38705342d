//! `brightness`: a constant added to every value, in a drawn direction.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Brightness>>(
    "brightness",
    Purpose::Attack,
    "brighter or darker, five levels of similarity",
);

/// Up to three quarters of the full scale added or taken away.
#[derive(Clone, Copy, Debug)]
pub struct Brightness;

impl Corruption for Brightness {
    const NAME: &'static str = "brightness";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = 0.75 * if rng.random::<bool>() { 255.0 } else { -255.0 };
        Box::new(move |intensity| curved(picture, |value| value + direction * intensity))
    }
}
