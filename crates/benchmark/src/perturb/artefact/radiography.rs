//! `window_shift`, `exposure`, `grid_lines`, `scatter`: faults of pictures made with X-rays.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::corruption::gaussian_noise::normals;
use crate::perturb::corruption::noises::poisson;
use crate::perturb::corruption::tone::curved;
use crate::perturb::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::raster::{Raster, byte};
use crate::perturb::{Kind, Purpose};

/// Another window.
pub const WINDOW_SHIFT: Kind = Kind::of::<Calibrated<WindowShift>>(
    "window_shift",
    Purpose::Attack,
    "CT and X-ray: shown in a narrower window beside the right one, five levels",
);
/// Too few quanta.
pub const EXPOSURE: Kind = Kind::of::<Calibrated<Exposure>>(
    "exposure",
    Purpose::Attack,
    "X-ray: underexposed, so that dense parts drown in counting noise, five levels",
);
/// Lines of the grid.
pub const GRID_LINES: Kind = Kind::of::<Calibrated<GridLines>>(
    "grid_lines",
    Purpose::Attack,
    "X-ray: lines of the anti-scatter grid, five levels",
);
/// A veil.
pub const SCATTER: Kind =
    Kind::of::<Calibrated<Scatter>>("scatter", Purpose::Attack, "X-ray: a veil of scattered radiation, five levels");

const XRAY: &[&str] = &["xray", "radiograph", "radiography", "cr", "dx", "mammography"];

/// The window moves by up to 0.45 of its width in a drawn direction and narrows down to three tenths.
#[derive(Clone, Copy, Debug)]
pub struct WindowShift;

impl Corruption for WindowShift {
    const NAME: &'static str = "window_shift";
    const MODALITIES: &'static [&'static str] = &["ct", "xray", "radiograph", "radiography", "cr", "dx", "mammography"];

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = if rng.random::<bool>() { 0.45 } else { -0.45 };
        Box::new(move |intensity| {
            let (centre, width) = (0.5 + direction * intensity, 1.0 - 0.7 * intensity);
            curved(picture, |value| 255.0 * ((value / 255.0 - centre) / width + 0.5))
        })
    }
}

/// Grey is taken as absorption, in tens of powers over 1.5: white lets 3 % through. Quanta at an unobstructed pixel fall
/// from a million to ten, and what is counted is shown on the old scale.
#[derive(Clone, Copy, Debug)]
pub struct Exposure;

impl Corruption for Exposure {
    const NAME: &'static str = "exposure";
    const MODALITIES: &'static [&'static str] = XRAY;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        // One count a pixel: a radiograph has no colours.
        let drawn = normals((picture.len() / 3).max(1), rng);
        Box::new(move |intensity| {
            let quanta = libm::exp10(6.0 - 5.0 * intensity);
            let seen = |value: f64, normal: f64| {
                let counted = poisson(quanta * libm::exp10(-1.5 * value / 255.0), normal).max(0.5);
                -libm::log10(counted / quanta) / 1.5 * 255.0
            };
            let mut spoilt = picture.clone();
            for (pixel, normal) in spoilt.pixels_mut().zip(&drawn) {
                pixel.0 = pixel.0.map(|value| byte(seen(f64::from(value), *normal)));
            }
            spoilt
        })
    }
}

/// Brightness swings along the picture, upright or lying, with a drawn period of 3 to 8 pixels, by up to all of it.
#[derive(Clone, Copy, Debug)]
pub struct GridLines;

impl Corruption for GridLines {
    const NAME: &'static str = "grid_lines";
    const MODALITIES: &'static [&'static str] = XRAY;

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let upright = rng.random::<bool>();
        let period = 3.0 + 5.0 * rng.random::<f64>();
        let phase = rng.random::<f64>();
        let values = Raster::of(picture);
        Box::new(move |intensity| {
            let swing = |x: usize, y: usize| {
                let along = if upright { x } else { y } as f64;
                1.0 + intensity * libm::sin(std::f64::consts::TAU * (along / period + phase))
            };
            values.map(|x, y, pixel| pixel.map(|value| value * swing(x, y))).picture()
        })
    }
}

/// Mixed with itself spread over a twelfth of the shorter side, up to nothing but the veil.
#[derive(Clone, Copy, Debug)]
pub struct Scatter;

impl Corruption for Scatter {
    const NAME: &'static str = "scatter";
    const MODALITIES: &'static [&'static str] = XRAY;

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let sharp = Raster::of(picture);
        let veil = sharp.blurred(sharp.width.min(sharp.height) as f64 / 12.0);
        Box::new(move |intensity| {
            let mixed = |x: usize, y: usize, pixel: [f64; 3]| {
                let veiled = veil.pixels[y * veil.width + x];
                std::array::from_fn(|i| pixel[i] + (veiled[i] - pixel[i]) * intensity)
            };
            sharp.map(mixed).picture()
        })
    }
}
