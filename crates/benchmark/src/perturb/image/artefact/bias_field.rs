//! `bias_field`: uneven sensitivity of the coil in magnetic resonance imaging.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `bias_field`. It lets brightness drift smoothly
/// over MRI images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<BiasField>>(
    "bias_field",
    Purpose::Attack,
    "MRI: brightness drifts smoothly over the image, five levels",
);

/// Corruption `bias_field`: multiplies values by a smooth field, at full intensity between 1/16 and 16. The field is 2
/// to the power of the intensity times four times the mean of three slow waves with random direction, wavelength and
/// phase.
#[derive(Clone, Copy, Debug)]
pub struct BiasField;

impl Corruption for BiasField {
    const NAME: &'static str = "bias_field";
    const MODALITIES: &'static [&'static str] = &["mri", "mr"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let side = values.width.max(values.height) as f64;
        let waves: Vec<([f64; 2], f64)> = (0..3)
            .map(|_| {
                let angle = std::f64::consts::TAU * rng.random::<f64>();
                // Between 0.5 and 1.5 waves fit into the longer side.
                let waves = std::f64::consts::TAU * (0.5 + rng.random::<f64>()) / side;
                ([waves * libm::cos(angle), waves * libm::sin(angle)], std::f64::consts::TAU * rng.random::<f64>())
            })
            .collect();
        let field = values.map(|x, y, _| {
            let wave = |([a, b], phase): &([f64; 2], f64)| libm::cos(a * x as f64 + b * y as f64 + phase);
            [waves.iter().map(wave).sum::<f64>() / 3.0; 3]
        });
        Box::new(move |intensity| {
            let spoil = |x: usize, y: usize, pixel: [f64; 3]| {
                let gain = libm::exp2(4.0 * intensity * field.pixels[y * field.width + x][0]);
                pixel.map(|value| value * gain)
            };
            values.map(spoil).picture()
        })
    }
}
