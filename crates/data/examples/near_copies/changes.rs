//! Changes of an image, as copies on the other side of a split have them.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::{
    FilterType, crop_imm, flip_horizontal, flip_vertical, invert, overlay, resize, rotate90, rotate180, rotate270,
};
use image::{Rgb, RgbImage};

/// A change and its name.
pub type Change = (&'static str, fn(&RgbImage) -> RgbImage);

/// All changes.
pub const CHANGES: [Change; 30] = [
    ("JPEG, quality 40", |image| jpeg(image, 40)),
    ("half the size", |image| resized(image, 0.5, 0.5)),
    ("twice the size", |image| resized(image, 2.0, 2.0)),
    ("squashed by a fifth", |image| resized(image, 1.0, 0.8)),
    ("grey", |image| {
        each(image, |pixel| {
            [((299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2])) / 1000) as u8; 3]
        })
    }),
    ("brighter by 30", |image| each(image, |pixel| pixel.map(|value| value.saturating_add(30)))),
    ("contrast 1.4", |image| each(image, |pixel| pixel.map(|value| ((f32::from(value) - 110.0) * 1.4 + 110.0) as u8))),
    ("mirrored left to right", flip_horizontal),
    ("mirrored top to bottom", flip_vertical),
    ("rotated by 90 degrees", rotate90),
    ("rotated by 180 degrees", rotate180),
    ("rotated by 270 degrees", rotate270),
    ("inverted", |image| {
        let mut image = image.clone();
        invert(&mut image);
        image
    }),
    ("rotated by 2 degrees", |image| turned(image, 2.0)),
    ("rotated by 5 degrees", |image| turned(image, 5.0)),
    ("rotated by -10 degrees", |image| turned(image, -10.0)),
    ("rotated by 15 degrees", |image| turned(image, 15.0)),
    ("mirrored, rotated by 10 degrees", |image| turned(&flip_horizontal(image), 10.0)),
    ("rotated by 90 and 12 degrees", |image| turned(&rotate90(image), 12.0)),
    ("inverted, rotated by 7 degrees", |image| {
        let mut image = turned(image, 7.0);
        invert(&mut image);
        image
    }),
    ("cropped by 5 % on all sides", |image| cropped(image, 0.05, 0.05)),
    ("cropped by 10 % on all sides", |image| cropped(image, 0.1, 0.1)),
    ("cropped by 10 % at the left", |image| part(image, 0.1, 0.0, 0.9, 1.0)),
    ("shifted by 5 %", |image| placed(image, 0.05, 0.05, 0)),
    ("padded black by 5 %", |image| padded(image, 0.05, 0)),
    ("padded white by 10 %", |image| padded(image, 0.1, 255)),
    ("padded to a square", |image| {
        let side = image.width().max(image.height());
        let mut square = RgbImage::new(side, side);
        overlay(&mut square, image, i64::from(side - image.width()) / 2, i64::from(side - image.height()) / 2);
        square
    }),
    ("framed", |image| {
        let mut image = image.clone();
        let (width, height) = image.dimensions();
        let wide = width.max(height) / 25 + 1;
        for (x, y, pixel) in image.enumerate_pixels_mut() {
            if x < wide || y < wide || x + wide >= width || y + wide >= height {
                *pixel = Rgb([200, 180, 40]);
            }
        }
        image
    }),
    ("text burned in", |image| written(image, 1)),
    ("much text burned in", |image| written(image, 4)),
];

fn each(image: &RgbImage, change: impl Fn([u8; 3]) -> [u8; 3]) -> RgbImage {
    let mut image = image.clone();
    image.pixels_mut().for_each(|pixel| pixel.0 = change(pixel.0));
    image
}

fn jpeg(image: &RgbImage, quality: u8) -> RgbImage {
    let mut bytes = Vec::new();
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).expect("encodes");
    image::load_from_memory(&bytes).expect("decodes").to_rgb8()
}

fn resized(image: &RgbImage, across: f32, down: f32) -> RgbImage {
    let side = |length: u32, part: f32| ((length as f32 * part) as u32).max(1);
    resize(image, side(image.width(), across), side(image.height(), down), FilterType::Triangle)
}

/// The image rotated clockwise about its centre; corners are black.
fn turned(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = image.dimensions();
    let (middle_x, middle_y) = ((width as f32 - 1.0) / 2.0, (height as f32 - 1.0) / 2.0);
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 - middle_x, y as f32 - middle_y);
        let (u, v) = (cos * x + sin * y + middle_x, cos * y - sin * x + middle_y);
        if u < 0.0 || v < 0.0 || u > width as f32 - 1.0 || v > height as f32 - 1.0 {
            return Rgb([0; 3]);
        }
        let (left, top) = (u as u32, v as u32);
        let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (across, down) = (u - left as f32, v - top as f32);
        let mut pixel = [0; 3];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let at = |x, y| f32::from(image.get_pixel(x, y).0[channel]);
            let upper = at(left, top) * (1.0 - across) + at(right, top) * across;
            let lower = at(left, bottom) * (1.0 - across) + at(right, bottom) * across;
            *value = (upper * (1.0 - down) + lower * down) as u8;
        }
        Rgb(pixel)
    })
}

fn part(image: &RgbImage, left: f32, top: f32, width: f32, height: f32) -> RgbImage {
    let (w, h) = (image.width() as f32, image.height() as f32);
    let size = |part: f32, all: f32| ((part * all) as u32).max(1);
    crop_imm(image, (left * w) as u32, (top * h) as u32, size(width, w), size(height, h)).to_image()
}

fn cropped(image: &RgbImage, across: f32, down: f32) -> RgbImage {
    part(image, across, down, 1.0 - 2.0 * across, 1.0 - 2.0 * down)
}

fn placed(image: &RgbImage, across: f32, down: f32, level: u8) -> RgbImage {
    let mut shifted = RgbImage::from_pixel(image.width(), image.height(), Rgb([level; 3]));
    let by = |part: f32, length: u32| (part * length as f32) as i64;
    overlay(&mut shifted, image, by(across, image.width()), by(down, image.height()));
    shifted
}

fn padded(image: &RgbImage, share: f32, level: u8) -> RgbImage {
    let by = |length: u32| (share * length as f32) as u32;
    let (across, down) = (by(image.width()), by(image.height()));
    let mut larger = RgbImage::from_pixel(image.width() + 2 * across, image.height() + 2 * down, Rgb([level; 3]));
    overlay(&mut larger, image, i64::from(across), i64::from(down));
    larger
}

/// Burns `lines` lines of block letters into the image.
fn written(image: &RgbImage, lines: u32) -> RgbImage {
    const LETTERS: [[u8; 7]; 4] = [
        [0x1e, 0x11, 0x11, 0x1e, 0x14, 0x12, 0x11],
        [0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x1f],
        [0x0e, 0x11, 0x11, 0x1f, 0x11, 0x11, 0x11],
        [0x0e, 0x11, 0x10, 0x17, 0x11, 0x11, 0x0e],
    ];
    let mut image = image.clone();
    let dot = (image.width().max(image.height()) / 120).max(1);
    for line in 0..lines {
        for letter in 0..8u32 {
            for (row, bits) in LETTERS[((letter + line) % 4) as usize].iter().enumerate() {
                for column in (0..5u32).filter(|column| bits >> (4 - column) & 1 == 1) {
                    for (x, y) in (0..dot * dot).map(|at| (at % dot, at / dot)) {
                        let left = dot * (3 + 6 * letter + column) + x;
                        let top = dot * (3 + 9 * line + row as u32) + y;
                        if left < image.width() && top < image.height() {
                            image.put_pixel(left, top, Rgb([255; 3]));
                        }
                    }
                }
            }
        }
    }
    image
}
