//! Shapes on the pixel grid. A pixel is inside a shape when its centre is inside.

use image::{GrayImage, Luma};

use super::shape::Shape;

/// Returns the mask of the pixels of a `side` x `side` image that are inside all of `shapes`: 255 inside, 0 outside.
pub(super) fn mask(shapes: &[&Shape], side: u32) -> GrayImage {
    let mut mask = GrayImage::new(side, side);
    let bounds: Vec<[f64; 4]> = shapes.iter().map(|shape| shape.bounds()).collect();
    let pixel = |edge: f64| (edge.clamp(0.0, 1.0) * f64::from(side)) as u32;
    let first = |axis: usize| bounds.iter().map(|b| pixel(b[axis])).max().unwrap_or(0);
    let last = |axis: usize| bounds.iter().map(|b| pixel(b[axis])).min().unwrap_or(side).min(side - 1);
    for y in first(1)..=last(3) {
        for x in first(0)..=last(2) {
            let point = centre(x, y, side);
            if shapes.iter().all(|shape| shape.distance(point) <= 0.0) {
                mask.put_pixel(x, y, Luma([255]));
            }
        }
    }
    mask
}

/// Returns the mask of the pixels inside both masks, with the size of `a`.
///
/// # Panics
/// When `b` is smaller than `a`.
pub(super) fn both(a: &GrayImage, b: &GrayImage) -> GrayImage {
    GrayImage::from_fn(a.width(), a.height(), |x, y| Luma([a.get_pixel(x, y).0[0] & b.get_pixel(x, y).0[0]]))
}

/// Returns the centre of a pixel in image units: the image's side is 1.
pub(super) fn centre(x: u32, y: u32, side: u32) -> [f64; 2] {
    [(f64::from(x) + 0.5) / f64::from(side), (f64::from(y) + 0.5) / f64::from(side)]
}

/// Returns the half-open bounds `[x0, y0, x1, y1]` of the non-zero pixels; None where there are none.
pub(super) fn bounds(mask: &GrayImage) -> Option<[f64; 4]> {
    let mut found: Option<[u32; 4]> = None;
    for (x, y, _) in mask.enumerate_pixels().filter(|(_, _, pixel)| pixel.0[0] > 0) {
        let [x0, y0, x1, y1] = found.unwrap_or([x, y, x, y]);
        found = Some([x0.min(x), y0.min(y), x1.max(x), y1.max(y)]);
    }
    found.map(|[x0, y0, x1, y1]| [x0, y0, x1 + 1, y1 + 1].map(f64::from))
}

/// Returns the number of non-zero pixels.
pub(super) fn area(mask: &GrayImage) -> usize {
    mask.pixels().filter(|pixel| pixel.0[0] > 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bounds_touch_the_mask_on_every_side(x in 0.1..0.9, y in 0.1..0.9, r in 0.05..0.4) {
            let mask = mask(&[&Shape::disc([x, y], r)], 40);
            let [x0, y0, x1, y1] = bounds(&mask).expect("the disc covers pixels");
            let inside = |x: u32, y: u32| mask.get_pixel(x, y).0[0] > 0;
            let [left, top, right, bottom] = [x0, y0, x1 - 1.0, y1 - 1.0].map(|v| v as u32);
            prop_assert!((top..=bottom).any(|y| inside(left, y)) && (top..=bottom).any(|y| inside(right, y)));
            prop_assert!((left..=right).any(|x| inside(x, top)) && (left..=right).any(|x| inside(x, bottom)));
            for (x, y, pixel) in mask.enumerate_pixels() {
                let boxed = (left..=right).contains(&x) && (top..=bottom).contains(&y);
                prop_assert!(boxed || pixel.0[0] == 0);
            }
        }
    }
}
