use proptest::prelude::*;
use stepwise_data::image::sha256_hex;

use super::*;

/// A deterministic image that is not smooth, so that every weight affects the result.
fn drawn(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([0, 1, 2].map(|c| (x * x * (3 + c) + y * 17 * (c + 1) + x * y * 5 + (x ^ y) * 7) as u8))
    })
}

/// Filter, size before, size after, and first digits of the SHA-256 of Pillow 13.0.0's result for [`drawn`].
type Known = (Resample, (u32, u32), (u32, u32), &'static str);

#[rustfmt::skip]
const PILLOW: &[Known] = &[
    (Resample::Lanczos, (37, 29), (64, 64), "2c0401bad69e65f6"),
    (Resample::Lanczos, (37, 29), (11, 7), "c5ad8f82d93b859f"),
    (Resample::Lanczos, (1, 50), (9, 33), "41dda280b36ca1e4"),
    (Resample::Lanczos, (50, 1), (3, 2), "84ed94f51b111e6f"),
    (Resample::Lanczos, (200, 130), (37, 130), "4ff02152f6d36040"),
    (Resample::Lanczos, (200, 130), (200, 41), "448e2081b2a2d50d"),
    (Resample::Lanczos, (2, 2), (257, 3), "f8326abeafbeab86"),
    (Resample::Lanczos, (301, 77), (512, 5), "ed0946494b619124"),
    (Resample::Lanczos, (100, 120), (50, 20), "731218474382bdfb"),
    (Resample::Lanczos, (100, 121), (50, 20), "9206c210d5abdc69"),
    (Resample::Lanczos, (40, 30), (41, 29), "bcde831fa725acf3"),
    (Resample::Lanczos, (68, 204), (51, 51), "a9c21a4d9f3b7570"),
    (Resample::Lanczos, (640, 480), (64, 64), "d698bb59743cc08b"),
    (Resample::Lanczos, (5, 4), (5, 4), "24facfd339c8252a"),
    (Resample::Bilinear, (37, 29), (64, 64), "dfc46eca33bb06e4"),
    (Resample::Bilinear, (37, 29), (11, 7), "be2683057406d445"),
    (Resample::Bilinear, (1, 50), (9, 33), "0acbca71784056cb"),
    (Resample::Bilinear, (50, 1), (3, 2), "fd10159b8cf4ae68"),
    (Resample::Bilinear, (200, 130), (37, 130), "0a7d2d9da72d7a50"),
    (Resample::Bilinear, (200, 130), (200, 41), "e8076c5cd92745cb"),
    (Resample::Bilinear, (2, 2), (257, 3), "7aac16e5211d8736"),
    (Resample::Bilinear, (301, 77), (512, 5), "06f2cdaa733e222a"),
    (Resample::Bilinear, (100, 120), (50, 20), "4fe14a85f7b08e9a"),
    (Resample::Bilinear, (100, 121), (50, 20), "8f705489758db02c"),
    (Resample::Bilinear, (40, 30), (41, 29), "48168d894d569418"),
    (Resample::Bilinear, (68, 204), (51, 51), "a490997bf2aed1ac"),
    (Resample::Bilinear, (640, 480), (64, 64), "f6c844f8e5df63b9"),
    (Resample::Bilinear, (5, 4), (5, 4), "24facfd339c8252a"),
    (Resample::Bicubic, (37, 29), (64, 64), "b11ad8ef4c125ce2"),
    (Resample::Bicubic, (37, 29), (11, 7), "783aefc8b24aa756"),
    (Resample::Bicubic, (1, 50), (9, 33), "bc36883b942843a7"),
    (Resample::Bicubic, (50, 1), (3, 2), "b62de9b68052081a"),
    (Resample::Bicubic, (200, 130), (37, 130), "c2bc106874bc6d86"),
    (Resample::Bicubic, (200, 130), (200, 41), "8779b9ad8d77809b"),
    (Resample::Bicubic, (2, 2), (257, 3), "7c81daa0ebbaa034"),
    (Resample::Bicubic, (301, 77), (512, 5), "1b7fab31d548629f"),
    (Resample::Bicubic, (100, 120), (50, 20), "57c91896e194a53a"),
    (Resample::Bicubic, (100, 121), (50, 20), "9952a91cd1c5a947"),
    (Resample::Bicubic, (40, 30), (41, 29), "efa40d7c1d0608df"),
    (Resample::Bicubic, (68, 204), (51, 51), "5a8ff06b26a55ddf"),
    (Resample::Bicubic, (640, 480), (64, 64), "9733c741785a1353"),
    (Resample::Bicubic, (5, 4), (5, 4), "24facfd339c8252a"),
];

#[test]
fn every_filter_gives_pillows_bytes() {
    for (filter, (width, height), (to_width, to_height), expected) in PILLOW {
        let resized = resize(&drawn(*width, *height), *to_width, *to_height, *filter);
        let digest = sha256_hex(resized.as_raw());
        assert_eq!(&digest[..16], *expected, "{filter:?} {width}x{height} to {to_width}x{to_height}");
    }
}

#[test]
fn the_height_is_resized_first_only_if_it_shrinks_more_than_twice_as_much() {
    let picture = RgbImage::new(100, 121);
    assert!(vertical_first(&picture, 50, 20));
    assert!(!vertical_first(&RgbImage::new(100, 120), 50, 20));
    assert!(vertical_first(&picture, 101, 120), "a growing width loses no pixels");
    assert!(!vertical_first(&RgbImage::new(2, 8), 49, 31), "nothing shrinks");
}

#[test]
fn empty_images_do_not_panic() {
    assert_eq!(resize(&RgbImage::new(0, 3), 2, 2, Resample::Lanczos), RgbImage::new(2, 2));
    assert_eq!(resize(&drawn(3, 3), 0, 2, Resample::Lanczos).dimensions(), (0, 2));
}

proptest! {
    /// Weights add up to 1, so an image of one colour keeps the colour. A missing or extra weight fails this test.
    #[test]
    fn one_colour_stays(
        colour: [u8; 3], width in 1_u32..70, height in 1_u32..70, to_width in 1_u32..90, to_height in 1_u32..90,
        filter in prop_oneof![Just(Resample::Lanczos), Just(Resample::Bilinear), Just(Resample::Bicubic)],
    ) {
        let resized = resize(&RgbImage::from_pixel(width, height, image::Rgb(colour)), to_width, to_height, filter);
        prop_assert_eq!(resized, RgbImage::from_pixel(to_width, to_height, image::Rgb(colour)));
    }
}
