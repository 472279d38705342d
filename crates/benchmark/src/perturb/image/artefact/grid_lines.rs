//! `grid_lines`: lines of the anti-scatter grid in radiography.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::XRAY;
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `grid_lines`. It puts lines of the anti-scatter
/// grid on X-ray images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<GridLines>>(
    "grid_lines",
    Purpose::Attack,
    "X-ray: lines of the anti-scatter grid, five levels",
);

/// Corruption `grid_lines`. Values are multiplied by a sine wave around 1 along a random axis, with a random period of
/// 3 to 8 pixels. The amplitude grows to 1.
#[derive(Clone, Copy, Debug)]
pub struct GridLines;

impl Corruption for GridLines {
    const NAME: &'static str = "grid_lines";
    const MODALITIES: &'static [&'static str] = XRAY;
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let upright = rng.random::<bool>();
        let period = 3.0 + 5.0 * rng.random::<f64>();
        let phase = rng.random::<f64>();
        let values = Raster::of(picture);
        Box::new(move |intensity| {
            let swing = |x: usize, y: usize| {
                let along = if upright { x } else { y } as f64;
                1.0 + intensity * libm::sin(std::f64::consts::TAU * (along / period + phase))
            };
            values.map(|x, y, pixel| pixel.map(|value| value * swing(x, y))).picture()
        })
    }
}
