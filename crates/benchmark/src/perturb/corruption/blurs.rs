//! `gaussian_blur`, `motion_blur`, `defocus_blur`: detail spread normally, along a line, or over a disc.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::raster::Raster;
use crate::perturb::{Kind, Purpose};

/// Spread normally.
pub const GAUSSIAN: Kind = Kind::of::<Calibrated<GaussianBlur>>(
    "gaussian_blur",
    Purpose::Attack,
    "blurred by a normal distribution, five levels of similarity",
);
/// Along a line.
pub const MOTION: Kind = Kind::of::<Calibrated<MotionBlur>>(
    "motion_blur",
    Purpose::Attack,
    "blurred along a line of drawn direction, five levels of similarity",
);
/// Over a disc.
pub const DEFOCUS: Kind = Kind::of::<Calibrated<DefocusBlur>>(
    "defocus_blur",
    Purpose::Attack,
    "out of focus: blurred over a disc, five levels of similarity",
);

/// The extent of a blur in pixels, from its largest as a share of the shorter side; intensity is squared, as weak blurs
/// differ most.
fn extent(picture: &RgbImage, largest: f64, intensity: f64) -> f64 {
    largest * f64::from(picture.width().min(picture.height())) * intensity * intensity
}

/// The standard deviation grows to a 24th of the shorter side.
#[derive(Clone, Copy, Debug)]
pub struct GaussianBlur;

impl Corruption for GaussianBlur {
    const NAME: &'static str = "gaussian_blur";

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        Box::new(move |intensity| sharp.blurred(extent(picture, 1.0 / 24.0, intensity)).picture())
    }
}

/// The way grows to a sixth of the shorter side; its direction is drawn.
#[derive(Clone, Copy, Debug)]
pub struct MotionBlur;

impl Corruption for MotionBlur {
    const NAME: &'static str = "motion_blur";

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let angle = std::f64::consts::PI * rng.random::<f64>();
        let way = [libm::cos(angle), libm::sin(angle)];
        let sharp = Raster::of(picture);
        Box::new(move |intensity| {
            let half = extent(picture, 1.0 / 12.0, intensity);
            // The middles of equal parts of the way, each a pixel long at most; a few more, so that one more changes little.
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

/// The radius grows to a 16th of the shorter side.
#[derive(Clone, Copy, Debug)]
pub struct DefocusBlur;

impl Corruption for DefocusBlur {
    const NAME: &'static str = "defocus_blur";

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        Box::new(move |intensity| over_disc(&sharp, extent(picture, 1.0 / 16.0, intensity)).picture())
    }
}

/// Mean over a disc around each pixel. The disc is cut into rows of pixels, and each row's sum is the difference of two
/// running sums, so that the time grows with the radius and not with the area.
fn over_disc(sharp: &Raster, radius: f64) -> Raster {
    let reach = radius.ceil() as isize;
    // Half the width of the disc in each row of pixels; the row through the middle is half a pixel wide at least.
    let half = |dy: isize| {
        let squared = (radius + 0.5) * (radius + 0.5) - (dy * dy) as f64;
        (squared > 0.0).then(|| squared.sqrt())
    };
    let rows: Vec<(isize, f64)> = (-reach..=reach).filter_map(|dy| Some((dy, half(dy)?))).collect();
    let area: f64 = rows.iter().map(|(_, half)| 2.0 * half).sum();
    let pad = reach + 2;
    let sums: Vec<Vec<[f64; 3]>> = (0..sharp.height as isize)
        .map(|y| {
            let mut sum = [0.0; 3];
            let running = (-pad..sharp.width as isize + pad).map(|x| {
                sum.iter_mut().zip(sharp.at(x, y)).for_each(|(sum, value)| *sum += value);
                sum
            });
            std::iter::once([0.0; 3]).chain(running).collect()
        })
        .collect();
    // The integral of a row from its padded start to `x`; pixel k covers k - 0.5 to k + 0.5.
    let integral = |row: &[[f64; 3]], x: f64| {
        let place = x + 0.5 + pad as f64;
        let whole = place.floor();
        let (low, high) = (row[whole as usize], row[whole as usize + 1]);
        std::array::from_fn::<f64, 3, _>(|i| low[i] + (high[i] - low[i]) * (place - whole))
    };
    sharp.map(|x, y, _| {
        let mut sum = [0.0; 3];
        for (dy, half) in &rows {
            let row = &sums[(y as isize + dy).clamp(0, sharp.height as isize - 1) as usize];
            let (from, to) = (integral(row, x as f64 - half), integral(row, x as f64 + half));
            (0..3).for_each(|i| sum[i] += to[i] - from[i]);
        }
        sum.map(|sum| sum / area)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use stepwise_curriculum::random::stream;

    #[test]
    fn a_disc_spreads_a_point_evenly() {
        let mut point = Raster::of(&RgbImage::new(41, 31));
        point.pixels[15 * 41 + 20] = [1.0; 3];
        let blurred = over_disc(&point, 6.0);
        let mass: f64 = blurred.pixels.iter().map(|pixel| pixel[0]).sum();
        let (mut spread, mut peak) = (0.0, 0.0f64);
        for (at, pixel) in blurred.pixels.iter().enumerate() {
            let (x, y) = ((at % 41) as f64 - 20.0, (at / 41) as f64 - 15.0);
            spread += pixel[0] * (x * x + y * y);
            peak = peak.max(pixel[0]);
        }
        // Over a disc of radius R the mean square distance is R * R / 2.
        assert!((mass - 1.0).abs() < 1e-9 && (spread - 6.5 * 6.5 / 2.0).abs() < 1.0, "{mass} {spread}");
        assert!((peak - 1.0 / (std::f64::consts::PI * 6.5 * 6.5)).abs() < 0.001, "{peak}");
    }

    #[test]
    fn nothing_is_blurred_at_no_intensity_and_flat_pictures_never() {
        let flat = RgbImage::from_pixel(30, 20, Rgb([9, 90, 200]));
        let busy = RgbImage::from_fn(30, 20, |x, y| Rgb([(x * 8) as u8, (y * 12) as u8, ((x * y) % 256) as u8]));
        let site = Site::default();
        let rng = || stream(1, &["b"]);
        for intensity in [0.0, 0.3, 1.0] {
            assert_eq!(GaussianBlur::of(&flat, &site, &mut rng())(intensity), flat);
            assert_eq!(MotionBlur::of(&flat, &site, &mut rng())(intensity), flat);
            assert_eq!(DefocusBlur::of(&flat, &site, &mut rng())(intensity), flat);
        }
        assert_eq!(GaussianBlur::of(&busy, &site, &mut rng())(0.0), busy);
        assert_eq!(MotionBlur::of(&busy, &site, &mut rng())(0.0), busy);
        assert_eq!(DefocusBlur::of(&busy, &site, &mut rng())(0.0), busy);
    }
}
