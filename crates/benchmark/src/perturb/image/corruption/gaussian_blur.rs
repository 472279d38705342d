//! `gaussian_blur` blurs with a Gaussian.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil, blur_extent};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `gaussian_blur`. It blurs the image with a
/// Gaussian. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<GaussianBlur>>(
    "gaussian_blur",
    Purpose::Attack,
    "blurred with a Gaussian, five levels of similarity",
);

/// Corruption `gaussian_blur`: blurs with a Gaussian whose standard deviation grows with the intensity, to an eighth
/// of a detail of the image ([`Site::detail`]).
#[derive(Clone, Copy, Debug)]
pub struct GaussianBlur;

impl Corruption for GaussianBlur {
    const NAME: &'static str = "gaussian_blur";
    const BYTES_PER_PIXEL: u64 = 84;
    const BOUND_BY_DETAIL: bool = true;

    fn of<'a>(picture: &'a RgbImage, site: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let (sharp, detail) = (Raster::of(picture), site.detail(picture));
        Box::new(move |intensity| sharp.blurred(blur_extent(detail, 1.0 / 8.0, intensity)).picture())
    }
}
