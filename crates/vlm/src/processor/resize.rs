//! Resizing 8-bit RGB images with Pillow's arithmetic: two passes, an 8-bit picture between them, fixed-point weights.
//!
//! The result equals Pillow's `Image.resize` to the bit. Hugging Face's default processors for images resize through
//! torchvision, whose results differ from Pillow's by up to two grey levels and depend on its version; Pillow is the
//! reference here.

use std::f64::consts::PI;

use image::RgbImage;
use rayon::prelude::*;
use serde::Deserialize;

/// Fraction bits of the weights: 8 bits of pixel and 2 of head-room are left in 32.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// A resampling filter, by Pillow's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "u8")]
pub enum Resample {
    /// 1: a windowed sinc with three lobes.
    Lanczos,
    /// 2: a triangle.
    Bilinear,
    /// 3: a cubic with a = -0.5.
    Bicubic,
}

impl TryFrom<u8> for Resample {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::Lanczos),
            2 => Ok(Self::Bilinear),
            3 => Ok(Self::Bicubic),
            _ => Err(format!("resample is {number}: 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are built")),
        }
    }
}

impl Resample {
    /// How far the filter reaches, in input pixels at full size.
    fn support(self) -> f64 {
        match self {
            Self::Lanczos => 3.0,
            Self::Bilinear => 1.0,
            Self::Bicubic => 2.0,
        }
    }

    fn weight(self, x: f64) -> f64 {
        let distance = x.abs();
        match self {
            Self::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            Self::Bilinear if distance < 1.0 => 1.0 - distance,
            Self::Bicubic if distance < 1.0 => (1.5 * distance - 2.5) * distance * distance + 1.0,
            Self::Bicubic if distance < 2.0 => ((-0.5 * distance + 2.5) * distance - 4.0) * distance + 2.0,
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) }
}

/// The input pixels one output pixel is made of.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// `image` at `width` x `height`; both are at least 1.
#[must_use]
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Resample) -> RgbImage {
    let across = if image.width() == width { image.clone() } else { horizontally(image, width, filter) };
    if across.height() == height { across } else { vertically(&across, height, filter) }
}

fn windows(input: u32, output: u32, filter: Resample) -> Vec<Window> {
    let scale = f64::from(input) / f64::from(output);
    let stretch = scale.max(1.0);
    let support = filter.support() * stretch;
    (0..output)
        .map(|pixel| {
            let centre = (f64::from(pixel) + 0.5) * scale;
            let first = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(input as usize);
            let raw: Vec<f64> =
                (first..end).map(|pixel| filter.weight((pixel as f64 - centre + 0.5) * (1.0 / stretch))).collect();
            let sum: f64 = raw.iter().sum();
            let weights = raw
                .iter()
                .map(|weight| {
                    let scaled = if sum == 0.0 { *weight } else { weight / sum } * f64::from(1 << PRECISION_BITS);
                    (scaled + 0.5_f64.copysign(scaled)) as i32
                })
                .collect();
            Window { first, weights }
        })
        .collect()
}

/// A weighted sum of bytes `step` apart, rounded and clipped.
fn mixed(bytes: &[u8], step: usize, window: &Window) -> u8 {
    let sum = window.weights.iter().enumerate().fold(1_i64 << (PRECISION_BITS - 1), |sum, (index, weight)| {
        sum + i64::from(bytes[index * step]) * i64::from(*weight)
    });
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontally(image: &RgbImage, width: u32, filter: Resample) -> RgbImage {
    let windows = windows(image.width(), width, filter);
    let (in_row, out_row) = (image.width() as usize * 3, width as usize * 3);
    let mut out = vec![0; out_row * image.height() as usize];
    out.par_chunks_mut(out_row).zip(image.as_raw().par_chunks(in_row)).for_each(|(out, row)| {
        for (pixel, window) in out.chunks_exact_mut(3).zip(&windows) {
            for (channel, value) in pixel.iter_mut().enumerate() {
                *value = mixed(&row[window.first * 3 + channel..], 3, window);
            }
        }
    });
    RgbImage::from_raw(width, image.height(), out).unwrap_or_default()
}

fn vertically(image: &RgbImage, height: u32, filter: Resample) -> RgbImage {
    let windows = windows(image.height(), height, filter);
    let row = image.width() as usize * 3;
    let mut out = vec![0; row * height as usize];
    out.par_chunks_mut(row).zip(&windows).for_each(|(out, window)| {
        for (column, value) in out.iter_mut().enumerate() {
            *value = mixed(&image.as_raw()[window.first * row + column..], row, window);
        }
    });
    RgbImage::from_raw(image.width(), height, out).unwrap_or_default()
}
