//! Boxes, points and masks, turned as an EXIF orientation turns their image.

use image::metadata::Orientation;
use image::{DynamicImage, GrayImage};
use stepwise_data::image::Mask;

/// Turns a box on an image of `width` x `height` stored pixels as its EXIF orientation turns the image.
pub(super) fn turned_box([x0, y0, x1, y1]: [f64; 4], [width, height]: [f64; 2], orientation: Orientation) -> [f64; 4] {
    match orientation {
        Orientation::NoTransforms => [x0, y0, x1, y1],
        Orientation::FlipHorizontal => [width - x1, y0, width - x0, y1],
        Orientation::Rotate180 => [width - x1, height - y1, width - x0, height - y0],
        Orientation::FlipVertical => [x0, height - y1, x1, height - y0],
        Orientation::Rotate90FlipH => [y0, x0, y1, x1],
        Orientation::Rotate90 => [height - y1, x0, height - y0, x1],
        Orientation::Rotate270FlipH => [height - y1, width - x1, height - y0, width - x0],
        Orientation::Rotate270 => [y0, width - x1, y1, width - x0],
    }
}

/// Turns a point like [`turned_box`].
pub(super) fn turned_point([x, y]: [f64; 2], size: [f64; 2], orientation: Orientation) -> [f64; 2] {
    let [x, y, ..] = turned_box([x, y, x, y], size, orientation);
    [x, y]
}

/// Turns a mask on stored pixels as an EXIF orientation turns the image.
pub(super) fn turned_mask(mask: &Mask, orientation: Orientation) -> Mask {
    let raw = mask.inside.iter().map(|inside| u8::from(*inside)).collect();
    // Cannot be None: a mask has as many values as pixels.
    let mut image = DynamicImage::from(GrayImage::from_raw(mask.width, mask.height, raw).unwrap_or_default());
    image.apply_orientation(orientation);
    let image = image.into_luma8();
    let (width, height) = image.dimensions();
    Mask { width, height, inside: image.into_raw().into_iter().map(|value| value > 0).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_turn_as_the_pixels_do() {
        // One pixel of an image of 5 x 3 is white.
        let white = GrayImage::from_fn(5, 3, |x, y| image::Luma([if (x, y) == (1, 2) { 255 } else { 0 }]));
        for number in 1..=8 {
            let orientation = Orientation::from_exif(number).expect("known");
            let mut picture = DynamicImage::from(white.clone());
            picture.apply_orientation(orientation);
            let [x0, y0, x1, y1] = turned_box([1.0, 2.0, 2.0, 3.0], [5.0, 3.0], orientation);
            assert_eq!((x1 - x0, y1 - y0), (1.0, 1.0));
            assert_eq!(picture.to_luma8().get_pixel(x0 as u32, y0 as u32).0, [255], "orientation {number}");
        }
    }
}
