//! Resizing of 8-bit RGB images with Pillow's arithmetic: two passes with an 8-bit image between them,
//! fixed-point weights.
//!
//! Results are bit-identical to `Image.resize` of Pillow 13 and later. These versions resize vertically first when the
//! height loses more than twice as many pixels as the width. Older versions always start horizontally, so some pixels
//! differ by one grey level. The default image processors of Hugging Face resize with torchvision. Results of
//! torchvision depend on its version and differ from Pillow's by up to two grey levels. Pillow is the reference here.

use std::f64::consts::PI;

use image::RgbImage;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Fraction bits of the weights: 32 bits less 8 for the pixel and 2 of headroom.
const PRECISION_BITS: u32 = 32 - 8 - 2;

/// Resampling filter with its number in Pillow, which model folders use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8")]
pub enum Resample {
    /// Number 1: sinc windowed by a sinc, with three lobes.
    Lanczos,
    /// Number 2: triangle filter.
    Bilinear,
    /// Number 3: cubic convolution with a = -0.5 (Keys 1981).
    Bicubic,
}

impl TryFrom<u8> for Resample {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::Lanczos),
            2 => Ok(Self::Bilinear),
            3 => Ok(Self::Bicubic),
            _ => Err(format!("resample is {number}: 1 (Lanczos), 2 (bilinear) and 3 (bicubic) are supported")),
        }
    }
}

impl Resample {
    /// Radius of the filter, in input pixels when the image is not shrunk.
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

/// Input pixels that contribute to one output pixel, with their fixed-point weights.
struct Window {
    first: usize,
    weights: Vec<i32>,
}

/// Returns `image` resized to `width` x `height` pixels with Pillow's arithmetic. An image without pixels gives a
/// black image.
#[must_use]
pub fn resize(image: &RgbImage, width: u32, height: u32, filter: Resample) -> RgbImage {
    if width == 0 || height == 0 || image.is_empty() {
        return RgbImage::new(width, height);
    }
    let (across, down) = (image.width() != width, image.height() != height);
    match (across, down) {
        (false, false) => image.clone(),
        (true, false) => horizontally(image, width, filter),
        (false, true) => vertically(image, height, filter),
        (true, true) if vertical_first(image, width, height) => {
            horizontally(&vertically(image, height, filter), width, filter)
        }
        (true, true) => vertically(&horizontally(image, width, filter), height, filter),
    }
}

/// Whether Pillow 13 starts with the vertical pass: when the height loses more than twice as many pixels as the width.
/// The rule was found by comparing Pillow 13.0.0 with both orders of passes on about ten thousand sizes.
fn vertical_first(image: &RgbImage, width: u32, height: u32) -> bool {
    let lost = |from: u32, to: u32| i64::from(from) - i64::from(to);
    height < image.height() && lost(image.height(), height) > 2 * lost(image.width(), width)
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

/// Half a grey level, the initial value of sums, so that dropping the fraction bits rounds to nearest.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

/// Converts a sum to a byte. Sums fit 32 bits: weights add up to 1, and no filter overshoots by more than half.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

fn horizontally(image: &RgbImage, width: u32, filter: Resample) -> RgbImage {
    let windows = windows(image.width(), width, filter);
    let (in_row, out_row) = (image.width() as usize * 3, width as usize * 3);
    let mut out = vec![0; out_row * image.height() as usize];
    out.par_chunks_exact_mut(out_row).zip(image.par_chunks_exact(in_row)).for_each(|(out, row)| {
        for (pixel, window) in out.chunks_exact_mut(3).zip(&windows) {
            let mut sums = [HALF; 3];
            let (taken, _) = row[window.first * 3..].as_chunks::<3>();
            for (colour, weight) in taken.iter().zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(colour) {
                    *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                }
            }
            pixel.copy_from_slice(&sums.map(byte));
        }
    });
    RgbImage::from_raw(width, image.height(), out).expect("three bytes per pixel")
}

/// Resizes vertically. Whole rows are added instead of single columns, so that the compiler uses vector instructions.
fn vertically(image: &RgbImage, height: u32, filter: Resample) -> RgbImage {
    let windows = windows(image.height(), height, filter);
    let row = image.width() as usize * 3;
    let mut out = vec![0; row * height as usize];
    out.par_chunks_exact_mut(row).zip(&windows).for_each_init(
        || vec![HALF; row],
        |sums, (out, window)| {
            sums.fill(HALF);
            for (values, weight) in image.as_raw()[window.first * row..].chunks_exact(row).zip(&window.weights) {
                for (sum, value) in sums.iter_mut().zip(values) {
                    *sum = sum.wrapping_add(i32::from(*value).wrapping_mul(*weight));
                }
            }
            out.iter_mut().zip(sums.iter()).for_each(|(out, sum)| *out = byte(*sum));
        },
    );
    RgbImage::from_raw(image.width(), height, out).expect("three bytes per pixel")
}

#[cfg(test)]
mod tests;
