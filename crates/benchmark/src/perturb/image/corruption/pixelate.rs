//! `pixelate` shows the image in blocks of one colour.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `pixelate`. It replaces the image by square blocks
/// of one colour. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Pixelate>>(
    "pixelate",
    Purpose::Attack,
    "square blocks of one colour, five levels of similarity",
);

/// Corruption `pixelate`: gives every square block the mean colour of the pixels whose upper left corner lies in it.
/// The side of a block grows with the intensity, to a quarter of a detail of the image
/// ([`Site::detail`]).
#[derive(Clone, Copy, Debug)]
pub struct Pixelate;

impl Corruption for Pixelate {
    const NAME: &'static str = "pixelate";
    const BYTES_PER_PIXEL: u64 = 84;
    const BOUND_BY_DETAIL: bool = true;

    fn of<'a>(picture: &'a RgbImage, site: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        let largest = (site.detail(picture) / 4.0).max(1.0);
        Box::new(move |intensity| {
            // The side of a block need not be a whole number of pixels, so that similarity falls smoothly.
            let block = 1.0 + (largest - 1.0) * intensity * intensity;
            let within = |at: usize| (at as f64 / block) as usize;
            let columns = within(sharp.width) + 1;
            let mut sums = vec![([0.0; 3], 0.0); columns * (within(sharp.height) + 1)];
            for (at, pixel) in sharp.pixels.iter().enumerate() {
                let (x, y) = (at % sharp.width, at / sharp.width);
                let (sum, count) = &mut sums[within(y) * columns + within(x)];
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
                *count += 1.0;
            }
            let mean = |x: usize, y: usize| {
                let (sum, count) = sums[within(y) * columns + within(x)];
                sum.map(|sum| sum / count)
            };
            sharp.map(|x, y, _| mean(x, y)).picture()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use stepwise_data::random::stream;

    #[test]
    fn blocks_hold_the_mean_of_what_they_cover() {
        let ramp = RgbImage::from_fn(128, 128, |x, _| Rgb([x as u8 * 2; 3]));
        let spoil = Pixelate::of(&ramp, &Site::default(), &mut stream(1, &[]));
        assert_eq!(spoil(0.0), ramp);
        // Blocks of four pixels: columns 0 to 3 have the values 0, 2, 4 and 6.
        assert!((0..4).all(|x| *spoil(1.0).get_pixel(x, 9) == Rgb([3; 3])));
    }
}
