//! `scatter`: a veil of scattered radiation in radiography.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::XRAY;
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `scatter`. It lays a veil of scattered radiation
/// over X-ray images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Scatter>>(
    "scatter",
    Purpose::Attack,
    "X-ray: a veil of scattered radiation, five levels",
);

/// Corruption `scatter`. The image is mixed with a veil, the image blurred by a Gaussian with a standard deviation of a
/// twelfth of the shorter side. At full intensity the veil has a weight of 3/4.
#[derive(Clone, Copy, Debug)]
pub struct Scatter;

impl Corruption for Scatter {
    const NAME: &'static str = "scatter";
    const MODALITIES: &'static [&'static str] = XRAY;
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        let veil = sharp.blurred(sharp.width.min(sharp.height) as f64 / 12.0);
        Box::new(move |intensity| {
            let mixed = |x: usize, y: usize, pixel: [f64; 3]| {
                let veiled = veil.pixels[y * veil.width + x];
                std::array::from_fn(|i| pixel[i] + (veiled[i] - pixel[i]) * 0.75 * intensity)
            };
            sharp.map(mixed).picture()
        })
    }
}
