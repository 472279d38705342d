//! Structural similarity, SSIM (Wang, Bovik, Sheikh and Simoncelli, 2004), of the luma of two images. The window has
//! Gaussian weights of standard deviation 1.5 over 11 by 11 pixels, with K1 = 0.01 and K2 = 0.03. The result is the
//! mean over all positions where the window lies inside the image. As the authors advise, large images are first
//! averaged over blocks, so that the shorter side is about 256 pixels.

use image::RgbImage;

use crate::perturb::support::raster::normal_kernel;

const SIGMA: f64 = 1.5;
const RADIUS: usize = 5;
const C1: f64 = (0.01 * 255.0) * (0.01 * 255.0);
const C2: f64 = (0.03 * 255.0) * (0.03 * 255.0);

/// An image with which other images are compared by structural similarity (SSIM); its own sums are computed once.
#[derive(Clone, Debug)]
pub struct Reference {
    luma: Luma,
    kernel: Vec<f64>,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Reference {
    /// Prepares comparisons with `picture`. The window shrinks to fit an image with a side below 11 pixels.
    ///
    /// # Panics
    /// When `picture` is empty.
    #[must_use]
    pub fn new(picture: &RgbImage) -> Self {
        let luma = Luma::of(picture);
        // The window shrinks to fit an image that is smaller than the window.
        let radius = RADIUS.min((luma.width.min(luma.height).max(1) - 1) / 2);
        let kernel = normal_kernel(SIGMA, radius);
        let mean = luma.weighted(&kernel, |value| value);
        let square = luma.weighted(&kernel, |value| value * value);
        Self { luma, kernel, mean, square }
    }

    /// Computes the structural similarity with `picture`: 1 for an identical image, lower for other images and possibly
    /// below 0.
    ///
    /// # Panics
    /// May panic when `picture` has another size than the reference; otherwise the value has then no meaning.
    #[must_use]
    pub fn ssim(&self, picture: &RgbImage) -> f64 {
        let other = Luma::of(picture);
        let mean = other.weighted(&self.kernel, |value| value);
        let square = other.weighted(&self.kernel, |value| value * value);
        let products = self.luma.values.iter().zip(&other.values).map(|(a, b)| a * b).collect();
        let product = Luma { values: products, ..other }.weighted(&self.kernel, |value| value);
        let total: f64 = (0..mean.len())
            .map(|at| {
                let (x, y) = (self.mean[at], mean[at]);
                let (xx, yy, xy) = (self.square[at] - x * x, square[at] - y * y, product[at] - x * y);
                (2.0 * x * y + C1) * (2.0 * xy + C2) / ((x * x + y * y + C1) * (xx + yy + C2))
            })
            .sum();
        total / mean.len() as f64
    }
}

/// Luma (Rec. 601) in grey levels, 0 to 255, row by row.
#[derive(Clone, Debug)]
struct Luma {
    width: usize,
    height: usize,
    values: Vec<f64>,
}

impl Luma {
    fn of(picture: &RgbImage) -> Self {
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        let samples = picture.as_raw();
        let luma =
            |pixel: &[u8]| 0.299 * f64::from(pixel[0]) + 0.587 * f64::from(pixel[1]) + 0.114 * f64::from(pixel[2]);
        let block = ((width.min(height) as f64 / 256.0).round() as usize).max(1);
        if block == 1 {
            return Self { width, height, values: samples.chunks_exact(3).map(luma).collect() };
        }
        let (columns, rows) = (width / block, height / block);
        let average = |column: usize, row: usize| {
            let lines = (row * block..(row + 1) * block).map(|y| y * width + column * block);
            let line = |start: usize| samples[3 * start..3 * (start + block)].chunks_exact(3).map(luma).sum::<f64>();
            lines.map(line).sum::<f64>() / (block * block) as f64
        };
        let averages = (0..rows).flat_map(|row| (0..columns).map(move |column| (column, row)));
        Self { width: columns, height: rows, values: averages.map(|(column, row)| average(column, row)).collect() }
    }

    /// Returns the weighted mean of `of(value)` at every position where the window lies inside the image.
    fn weighted(&self, kernel: &[f64], of: impl Fn(f64) -> f64) -> Vec<f64> {
        let across = self.width + 1 - kernel.len();
        let down = self.height + 1 - kernel.len();
        let mut rows = vec![0.0; across * self.height];
        for (y, line) in self.values.chunks_exact(self.width).enumerate() {
            for x in 0..across {
                rows[y * across + x] = kernel.iter().zip(&line[x..]).map(|(weight, value)| weight * of(*value)).sum();
            }
        }
        let mut means = vec![0.0; across * down];
        for (y, line) in means.chunks_exact_mut(across).enumerate() {
            for (step, weight) in kernel.iter().enumerate() {
                let row = &rows[(y + step) * across..(y + step + 1) * across];
                line.iter_mut().zip(row).for_each(|(mean, value)| *mean += weight * value);
            }
        }
        means
    }
}
