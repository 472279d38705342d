//! Images in floating point, for changes that need more precision than bytes. All arithmetic runs in a fixed order and
//! uses no platform-dependent functions, so results agree on every machine.

use image::{Rgb, RgbImage};

use super::geometry::Rect;

/// Returns the mean of all channel values of `picture` inside `rect`, 0 to 255; 0 where the rectangle has no pixel on the
/// image.
#[must_use]
pub fn grey_level(picture: &RgbImage, rect: Rect) -> f64 {
    // Whole numbers, so that the order of the sum does not matter.
    let (mut count, mut sum) = (0u64, 0u64);
    for (x, y) in rect.pixels_in(picture) {
        sum += picture.get_pixel(x, y).0.iter().map(|channel| u64::from(*channel)).sum::<u64>();
        count += 3;
    }
    if count == 0 { 0.0 } else { sum as f64 / count as f64 }
}

/// An RGB image with `f64` channels in grey levels, 0 to 255, for changes that need more precision than bytes.
#[derive(Clone, Debug)]
pub struct Raster {
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// Pixels, row by row from the top; `width * height` of them.
    pub pixels: Vec<[f64; 3]>,
}

impl Raster {
    /// Converts an image of bytes to floating point. Values stay in grey levels, 0 to 255.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        Self {
            width: picture.width() as usize,
            height: picture.height() as usize,
            pixels: picture.pixels().map(|pixel| pixel.0.map(f64::from)).collect(),
        }
    }

    /// Returns the image with every value rounded and clipped to bytes.
    ///
    /// # Panics
    /// When there are fewer pixels than `width * height`.
    #[must_use]
    pub fn picture(&self) -> RgbImage {
        RgbImage::from_fn(self.width as u32, self.height as u32, |x, y| {
            Rgb(self.pixels[y as usize * self.width + x as usize].map(byte))
        })
    }

    /// Returns an image of the same size with every pixel replaced by `change(x, y, pixel)`.
    #[must_use]
    pub fn map(&self, mut change: impl FnMut(usize, usize, [f64; 3]) -> [f64; 3]) -> Self {
        let pixels = self
            .pixels
            .iter()
            .enumerate()
            .map(|(at, pixel)| change(at % self.width, at / self.width, *pixel))
            .collect();
        Self { pixels, ..*self }
    }

    /// Returns the pixel at column `x` and row `y`, counted from 0 at the upper left; for a position outside the image
    /// the nearest pixel inside.
    ///
    /// # Panics
    /// When the image is empty.
    #[must_use]
    pub fn at(&self, x: isize, y: isize) -> [f64; 3] {
        let clamp = |value: isize, side: usize| value.clamp(0, side as isize - 1) as usize;
        self.pixels[clamp(y, self.height) * self.width + clamp(x, self.width)]
    }

    /// Returns the bilinear interpolation at (`x`, `y`). Pixel centres are at whole numbers; positions outside repeat
    /// the edge.
    ///
    /// # Panics
    /// When the image is empty.
    #[must_use]
    pub fn between(&self, x: f64, y: f64) -> [f64; 3] {
        let (x0, y0) = (x.floor(), y.floor());
        let (fx, fy) = (x - x0, y - y0);
        let at = |dx: isize, dy: isize| self.at(x0 as isize + dx, y0 as isize + dy);
        let (a, b, c, d) = (at(0, 0), at(1, 0), at(0, 1), at(1, 1));
        std::array::from_fn(|i| {
            let (upper, lower) = (a[i] + (b[i] - a[i]) * fx, c[i] + (d[i] - c[i]) * fx);
            upper + (lower - upper) * fy
        })
    }

    /// Returns the image blurred by a Gaussian of standard deviation `sigma` pixels, cut at three standard deviations.
    /// Edge pixels are repeated outwards. Not blurred where `sigma` is 0 or less.
    #[must_use]
    pub fn blurred(&self, sigma: f64) -> Self {
        let kernel = normal_kernel(sigma, (3.0 * sigma).ceil() as usize);
        self.along(&kernel, 1, 0).along(&kernel, 0, 1)
    }

    fn along(&self, kernel: &[f64], dx: isize, dy: isize) -> Self {
        let radius = (kernel.len() / 2) as isize;
        self.map(|x, y, _| {
            let mut sum = [0.0; 3];
            for (step, weight) in (-radius..=radius).zip(kernel) {
                let pixel = self.at(x as isize + step * dx, y as isize + step * dy);
                sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += weight * value);
            }
            sum
        })
    }
}

/// Rounds `value` to a whole number and clips it to 0 to 255; NaN gives 0.
#[must_use]
pub fn byte(value: f64) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

/// Returns `2 * radius + 1` weights of a Gaussian of standard deviation `sigma`, in steps of one pixel, that sum to 1;
/// a single weight of 1 when `sigma` is not positive.
#[must_use]
pub fn normal_kernel(sigma: f64, radius: usize) -> Vec<f64> {
    if sigma <= 0.0 {
        return vec![1.0];
    }
    let weight = |step: i64| libm::exp(-0.5 * (step as f64 / sigma) * (step as f64 / sigma));
    let radius = radius as i64;
    let weights: Vec<f64> = (-radius..=radius).map(weight).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

/// Returns the image with every channel value (0 to 255) replaced by `curve(value)`, rounded and clipped. `curve` is
/// called once for each of the 256 values, not for each pixel.
pub fn curved(picture: &RgbImage, curve: impl Fn(f64) -> f64) -> RgbImage {
    let table: Vec<u8> = (0..=255u8).map(|value| byte(curve(f64::from(value)))).collect();
    let mut changed = picture.clone();
    changed.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blur_keeps_flat_pictures_and_spreads_a_point_by_its_deviation() {
        let flat = RgbImage::from_pixel(9, 7, Rgb([10, 20, 30]));
        assert_eq!(Raster::of(&flat).blurred(2.0).picture(), flat);
        let mut point = Raster::of(&RgbImage::new(41, 41));
        point.pixels[20 * 41 + 20] = [1.0; 3];
        let blurred = point.blurred(3.0);
        let (mut mass, mut spread) = (0.0, 0.0);
        for (at, pixel) in blurred.pixels.iter().enumerate() {
            let x = (at % 41) as f64 - 20.0;
            (mass, spread) = (mass + pixel[0], spread + pixel[0] * x * x);
        }
        // A Gaussian cut half a pixel beyond three deviations keeps 0.984 of its variance.
        assert!((mass - 1.0).abs() < 1e-12 && (spread / 9.0 - 0.984).abs() < 0.001, "{mass} {spread}");
        assert_eq!(Raster::of(&flat).blurred(0.0).picture(), flat);
    }

    #[test]
    fn between_pixels_is_linear() {
        let ramp = RgbImage::from_fn(4, 4, |x, y| Rgb([10 * x as u8, 20 * y as u8, 0]));
        let raster = Raster::of(&ramp);
        assert_eq!(raster.between(1.5, 2.25), [15.0, 45.0, 0.0]);
        assert_eq!(raster.between(-3.0, 9.0), [0.0, 60.0, 0.0]);
    }
}
