use image::imageops::{crop_imm, flip_horizontal, invert, overlay, rotate90};
use image::{Rgb, RgbImage};

use super::*;
use crate::near_duplicates::{Fingerprint, near_duplicates};
use crate::synth::{self, SynthOptions};

fn picture(number: u64) -> RgbImage {
    synth::case(number, &SynthOptions { image_size: 192, ..SynthOptions::default() }).image
}

/// The image rotated clockwise about its centre; corners are black.
fn turned(image: &RgbImage, degrees: f32) -> RgbImage {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let (width, height) = image.dimensions();
    let middle = [width as f32 / 2.0, height as f32 / 2.0];
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x as f32 - middle[0], y as f32 - middle[1]);
        let (u, v) = (cos * x + sin * y + middle[0], cos * y - sin * x + middle[1]);
        let is_inside = u >= 0.0 && v >= 0.0 && u < width as f32 && v < height as f32;
        if is_inside { *image.get_pixel(u as u32, v as u32) } else { Rgb([0; 3]) }
    })
}

/// The image on a larger or equal one of a colour.
fn placed(image: &RgbImage, (width, height): (u32, u32), (x, y): (i64, i64), level: u8) -> RgbImage {
    let mut larger = RgbImage::from_pixel(width, height, Rgb([level; 3]));
    overlay(&mut larger, image, x, y);
    larger
}

fn changed(image: &RgbImage) -> Vec<(&'static str, RgbImage)> {
    let (width, height) = image.dimensions();
    let (across, down) = (width / 12, height / 12);
    let cropped = crop_imm(image, across, down, width - 2 * across, height - 2 * down).to_image();
    let mut written = rotate90(image);
    (0..30).for_each(|x| (0..6).for_each(|y| written.put_pixel(4 + x, 4 + y, Rgb([255 * ((x / 2 + y) % 2) as u8; 3]))));
    let mut framed = image.clone();
    for (x, y, pixel) in framed.enumerate_pixels_mut() {
        if x < 7 || y < 7 || x + 7 >= width || y + 7 >= height {
            *pixel = Rgb([230, 200, 20]);
        }
    }
    let mut inverted = turned(image, 7.0);
    invert(&mut inverted);
    vec![
        ("rotated by 6 degrees", turned(image, 6.0)),
        ("rotated by -15 degrees", turned(image, -15.0)),
        ("mirrored and rotated by 10 degrees", turned(&flip_horizontal(image), 10.0)),
        ("inverted and rotated by 7 degrees", inverted),
        ("cropped", cropped),
        ("padded", placed(image, (width + 2 * across, height + 2 * down), (across.into(), down.into()), 0)),
        ("shifted", placed(image, (width, height), (i64::from(width / 20), i64::from(height / 20)), 0)),
        ("framed", framed),
        ("written on and rotated by 90 degrees", written),
    ]
}

#[test]
fn changed_copies_are_found_and_other_images_are_not() {
    let originals: Vec<Fingerprint> = (0..12).map(|number| Fingerprint::of(&picture(number))).collect();
    let mut missed = Vec::new();
    for number in 0..4usize {
        for (change, copy) in changed(&picture(number as u64)) {
            let copy = Fingerprint::of(&copy);
            let all: Vec<&Fingerprint> = originals.iter().chain([&copy]).collect();
            let found: Vec<usize> =
                near_duplicates(&all, |_, other| other == originals.len()).iter().map(|pair| pair.one).collect();
            assert!(found.iter().all(|one| *one == number), "{change} of {number}: {found:?}");
            if found.is_empty() {
                missed.push(format!("{change} of {number}"));
            }
        }
    }
    // The thresholds keep different images apart, so some copies are missed.
    assert!(missed.len() <= 18, "{missed:#?}");
}

#[test]
fn two_hundred_different_images_are_no_copies() {
    let options = SynthOptions { image_size: 96, ..SynthOptions::default() };
    let images: Vec<u64> = (0..200).collect();
    let all: Vec<Details> = parallel::map(&images, |number| Details::of(&synth::case(*number, &options).image));
    assert_eq!(copies(&all.iter().collect::<Vec<_>>(), &|_, _| true), []);
}

#[test]
fn the_pose_of_a_copy_is_named() {
    let original = picture(2);
    for (copy, words) in [
        (turned(&original, 12.0), "rotated by 12 degrees clockwise"),
        (turned(&original, -9.0), "rotated by 9 degrees anticlockwise"),
        (turned(&flip_horizontal(&original), 12.0), "mirrored left to right and rotated by 12 degrees clockwise"),
    ] {
        let (one, other) = (Details::of(&original), Details::of(&copy));
        let found = copies(&[&one, &other], &|_, _| true);
        assert_eq!(found.iter().map(|(_, pose)| pose.to_string()).collect::<Vec<_>>(), [words]);
    }
}

#[test]
fn images_without_details_are_no_copies() {
    for size in [(1, 1), (3, 200), (64, 64)] {
        let plain = Details::of(&RgbImage::from_pixel(size.0, size.1, Rgb([90; 3])));
        assert_eq!(copies(&[&plain, &plain], &|_, _| true), []);
    }
    assert_eq!(copies(&[], &|_, _| true), []);
    let empty = Details::of(&RgbImage::new(0, 0));
    assert_eq!(copies(&[&empty, &empty], &|_, _| true), []);
}
