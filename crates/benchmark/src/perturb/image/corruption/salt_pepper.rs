//! `salt_pepper` replaces single pixels by black or white.

use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `salt_pepper`. It makes single pixels black or
/// white. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<SaltPepper>>(
    "salt_pepper",
    Purpose::Attack,
    "single pixels black or white, five levels of similarity",
);

/// Corruption `salt_pepper`: makes each pixel black or white with a probability equal to the intensity. A larger
/// intensity replaces all pixels that a smaller one replaces.
#[derive(Clone, Copy, Debug)]
pub struct SaltPepper;

impl Corruption for SaltPepper {
    const NAME: &'static str = "salt_pepper";
    const BYTES_PER_PIXEL: u64 = 30;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let drawn: Vec<(f64, bool)> = picture.pixels().map(|_| (rng.random(), rng.random())).collect();
        Box::new(move |intensity| {
            let mut spoilt = picture.clone();
            for (pixel, (rank, white)) in spoilt.pixels_mut().zip(&drawn) {
                if *rank < intensity {
                    *pixel = Rgb([if *white { 255 } else { 0 }; 3]);
                }
            }
            spoilt
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perturb::image::corruption::gaussian_noise::spread;

    #[test]
    fn as_many_pixels_are_replaced_as_the_intensity_says() {
        let (mean, _) = spread::<SaltPepper>(0, 0.2);
        assert!((mean - 25.5).abs() < 1.5, "{mean}");
    }
}
