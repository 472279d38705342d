//! `exposure`: too few quanta for dense parts, in radiography.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::XRAY;
use crate::perturb::image::corruption::gaussian_noise::normals;
use crate::perturb::image::corruption::shot_noise::poisson;
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::byte;
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Exposure>>(
    "exposure",
    Purpose::Attack,
    "X-ray: underexposed, so that dense parts drown in counting noise, five levels",
);

/// Grey is taken as absorption, in tens of powers over 1.5: white lets 3 % through. Quanta at an unobstructed pixel fall
/// from a million to ten, and what is counted is shown on the old scale.
#[derive(Clone, Copy, Debug)]
pub struct Exposure;

impl Corruption for Exposure {
    const NAME: &'static str = "exposure";
    const MODALITIES: &'static [&'static str] = XRAY;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        // One count a pixel: a radiograph has no colours.
        let drawn = normals((picture.len() / 3).max(1), rng);
        Box::new(move |intensity| {
            let quanta = libm::exp10(6.0 - 5.0 * intensity);
            let seen = |value: f64, normal: f64| {
                let counted = poisson(quanta * libm::exp10(-1.5 * value / 255.0), normal).max(0.5);
                -libm::log10(counted / quanta) / 1.5 * 255.0
            };
            let mut spoilt = picture.clone();
            for (pixel, normal) in spoilt.pixels_mut().zip(&drawn) {
                pixel.0 = pixel.0.map(|value| byte(seen(f64::from(value), *normal)));
            }
            spoilt
        })
    }
}
