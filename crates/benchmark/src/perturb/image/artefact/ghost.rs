//! `ghost`: shifted copies of the body, caused by motion in magnetic resonance imaging.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `ghost`. It adds faint copies beside the body to
/// MRI images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Ghost>>(
    "ghost",
    Purpose::Attack,
    "MRI: faint copies beside the body, five levels",
);

/// Corruption `ghost`. The image is mixed with the mean of two copies, shifted in both directions of a random axis by a
/// third or quarter of the image and wrapped around. The weight of both copies together grows to 1/3, so that a copy stays
/// fainter than the body. Copies at half the image would fall on each other.
#[derive(Clone, Copy, Debug)]
pub struct Ghost;

impl Corruption for Ghost {
    const NAME: &'static str = "ghost";
    const MODALITIES: &'static [&'static str] = &["mri", "mr"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let across = rng.random::<bool>();
        let parts = rng.random_range(3..=4usize);
        let (width, height) = (values.width, values.height);
        let (dx, dy) = if across { (width / parts, 0) } else { (0, height / parts) };
        let copies = values.map(|x, y, _| {
            let at = |x: usize, y: usize| values.pixels[y % height * width + x % width];
            let (one, other) = (at(x + dx, y + dy), at(x + width - dx, y + height - dy));
            std::array::from_fn(|i| (one[i] + other[i]) / 2.0)
        });
        Box::new(move |intensity| {
            let share = intensity / 3.0;
            let spoil = |x: usize, y: usize, pixel: [f64; 3]| {
                let copy = copies.pixels[y * width + x];
                std::array::from_fn(|i| pixel[i] + (copy[i] - pixel[i]) * share)
            };
            values.map(spoil).picture()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use stepwise_data::random::stream;

    #[test]
    fn every_copy_is_much_fainter_than_the_body() {
        let body = RgbImage::from_fn(48, 48, |x, y| {
            Rgb([if (20..28).contains(&x) && (20..28).contains(&y) { 240 } else { 0 }; 3])
        });
        for seed in 0..16 {
            let ghosted = Ghost::of(&body, &Site::default(), &mut stream(seed, &["ghost"]))(1.0);
            let brightest = |inside: bool| {
                let places = ghosted.enumerate_pixels().filter(|(x, y, _)| (body.get_pixel(*x, *y).0[0] > 0) == inside);
                places.map(|(_, _, pixel)| pixel.0[0]).max().expect("there")
            };
            assert!(brightest(false) > 0 && 3 * u32::from(brightest(false)) <= u32::from(brightest(true)), "{seed}");
        }
    }
}
