//! `brightness`, `contrast`, `gamma`: every pixel's value changed by one curve, in a drawn direction.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::raster::{Raster, byte};
use crate::perturb::{Kind, Purpose};

/// Added.
pub const BRIGHTNESS: Kind =
    Kind::of::<Calibrated<Brightness>>("brightness", Purpose::Attack, "brighter or darker, five levels of similarity");
/// Multiplied about the mean.
pub const CONTRAST: Kind =
    Kind::of::<Calibrated<Contrast>>("contrast", Purpose::Attack, "flatter or harsher, five levels of similarity");
/// To a power.
pub const GAMMA: Kind =
    Kind::of::<Calibrated<Gamma>>("gamma", Purpose::Attack, "mid-tones lifted or lowered, five levels of similarity");

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

/// Distances from the mean of all values shrunk to a tenth, or stretched up to tenfold.
#[derive(Clone, Copy, Debug)]
pub struct Contrast;

impl Corruption for Contrast {
    const NAME: &'static str = "contrast";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let harsher = rng.random::<bool>();
        let values = Raster::of(picture);
        let sum: f64 = values.pixels.iter().flatten().sum();
        let mean = sum / (3 * values.pixels.len()).max(1) as f64;
        Box::new(move |intensity| {
            let factor = if harsher { 1.0 + 9.0 * intensity } else { 1.0 - 0.9 * intensity };
            curved(picture, |value| mean + (value - mean) * factor)
        })
    }
}

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

/// Every value changed by one curve.
pub(crate) fn curved(picture: &RgbImage, curve: impl Fn(f64) -> f64) -> RgbImage {
    let table: Vec<u8> = (0..=255u8).map(|value| byte(curve(f64::from(value)))).collect();
    let mut changed = picture.clone();
    changed.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    changed
}
