//! Structural similarity compared with scikit-image (tests/parity/ssim_reference.py).

use image::{Rgb, RgbImage};
use serde::Deserialize;
use stepwise_benchmark::perturb::image::corruption::ssim::Reference;

#[derive(Deserialize)]
struct Stored {
    cases: Vec<Compared>,
}

#[derive(Deserialize)]
struct Compared {
    width: u32,
    height: u32,
    how: String,
    ssim: f64,
}

fn picture(width: u32, height: u32, seed: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let base = x * x * 3 / 16 + y * y * 5 / 16 + x * y * 7 / 32 + seed * 17;
        Rgb([0, 31, 62].map(|channel| ((base + channel) % 256) as u8))
    })
}

fn distorted(original: &RgbImage, how: &str) -> RgbImage {
    let (width, height) = original.dimensions();
    RgbImage::from_fn(width, height, |x, y| {
        let pixel = original.get_pixel(x, y).0;
        Rgb(match how {
            "same" => pixel,
            "brighter" => pixel.map(|value| value.saturating_add(40)),
            "flatter" => pixel.map(|value| (u32::from(value) * 3 / 8 + 80) as u8),
            "speckled" if (x * 13 + y * 29).is_multiple_of(7) => [255; 3],
            "speckled" => pixel,
            how => panic!("{how} is not known"),
        })
    })
}

#[test]
fn similarities_equal_those_of_scikit_image() {
    let stored: Stored =
        serde_json::from_str(include_str!("../../../../tests/parity/ssim.json")).expect("the committed reference");
    assert_eq!(stored.cases.len(), 25);
    for Compared { width, height, how, ssim } in stored.cases {
        let original = picture(width, height, 1);
        // The other image is made once, not once per pixel.
        let changed = if how == "other" { picture(width, height, 9) } else { distorted(&original, &how) };
        let found = Reference::new(&original).ssim(&changed);
        assert!((found - ssim).abs() < 1e-9, "{width}x{height} {how}: {found} here, {ssim} there");
    }
}

#[test]
fn images_smaller_than_the_window_are_compared() {
    for side in [1, 2, 7, 10] {
        let (one, other) = (picture(side, side + 3, 1), picture(side, side + 3, 9));
        assert!((Reference::new(&one).ssim(&one) - 1.0).abs() < 1e-12);
        assert!(Reference::new(&one).ssim(&other) < 1.0);
    }
}
