//! `bias_field`, `ghost`: faults of magnetic resonance imaging.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::raster::Raster;
use crate::perturb::{Kind, Purpose};

/// Uneven sensitivity.
pub const BIAS_FIELD: Kind = Kind::of::<Calibrated<BiasField>>(
    "bias_field",
    Purpose::Attack,
    "MRI: brightness drifts smoothly over the picture, five levels",
);
/// Copies.
pub const GHOST: Kind =
    Kind::of::<Calibrated<Ghost>>("ghost", Purpose::Attack, "MRI: faint copies beside the body, five levels");

const MRI: &[&str] = &["mri", "mr"];

/// Values times a smooth field between a sixteenth and sixteen at full intensity: two raised to the sum of three slow waves of
/// drawn direction and phase.
#[derive(Clone, Copy, Debug)]
pub struct BiasField;

impl Corruption for BiasField {
    const NAME: &'static str = "bias_field";
    const MODALITIES: &'static [&'static str] = MRI;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let side = values.width.max(values.height) as f64;
        let waves: Vec<([f64; 2], f64)> = (0..3)
            .map(|_| {
                let angle = std::f64::consts::TAU * rng.random::<f64>();
                // Half a wave to one and a half across the picture.
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

/// Mixed with its mean of two copies, moved both ways by a half, third or quarter of the picture along a drawn axis and
/// wrapped around; up to two parts of them for one of the picture.
#[derive(Clone, Copy, Debug)]
pub struct Ghost;

impl Corruption for Ghost {
    const NAME: &'static str = "ghost";
    const MODALITIES: &'static [&'static str] = MRI;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let across = rng.random::<bool>();
        let parts = rng.random_range(2..=4usize);
        let (width, height) = (values.width, values.height);
        let (dx, dy) = if across { (width / parts, 0) } else { (0, height / parts) };
        let copies = values.map(|x, y, _| {
            let at = |x: usize, y: usize| values.pixels[y % height * width + x % width];
            let (one, other) = (at(x + dx, y + dy), at(x + width - dx, y + height - dy));
            std::array::from_fn(|i| (one[i] + other[i]) / 2.0)
        });
        Box::new(move |intensity| {
            let share = 2.0 * intensity / (1.0 + 2.0 * intensity);
            let spoil = |x: usize, y: usize, pixel: [f64; 3]| {
                let copy = copies.pixels[y * width + x];
                std::array::from_fn(|i| pixel[i] + (copy[i] - pixel[i]) * share)
            };
            values.map(spoil).picture()
        })
    }
}
