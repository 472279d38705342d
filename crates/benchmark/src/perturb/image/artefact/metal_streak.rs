//! `metal_streak`: streaks around a piece of metal in computed tomography.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{free, place};
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `metal_streak`. It adds bright and dark streaks
/// from a piece of metal to CT images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original
/// image, [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<MetalStreak>>(
    "metal_streak",
    Purpose::Attack,
    "CT: bright and dark streaks from a piece of metal, five levels",
);

/// Corruption `metal_streak`. A white disc, with a radius of a 40th of the shorter side, lies where no evidence is.
/// Twelve streaks in random directions cross it, alternately bright and dark, and fade with distance. Their height
/// grows to twice the full scale, times a random factor of 0.5 to 1.5.
#[derive(Clone, Copy, Debug)]
pub struct MetalStreak;

impl Corruption for MetalStreak {
    const NAME: &'static str = "metal_streak";
    const MODALITIES: &'static [&'static str] = &["ct"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let side = values.width.min(values.height) as f64;
        let [cx, cy] = place(site, values.width, values.height, 0.25, rng);
        let streaks: Vec<([f64; 2], f64)> = (0..12)
            .map(|number| {
                let angle = std::f64::consts::PI * rng.random::<f64>();
                let height = (0.5 + rng.random::<f64>()) * if number % 2 == 0 { 1.0 } else { -1.0 };
                ([libm::cos(angle), libm::sin(angle)], height)
            })
            .collect();
        let (disc, thin) = (side / 40.0, 0.012 * side);
        let site = site.clone();
        // The sum of all streaks and the disc at each pixel, computed once; intensity only scales them.
        let sum = values.map(|x, y, _| {
            let [dx, dy] = [x as f64 + 0.5 - cx, y as f64 + 0.5 - cy];
            let far = (dx * dx + dy * dy).sqrt();
            let streak = |([ux, uy], height): &([f64; 2], f64)| {
                let beside = (dx * uy - dy * ux) / (thin * (1.0 + 2.0 * far / side));
                height * libm::exp(-0.5 * beside * beside) / (1.0 + far / (0.3 * side))
            };
            let metal = far <= disc && free(&site, [x as f64 + 0.5, y as f64 + 0.5]);
            [streaks.iter().map(streak).sum(), f64::from(u8::from(metal)), 0.0]
        });
        Box::new(move |intensity| {
            let spoil = |x: usize, y: usize, pixel: [f64; 3]| {
                let [streak, metal, _] = sum.pixels[y * sum.width + x];
                let white = metal * (4.0 * intensity).min(1.0);
                pixel.map(|value| (value + 2.0 * 255.0 * intensity * streak) * (1.0 - white) + 255.0 * white)
            };
            values.map(spoil).picture()
        })
    }
}
