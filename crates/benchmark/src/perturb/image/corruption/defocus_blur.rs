//! `defocus_blur` averages each pixel over a disc.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil, blur_extent};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `defocus_blur`. It blurs the image over a disc, as
/// out of focus. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<DefocusBlur>>(
    "defocus_blur",
    Purpose::Attack,
    "out of focus: blurred over a disc, five levels of similarity",
);

/// Corruption `defocus_blur`: blurs over a disc whose radius grows with the intensity, to a quarter of a detail of
/// the image ([`Site::detail`]).
#[derive(Clone, Copy, Debug)]
pub struct DefocusBlur;

impl Corruption for DefocusBlur {
    const NAME: &'static str = "defocus_blur";
    const BYTES_PER_PIXEL: u64 = 84;
    const BOUND_BY_DETAIL: bool = true;

    fn of<'a>(picture: &'a RgbImage, site: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let (sharp, detail) = (Raster::of(picture), site.detail(picture));
        Box::new(move |intensity| over_disc(&sharp, blur_extent(detail, 1.0 / 4.0, intensity)).picture())
    }
}

/// Returns the mean over a disc of `radius + 0.5` pixels around each pixel. The disc is cut into rows, and each row's
/// sum is the difference of two running sums. So the time grows with the radius and not with the area.
fn over_disc(sharp: &Raster, radius: f64) -> Raster {
    let reach = radius.ceil() as isize;
    // Half the width of the disc in row `dy`; at least half a pixel in the middle row.
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
    // Integral of a row from its padded start to `x`; pixel k covers k - 0.5 to k + 0.5.
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
}
