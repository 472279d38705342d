//! Uniform borders of images: padding, frames, and the black around a scan.

use image::RgbImage;
use image::imageops::crop_imm;

/// Largest difference of the luma of border pixels from the mean of the outermost line, as a part of the range of luma in
/// the image: of the first border at each side, and of further ones inside it. Smaller inside, so that an image with smooth
/// edges keeps them when it is padded.
const TOLERANCES: [f32; 2] = [0.03, 0.015];

/// Largest mean difference and largest difference, in the same unit, of the lines beside a border in which JPEG
/// compression mixes it with the image.
const RINGING: [f32; 2] = [0.03, 0.1];

/// Most such lines: the side of a JPEG block.
const BLOCK: usize = 8;

/// Smallest side of the content as a part of the side of the image. Less is a small thing on an empty image.
const SMALLEST: f32 = 0.25;

/// Side in pixels from which two lines beside a border are taken off with it; one line of smaller images. Resizing and
/// compression mix these lines with the border.
const LARGE: usize = 256;

/// Returns the image without its outermost uniform borders, each of which may have its own grey level, and without all of
/// its borders where there are further ones inside, in both without the lines that resizing mixed with a border. A padded
/// copy has the border of the original inside the padding. Empty where the image has no border, or hardly anything beside.
pub(super) fn without_borders(picture: &RgbImage) -> Vec<RgbImage> {
    let luma = Luma::of(picture);
    let whole = Area { left: 0, top: 0, right: luma.width, bottom: luma.height };
    let mut areas = vec![whole];
    for tolerance in TOLERANCES.into_iter().chain(std::iter::repeat(TOLERANCES[1])) {
        let mut area = areas[areas.len() - 1];
        SIDES.iter().for_each(|side| luma.trim(&mut area, *side, tolerance));
        if areas.contains(&area) {
            break;
        }
        areas.push(area);
    }
    let outermost = areas.get(1);
    let all = areas.get(2..).and_then(<[Area]>::last);
    let inside = outermost.into_iter().chain(all).filter_map(|area| luma.content(*area));
    inside
        .map(|Area { left, top, right, bottom }| {
            crop_imm(picture, left as u32, top as u32, (right - left) as u32, (bottom - top) as u32).to_image()
        })
        .collect()
}

/// Part of an image in pixels; right and bottom are just outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Area {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
}

/// Side of an image.
#[derive(Clone, Copy, Debug)]
enum Side {
    Left,
    Top,
    Right,
    Bottom,
}

const SIDES: [Side; 4] = [Side::Top, Side::Bottom, Side::Left, Side::Right];

/// Luma of the pixels in row-major order.
struct Luma {
    width: usize,
    height: usize,
    values: Vec<f32>,
    /// Difference of the highest and the lowest luma.
    range: f32,
}

impl Luma {
    fn of(picture: &RgbImage) -> Self {
        let luma = |pixel: &image::Rgb<u8>| {
            let [red, green, blue] = pixel.0.map(f32::from);
            0.299 * red + 0.587 * green + 0.114 * blue
        };
        let values: Vec<f32> = picture.pixels().map(luma).collect();
        let low = values.iter().copied().fold(f32::MAX, f32::min);
        let high = values.iter().copied().fold(f32::MIN, f32::max);
        let (width, height) = (picture.width() as usize, picture.height() as usize);
        Self { width, height, values, range: high - low }
    }

    /// Returns the area without the lines that resizing mixed with a border; None where hardly anything is left.
    fn content(&self, mut area: Area) -> Option<Area> {
        let mixed = |border: usize, side: usize| if border == 0 { 0 } else { 1 + usize::from(side >= LARGE) };
        area.left += mixed(area.left, self.width);
        area.top += mixed(area.top, self.height);
        area.right -= mixed(self.width - area.right, self.width).min(area.right);
        area.bottom -= mixed(self.height - area.bottom, self.height).min(area.bottom);
        let (width, height) = (area.right.saturating_sub(area.left), area.bottom.saturating_sub(area.top));
        let is_large = |part: usize, all: usize| part > 0 && part as f32 >= SMALLEST * all as f32;
        (is_large(width, self.width) && is_large(height, self.height)).then_some(area)
    }

    /// Luma along one line of the area: its outermost one at a side, `depth` lines further inside.
    fn line(&self, area: &Area, side: Side, depth: usize) -> impl Iterator<Item = f32> {
        let (from, step, count) = match side {
            Side::Top => ((area.top + depth) * self.width + area.left, 1, area.right - area.left),
            Side::Bottom => ((area.bottom - 1 - depth) * self.width + area.left, 1, area.right - area.left),
            Side::Left => (area.top * self.width + area.left + depth, self.width, area.bottom - area.top),
            Side::Right => (area.top * self.width + area.right - 1 - depth, self.width, area.bottom - area.top),
        };
        (0..count).map(move |place| self.values[from + place * step])
    }

    /// Takes the border at a side off the area, with the lines in which compression mixes it with the image. Leaves at
    /// least one line.
    fn trim(&self, area: &mut Area, side: Side, tolerance: f32) {
        let (width, height) = (area.right - area.left, area.bottom - area.top);
        let (lines, count) = match side {
            Side::Top | Side::Bottom => (height, width),
            Side::Left | Side::Right => (width, height),
        };
        if lines < 2 || count == 0 {
            return;
        }
        let level = self.line(area, side, 0).sum::<f32>() / count as f32;
        let largest = |line: &usize| {
            self.line(area, side, *line).map(|value| (value - level).abs()).fold(0.0, f32::max) / self.range.max(1.0)
        };
        let mean = |line: &usize| {
            let sum: f32 = self.line(area, side, *line).map(|value| (value - level).abs()).sum();
            sum / count as f32 / self.range.max(1.0)
        };
        let uniform = (0..lines - 1).take_while(|line| largest(line) <= tolerance).count();
        let is_mixed = |line: &usize| mean(line) <= RINGING[0] && largest(line) <= RINGING[1];
        let mixed = (uniform..lines - 1).take(BLOCK).take_while(is_mixed).count();
        let border = if uniform < 2 { uniform } else { uniform + mixed };
        match side {
            Side::Top => area.top += border,
            Side::Bottom => area.bottom -= border,
            Side::Left => area.left += border,
            Side::Right => area.right -= border,
        }
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    fn body(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([((x * 37 + y * 91) % 200) as u8 + 30; 3]))
    }

    /// The body on an image of `size` at `place`; pixels outside have the level that `around` gives.
    fn on(size: (u32, u32), place: (u32, u32), body: &RgbImage, around: impl Fn(u32, u32) -> u8) -> RgbImage {
        RgbImage::from_fn(size.0, size.1, |x, y| match (x.checked_sub(place.0), y.checked_sub(place.1)) {
            (Some(u), Some(v)) if u < body.width() && v < body.height() => *body.get_pixel(u, v),
            _ => Rgb([around(x, y); 3]),
        })
    }

    #[test]
    fn borders_of_one_or_several_levels_are_taken_off_with_the_line_beside_them() {
        let body = body(50, 40);
        assert_eq!(without_borders(&body), []);
        let inner = crop_imm(&body, 1, 1, 48, 38).to_image();
        for around in [
            (|_, _| 0) as fn(u32, u32) -> u8,
            |_, _| 255,
            |x, y| 3 + ((x + y) % 5) as u8,
            |x, _| if x < 7 { 0 } else { 255 },
            |_, y| if y < 4 { 250 } else { 10 },
        ] {
            assert_eq!(without_borders(&on((64, 49), (7, 4), &body, around)).last(), Some(&inner));
        }
        let below = crop_imm(&body, 0, 1, 50, 39).to_image();
        assert_eq!(without_borders(&on((50, 49), (0, 9), &body, |_, _| 255)), [below]);
    }

    #[test]
    fn the_border_inside_a_padding_is_taken_off_in_a_second_step() {
        let body = body(50, 40);
        let scan = on((60, 52), (5, 6), &body, |_, _| 0);
        let padded = on((72, 62), (6, 5), &scan, |_, _| 255);
        let [outer, inner] = without_borders(&padded).try_into().expect("two steps");
        assert_eq!(outer, crop_imm(&scan, 1, 1, 58, 50).to_image());
        assert_eq!(inner, crop_imm(&body, 1, 1, 48, 38).to_image());
    }

    #[test]
    fn uniform_and_nearly_empty_images_have_no_content() {
        for size in [(0, 0), (1, 1), (1, 9), (40, 30)] {
            assert_eq!(without_borders(&RgbImage::from_pixel(size.0, size.1, Rgb([7; 3]))), [], "{size:?}");
        }
        assert_eq!(without_borders(&on((100, 100), (40, 40), &body(20, 20), |_, _| 0)), []);
    }
}
