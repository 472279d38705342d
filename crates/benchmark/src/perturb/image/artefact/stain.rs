//! `stain_shift`: a slide with other amounts of stain. Colours are separated into the absorption of haematoxylin
//! and eosin (Ruifrok and Johnston, 2001), the amounts are changed, and the colours are recombined (after Tellez et
//! al., 2018).

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `stain_shift`. It changes the amounts of
/// haematoxylin and eosin in histology images. Levels 1 to 5 are targets of structural similarity (SSIM) with the
/// original image, [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<StainShift>>(
    "stain_shift",
    Purpose::Attack,
    "histology: other amounts of haematoxylin and eosin, five levels",
);

/// Absorption of red, green and blue by one unit of haematoxylin, eosin and a residual component.
const STAINS: [[f64; 3]; 3] = [[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]];

/// Corruption `stain_shift` of histology images. The amounts of haematoxylin and eosin are each multiplied by a random
/// factor, at full intensity between 2 and 4 or between 1/4 and 1/2.
#[derive(Clone, Copy, Debug)]
pub struct StainShift;

impl Corruption for StainShift {
    const NAME: &'static str = "stain_shift";
    const MODALITIES: &'static [&'static str] = &["histology", "histopathology", "pathology"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let powers = [0, 1].map(|_| (1.0 + rng.random::<f64>()) * if rng.random::<bool>() { 1.0 } else { -1.0 });
        let split = inverse(STAINS);
        let amounts =
            Raster::of(picture).map(|_, _, pixel| times(pixel.map(|value| -libm::log((value + 1.0) / 256.0)), split));
        Box::new(move |intensity| {
            let factors = powers.map(|power| libm::exp2(power * intensity));
            let mixed = |_: usize, _: usize, [h, e, rest]: [f64; 3]| {
                times([h * factors[0], e * factors[1], rest], STAINS).map(|absorbed| 256.0 * libm::exp(-absorbed) - 1.0)
            };
            amounts.map(mixed).picture()
        })
    }
}

/// Returns the row vector `row` times `matrix`.
fn times(row: [f64; 3], matrix: [[f64; 3]; 3]) -> [f64; 3] {
    std::array::from_fn(|column| (0..3).map(|i| row[i] * matrix[i][column]).sum())
}

/// Returns the inverse of a regular matrix, computed from cofactors.
fn inverse(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    let minor = |r: usize, c: usize| {
        let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
        m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
    };
    let determinant: f64 = (0..3).map(|c| m[0][c] * minor(0, c)).sum();
    std::array::from_fn(|r| std::array::from_fn(|c| minor(c, r) / determinant))
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;
    use stepwise_data::random::stream;

    #[test]
    fn splitting_and_putting_together_changes_nothing_by_itself() {
        let colours = RgbImage::from_fn(16, 16, |x, y| Rgb([(x * 17) as u8, (y * 17) as u8, (x * y) as u8]));
        let spoil = StainShift::of(&colours, &Site::default(), &mut stream(1, &["s"]));
        assert_eq!(spoil(0.0), colours);
        assert_ne!(spoil(0.5), colours);
        for (row, unit) in inverse(STAINS).iter().zip([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]) {
            assert!(times(*row, STAINS).iter().zip(unit).all(|(found, unit)| (found - unit).abs() < 1e-12));
        }
    }
}
