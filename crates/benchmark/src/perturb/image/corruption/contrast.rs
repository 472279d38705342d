//! `contrast` shrinks or stretches the distances of values from their mean; the direction is random.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::{Raster, curved};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `contrast`. It makes the image flatter or harsher.
/// Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Contrast>>(
    "contrast",
    Purpose::Attack,
    "flatter or harsher, five levels of similarity",
);

/// Corruption `contrast`: multiplies the distance of every channel value from the mean of all. At full intensity the
/// factor is a tenth or ten, at random.
#[derive(Clone, Copy, Debug)]
pub struct Contrast;

impl Corruption for Contrast {
    const NAME: &'static str = "contrast";
    const BYTES_PER_PIXEL: u64 = 84;

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
