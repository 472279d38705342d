//! `motion_blur` averages each pixel along a line.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil, blur_extent};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `motion_blur`. It blurs the image along a line of
/// random direction. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<MotionBlur>>(
    "motion_blur",
    Purpose::Attack,
    "blurred along a line of random direction, five levels of similarity",
);

/// Corruption `motion_blur`: blurs along a line of random direction whose length grows with the intensity, to half a
/// detail of the image ([`Site::detail`]).
#[derive(Clone, Copy, Debug)]
pub struct MotionBlur;

impl Corruption for MotionBlur {
    const NAME: &'static str = "motion_blur";
    const BYTES_PER_PIXEL: u64 = 84;
    const BOUND_BY_DETAIL: bool = true;

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let angle = std::f64::consts::PI * rng.random::<f64>();
        let way = [libm::cos(angle), libm::sin(angle)];
        let (sharp, detail) = (Raster::of(picture), site.detail(picture));
        Box::new(move |intensity| {
            let half = blur_extent(detail, 1.0 / 4.0, intensity);
            // Samples are the middles of equal parts of the line, each at most a pixel long. The four additional
            // samples keep the result smooth when the count changes by one.
            let count = (2.0 * half).ceil() as usize + 4;
            let step = |sample: usize| half * ((2 * sample + 1) as f64 / count as f64 - 1.0);
            let steps: Vec<f64> = (0..count).map(step).collect();
            sharp
                .map(|x, y, _| {
                    let mut sum = [0.0; 3];
                    for far in &steps {
                        let seen = sharp.between(x as f64 + far * way[0], y as f64 + far * way[1]);
                        sum.iter_mut().zip(seen).for_each(|(sum, value)| *sum += value);
                    }
                    sum.map(|sum| sum / count as f64)
                })
                .picture()
        })
    }
}
