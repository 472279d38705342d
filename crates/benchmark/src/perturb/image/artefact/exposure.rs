//! `exposure`: underexposed radiographs with too few quanta behind dense parts.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::XRAY;
use crate::perturb::image::corruption::gaussian_noise::normals;
use crate::perturb::image::corruption::shot_noise::poisson;
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::byte;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `exposure`. It underexposes X-ray images, with
/// counting noise in dense parts. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Exposure>>(
    "exposure",
    Purpose::Attack,
    "X-ray: underexposed, with counting noise in dense parts, five levels",
);

/// Corruption `exposure`. A grey level is read as absorbance: `10^(-1.5 * value / 255)` of the quanta pass, so white
/// passes 3 %. The quanta per unobstructed pixel fall from a million to ten. The Poisson counts are converted back to
/// grey levels.
#[derive(Clone, Copy, Debug)]
pub struct Exposure;

impl Corruption for Exposure {
    const NAME: &'static str = "exposure";
    const MODALITIES: &'static [&'static str] = XRAY;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        // One draw per pixel for all channels, because a radiograph has no colours.
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
