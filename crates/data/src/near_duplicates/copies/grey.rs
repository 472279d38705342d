//! Small grey images, on which keypoints are found and registered copies are compared.

use image::RgbImage;

use crate::dhash::{grid_sums, luma_sums};

/// Grey image in row-major order.
pub(super) struct Grey {
    /// Width in pixels, at least 1.
    pub(super) width: usize,
    /// Height in pixels, at least 1.
    pub(super) height: usize,
    /// Values of the pixels.
    pub(super) values: Vec<f32>,
}

impl Grey {
    /// Computes the luma, 0 to 255, of an image whose longer side becomes `longest` pixels; the shape is kept. An image
    /// without pixels is black.
    pub(super) fn of(picture: &RgbImage, longest: u32) -> Self {
        let (width, height) = (picture.width().max(1), picture.height().max(1));
        let side = |length: u32| {
            let scaled = f64::from(length) * f64::from(longest) / f64::from(width.max(height));
            (scaled.round() as u32).max(1)
        };
        let (across, down) = (side(width), side(height));
        let area = 1000.0 * (u64::from(width) * u64::from(height)) as f32;
        let values = luma_sums(picture, across, down).into_iter().map(|sum| sum as f32 / area).collect();
        Self { width: across as usize, height: down as usize, values }
    }

    /// Returns the image with a longer side of `longest` pixels.
    pub(super) fn reduced(&self, longest: u32) -> Self {
        let side = |length: usize| {
            let scaled = length as f64 * f64::from(longest) / self.width.max(self.height) as f64;
            (scaled.round() as u32).max(1)
        };
        let (across, down) = (side(self.width), side(self.height));
        let rows = self.values.chunks_exact(self.width).map(|row| row.iter().map(|value| (256.0 * value) as u64));
        let area = 256.0 * (self.width * self.height) as f32;
        let sums = grid_sums(rows, (self.width as u32, self.height as u32), (across, down));
        Self {
            width: across as usize,
            height: down as usize,
            values: sums.into_iter().map(|sum| sum as f32 / area).collect(),
        }
    }

    /// Returns the value at a position, in pixels from the centre of the top left pixel, by linear interpolation.
    /// Outside the image the nearest pixel counts.
    pub(super) fn sample(&self, x: f32, y: f32) -> f32 {
        let (x, y) = (x.clamp(0.0, (self.width - 1) as f32), y.clamp(0.0, (self.height - 1) as f32));
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(self.width - 1), (top + 1).min(self.height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let row = |row: usize| {
            let values = &self.values[row * self.width..];
            values[left] + across * (values[right] - values[left])
        };
        let (upper, lower) = (row(top), row(bottom));
        upper + down * (lower - upper)
    }

    /// Returns the image blurred by a Gaussian of standard deviation `sigma` pixels. Outside the image the nearest pixel
    /// counts.
    pub(super) fn blurred(&self, sigma: f32) -> Self {
        let reach = (3.0 * sigma).ceil() as usize;
        let weight = |distance: usize| (-((distance * distance) as f32) / (2.0 * sigma * sigma)).exp();
        let weights: Vec<f32> = (0..=2 * reach).map(|place| weight(place.abs_diff(reach))).collect();
        let total: f32 = weights.iter().sum();
        let weights: Vec<f32> = weights.into_iter().map(|weight| weight / total).collect();
        let (width, height) = (self.width, self.height);
        let mut across = vec![0.0; width * height];
        let mut line = vec![0.0; width + 2 * reach];
        for (row, blurred) in self.values.chunks_exact(width).zip(across.chunks_exact_mut(width)) {
            line[..reach].fill(row[0]);
            line[reach..reach + width].copy_from_slice(row);
            line[reach + width..].fill(row[width - 1]);
            for (place, weight) in weights.iter().enumerate() {
                blurred.iter_mut().zip(&line[place..]).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        let mut values = vec![0.0; width * height];
        for (y, blurred) in values.chunks_exact_mut(width).enumerate() {
            for (place, weight) in weights.iter().enumerate() {
                let from = (y + place).saturating_sub(reach).min(height - 1);
                let row = &across[from * width..][..width];
                blurred.iter_mut().zip(row).for_each(|(sum, value)| *sum += weight * value);
            }
        }
        Self { width, height, values }
    }
}
