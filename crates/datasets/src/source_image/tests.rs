//! Image files of sources: kinds, mappings, DICOM, and files that are refused.

use std::io::Cursor;
use std::path::Path;

use image::codecs::tiff::TiffEncoder;
use image::{
    DynamicImage, ExtendedColorType, GrayImage, ImageBuffer, ImageEncoder as _, ImageFormat, Luma, Rgb, RgbImage, Rgba,
    RgbaImage,
};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use stepwise_data::case::SourceKind;

use super::*;

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).expect("encodes");
    bytes.into_inner()
}

fn read_as(bytes: &[u8], name: &str, options: &PixelOptions) -> SourceImage {
    read(bytes, Path::new(name), options).unwrap_or_else(|refused| panic!("{name}: {refused}"))
}

#[track_caller]
fn assert_refused(bytes: &[u8], name: &str, options: &PixelOptions, expected: &str) {
    let refused = read(bytes, Path::new(name), options).expect_err("refused").to_string();
    assert!(refused.contains(expected) && refused.contains(" -> "), "{refused}");
}

fn intensity(text: &str) -> PixelOptions {
    PixelOptions { intensity: Some(text.parse().expect("a mapping")), ..PixelOptions::default() }
}

fn gradient() -> GrayImage {
    GrayImage::from_fn(20, 10, |x, y| Luma([(x * 11 + y) as u8]))
}

#[test]
fn tiff_webp_and_bmp_give_the_pixels_of_png() {
    let colour = RgbImage::from_fn(20, 10, |x, y| Rgb([(x * 12) as u8, (y * 20) as u8, 9]));
    for (format, kind) in [
        (ImageFormat::Tiff, SourceKind::Tiff),
        (ImageFormat::WebP, SourceKind::Webp),
        (ImageFormat::Bmp, SourceKind::Bmp),
    ] {
        for picture in [DynamicImage::from(gradient()), colour.clone().into()] {
            let found = read_as(&encoded(picture.clone(), format), "a", &PixelOptions::default());
            assert_eq!(found.picture.to_rgb8(), picture.to_rgb8(), "{kind:?}");
            let pixels = found.pixels.expect("converted");
            assert_eq!((pixels.kind, pixels.bits, pixels.mapping), (kind, 8, None));
        }
    }
    let copied = read_as(&encoded(gradient(), ImageFormat::Png), "a.png", &PixelOptions::default());
    assert_eq!(copied.pixels, None);
}

fn deep(value: impl Fn(u32) -> u16) -> ImageBuffer<Luma<u16>, Vec<u16>> {
    ImageBuffer::from_fn(64, 64, |x, y| Luma([value(64 * y + x)]))
}

#[test]
fn sixteen_bits_that_fill_little_of_their_range_need_a_mapping() {
    let twelve = deep(|place| place as u16);
    for (format, name) in [(ImageFormat::Png, "a.png"), (ImageFormat::Tiff, "a.tif")] {
        let bytes = encoded(twelve.clone(), format);
        assert_refused(&bytes, name, &PixelOptions::default(), "less than an eighth of the 16-bit range");
        assert_refused(&bytes, name, &PixelOptions::default(), "--intensity 12bit");
        for (mapping, expected, recorded) in [
            ("12bit", [0, 64, 255], "0:4095"),
            ("1000:3000", [0, 3, 255], "1000:3000"),
            ("min-max", [0, 64, 255], "0:4095"),
            ("window:2048/4096", [0, 64, 255], "window:2048/4096"),
        ] {
            let found = read_as(&bytes, name, &intensity(mapping));
            let levels = found.picture.to_luma8();
            let at = |value: u32| levels.get_pixel(value % 64, value / 64).0[0];
            assert_eq!([at(0), at(1024), at(4095)], expected, "{mapping}");
            let pixels = found.pixels.expect("converted");
            assert_eq!((pixels.bits, pixels.mapping.as_deref()), (16, Some(recorded)));
            assert_eq!(pixels.window.is_some(), mapping.starts_with("window"));
        }
    }
    // Hounsfield units that are stored with an offset.
    let units = encoded(deep(|place| (32_768 - 1024 + place) as u16), ImageFormat::Png);
    let options = PixelOptions { offset: -32_768, ..intensity("window:40/400") };
    let levels = read_as(&units, "a.png", &options).picture.to_luma8();
    let at = |unit: i32| levels.get_pixel(((unit + 1024) % 64) as u32, ((unit + 1024) / 64) as u32).0[0];
    assert_eq!([at(-1000), at(-160), at(40), at(239), at(1000)], [0, 0, 128, 255, 255]);
}

#[test]
fn sixteen_bits_that_fill_their_range_are_scaled_as_in_training() {
    let wide = deep(|place| (place * 16) as u16);
    let png = read_as(&encoded(wide.clone(), ImageFormat::Png), "a.png", &PixelOptions::default());
    let tiff = read_as(&encoded(wide, ImageFormat::Tiff), "a.tif", &PixelOptions::default());
    assert_eq!(png.picture.to_rgb8(), tiff.picture.to_rgb8());
    assert_eq!((png.pixels, tiff.pixels.and_then(|pixels| pixels.mapping)), (None, Some("0:65535".into())));
}

#[test]
fn hidden_colours_palettes_and_single_bits_are_named() {
    let hidden = RgbaImage::from_fn(8, 8, |x, _| Rgba([200, 10, 10, if x < 4 { 0 } else { 255 }]));
    let found = read_as(&encoded(hidden, ImageFormat::Png), "a.png", &PixelOptions::default());
    assert!(found.remarks[0].contains("transparent pixels hold colours"), "{:?}", found.remarks);
    let opaque = RgbaImage::from_pixel(8, 8, Rgba([200, 10, 10, 255]));
    assert_eq!(read_as(&encoded(opaque, ImageFormat::Png), "a.png", &PixelOptions::default()).remarks, [""; 0]);
    let palette = include_bytes!("../../../../tests/fuzz/corpus/picture/sound-palette.png");
    assert!(read_as(palette, "a.png", &PixelOptions::default()).remarks[0].contains("palette"));
    let bit = include_bytes!("../../../../tests/fuzz/corpus/picture/sound-bit.png");
    assert!(read_as(bit, "a.png", &PixelOptions::default()).remarks[0].contains("1-bit"));
}

#[test]
fn several_images_cmyk_and_floats_are_refused() {
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("writable");
    for _ in 0..2 {
        encoder.write_image::<tiff::encoder::colortype::Gray8>(4, 4, &[7; 16]).expect("encodes");
    }
    assert_refused(bytes.get_ref(), "a.tif", &PixelOptions::default(), "more than one page");
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("writable");
    encoder.write_image::<tiff::encoder::colortype::CMYK8>(2, 2, &[7; 16]).expect("encodes");
    assert_refused(bytes.get_ref(), "a.tif", &PixelOptions::default(), "CMYK");
    let mut bytes = Cursor::new(Vec::new());
    let samples: Vec<u8> = [0.5f32; 12].iter().flat_map(|sample| sample.to_ne_bytes()).collect();
    TiffEncoder::new(&mut bytes).write_image(&samples, 2, 2, ExtendedColorType::Rgb32F).expect("encodes");
    assert_refused(bytes.get_ref(), "a.tif", &PixelOptions::default(), "floating-point");
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("writable");
    encoder.write_image::<tiff::encoder::colortype::Gray32Float>(2, 2, &[0.5; 4]).expect("encodes");
    assert_refused(bytes.get_ref(), "a.tif", &PixelOptions::default(), "floating-point");
    let mut bytes = Cursor::new(Vec::new());
    let mut encoder = tiff::encoder::TiffEncoder::new(&mut bytes).expect("writable");
    encoder.write_image::<tiff::encoder::colortype::Gray64>(2, 2, &[7; 4]).expect("encodes");
    assert_refused(bytes.get_ref(), "a.tif", &PixelOptions::default(), "a.tif: has samples of a kind that is not read");
    let mut animated = encoded(gradient(), ImageFormat::Png);
    let control = [&8u32.to_be_bytes()[..], b"acTL", &2u32.to_be_bytes(), &0u32.to_be_bytes()].concat();
    let crc = crc32(&control[4..]).to_be_bytes();
    animated.splice(33..33, [control, crc.to_vec()].concat());
    assert_refused(&animated, "a.png", &PixelOptions::default(), "animated PNG");
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    })
}

#[test]
fn bombs_and_damaged_files_are_refused() {
    // A BMP header that promises 60,000 x 60,000 pixels.
    let mut bomb = encoded(gradient(), ImageFormat::Bmp);
    bomb[18..22].copy_from_slice(&60_000i32.to_le_bytes());
    bomb[22..26].copy_from_slice(&60_000i32.to_le_bytes());
    assert_refused(&bomb, "a.bmp", &PixelOptions::default(), "60000x60000");
    for format in [ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Png] {
        let whole = encoded(gradient(), format);
        for end in [whole.len() / 2, 12] {
            assert!(read(&whole[..end], Path::new("a"), &PixelOptions::default()).is_err(), "{format:?} {end}");
        }
    }
    assert_refused(b"GIF89a\x01\0", "a.gif", &PixelOptions::default(), "neither PNG nor JPEG");
    assert_refused(b"\x1f\x8b\x08", "a.nii.gz", &PixelOptions::default(), "import msd");
}

#[test]
fn label_maps_keep_their_values() {
    let values = deep(|place| (place % 101) as u16);
    let read = |bytes: &[u8], name: &str| ClassValues::read(bytes, Path::new(name));
    for (format, name) in [(ImageFormat::Png, "a.png"), (ImageFormat::Tiff, "a.tif")] {
        let map = read(&encoded(values.clone(), format), name).expect("reads");
        assert_eq!(map.counts().keys().copied().collect::<Vec<_>>(), (0..=100).collect::<Vec<_>>());
        assert_eq!(map.mask(100).area(), 40);
    }
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette([0u8, 0, 0, 0, 0, 0, 255, 0, 0].as_slice());
    let mut writer = encoder.write_header().expect("encodes");
    writer.write_image_data(&[0x01, 0x20, 0x22, 0x10]).expect("encodes");
    writer.finish().expect("encodes");
    let map = read(&bytes, "a.png").expect("reads");
    assert_eq!(map.counts(), [(0, 1), (1, 2), (2, 3)].into());
    let grey = RgbImage::from_pixel(2, 2, Rgb([5, 5, 5]));
    assert_eq!(read(&encoded(grey, ImageFormat::Png), "a.png").expect("reads").counts(), [(5, 4)].into());
    let colour = RgbImage::from_pixel(2, 2, Rgb([5, 5, 6]));
    for (bytes, name, expected) in [
        (encoded(colour, ImageFormat::Png), "a.png", "holds colours"),
        (encoded(gradient(), ImageFormat::Jpeg), "a.jpg", "is a JPEG"),
        (encoded(gradient(), ImageFormat::Bmp), "a.bmp", "is BMP"),
    ] {
        let refused = read(&bytes, name).expect_err("refused").to_string();
        assert!(refused.contains(expected), "{refused}");
    }
}

/// Reads changed copies of the committed files. None of them may panic, and accepted ones are of 8 bits.
#[test]
fn changed_files_are_read_or_refused() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/corpus");
    let mut draws = ChaCha8Rng::seed_from_u64(7);
    let options = PixelOptions { frame: Some(1), ..intensity("min-max") };
    for target in ["source_image", "volume"] {
        for entry in std::fs::read_dir(folder.join(target)).expect("a corpus") {
            let bytes = std::fs::read(entry.expect("an entry").path()).expect("readable");
            for _ in 0..if bytes.len() < 2000 { 150 } else { 2 } {
                let mut changed = bytes.clone();
                for _ in 0..draws.random_range(1..6) {
                    let at = draws.random_range(0..changed.len());
                    changed[at] = draws.random();
                }
                changed.truncate(changed.len() - draws.random_range(0..changed.len() / 4));
                if target == "volume" {
                    if let Ok(volume) = Volume::read(changed.as_slice(), Some(1)) {
                        assert!(volume.slice(Plane::Axial, 0).is_some());
                    }
                } else if let Ok(found) = read(&changed, Path::new("image"), &options) {
                    assert_eq!(found.picture.color().bytes_per_pixel(), found.picture.color().channel_count());
                }
            }
        }
    }
}
