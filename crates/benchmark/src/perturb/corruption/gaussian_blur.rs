//! `gaussian_blur`: detail spread normally.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil, blur_extent};
use crate::perturb::raster::Raster;
use crate::perturb::{Kind, Purpose};

/// The registry entry.
pub const KIND: Kind = Kind::of::<Calibrated<GaussianBlur>>(
    "gaussian_blur",
    Purpose::Attack,
    "blurred by a normal distribution, five levels of similarity",
);

/// The standard deviation grows to a 24th of the shorter side.
#[derive(Clone, Copy, Debug)]
pub struct GaussianBlur;

impl Corruption for GaussianBlur {
    const NAME: &'static str = "gaussian_blur";

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        Box::new(move |intensity| sharp.blurred(blur_extent(picture, 1.0 / 24.0, intensity)).picture())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use stepwise_curriculum::random::stream;

    #[test]
    fn nothing_is_blurred_at_no_intensity_and_flat_pictures_never() {
        let flat = RgbImage::from_pixel(30, 20, Rgb([9, 90, 200]));
        let busy = RgbImage::from_fn(30, 20, |x, y| Rgb([(x * 8) as u8, (y * 12) as u8, ((x * y) % 256) as u8]));
        let of = |picture, intensity| GaussianBlur::of(picture, &Site::default(), &mut stream(1, &["b"]))(intensity);
        for intensity in [0.0, 0.3, 1.0] {
            assert_eq!(of(&flat, intensity), flat);
        }
        assert_eq!(of(&busy, 0.0), busy);
        assert_ne!(of(&busy, 1.0), busy);
    }
}
