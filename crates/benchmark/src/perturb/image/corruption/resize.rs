//! `resize` makes the image smaller and enlarges it again with smoothing.

use image::RgbImage;
use image::imageops::{FilterType, resize};
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `resize`. It makes the image smaller and larger
/// again. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Resize>>(
    "resize",
    Purpose::Attack,
    "made smaller and larger again, five levels of similarity",
);

/// Corruption `resize`: makes the image smaller and then as large as before, both with a triangle filter. At full
/// intensity a quarter of a detail of the image ([`Site::detail`]) shrinks to one pixel, at most 16 pixels.
#[derive(Clone, Copy, Debug)]
pub struct Resize;

impl Corruption for Resize {
    const NAME: &'static str = "resize";
    const BOUND_BY_DETAIL: bool = true;

    fn of<'a>(picture: &'a RgbImage, site: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let largest = (site.detail(picture) / 4.0).clamp(1.0, 16.0);
        Box::new(move |intensity| {
            let (width, height) = picture.dimensions();
            let shrunk =
                |side: u32| ((f64::from(side) / (1.0 + (largest - 1.0) * intensity * intensity)).round() as u32).max(1);
            if (shrunk(width), shrunk(height)) == (width, height) {
                return picture.clone();
            }
            let small = resize(picture, shrunk(width), shrunk(height), FilterType::Triangle);
            resize(&small, width, height, FilterType::Triangle)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use std::collections::BTreeSet;
    use stepwise_data::random::stream;

    #[test]
    fn neighbours_come_from_one_pixel() {
        let ramp = RgbImage::from_fn(512, 512, |x, _| Rgb([(x / 2) as u8; 3]));
        let resized = Resize::of(&ramp, &Site::default(), &mut stream(1, &[]));
        assert_eq!(resized(0.0), ramp);
        assert_eq!(resized(1.0).dimensions(), (512, 512));
        let columns: BTreeSet<u8> = (0..8).map(|x| resized(1.0).get_pixel(x, 9).0[0]).collect();
        assert!(columns.len() < 4, "eight columns come from one pixel and its neighbour: {columns:?}");
    }
}
