//! PNG files of all depths and colour types, plain and interlaced, written here byte by byte.

use std::path::Path;

use stepwise_data::image::{ImageError, decode_image, load_mask};

/// A PNG file. `bytes` are the samples of all rows, each row padded to whole bytes.
struct Png<'a> {
    width: u32,
    height: u32,
    depth: u8,
    /// 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGBA.
    colour: u8,
    interlaced: bool,
    /// Chunks before the pixels.
    chunks: &'a [(&'a [u8; 4], Vec<u8>)],
    bytes: Vec<u8>,
}

impl Png<'_> {
    fn write(&self) -> Vec<u8> {
        let size = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        let header = [&size[..], &[self.depth, self.colour, 0, 0, u8::from(self.interlaced)]].concat();
        let mut file = [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header)].concat();
        self.chunks.iter().for_each(|(name, content)| file.extend(chunk(name, content)));
        file.extend(chunk(b"IDAT", &stored(&self.rows())));
        file.extend(chunk(b"IEND", &[]));
        file
    }

    /// Rows with filter 0; those of the seven passes if interlaced.
    fn rows(&self) -> Vec<u8> {
        let bits = usize::from(self.depth) * [1, 0, 3, 1, 2, 0, 4][usize::from(self.colour)];
        let stride = (self.width as usize * bits).div_ceil(8);
        let mut rows = Vec::new();
        if !self.interlaced {
            for row in self.bytes.chunks(stride) {
                rows.push(0);
                rows.extend(row);
            }
            return rows;
        }
        assert!(bits.is_multiple_of(8), "whole bytes only");
        let passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)];
        for (left, top, across, down) in passes {
            for y in (top..self.height as usize).step_by(down) {
                let mut columns = (left..self.width as usize).step_by(across).peekable();
                if columns.peek().is_some() {
                    rows.push(0);
                    columns.for_each(|x| rows.extend(&self.bytes[y * stride + x * bits / 8..][..bits / 8]));
                }
            }
        }
        rows
    }
}

fn chunk(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let named = [&name[..], content].concat();
    let crc = !named.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0xEDB8_8320 } else { 0 })
    });
    [&(content.len() as u32).to_be_bytes(), &named[..], &crc.to_be_bytes()].concat()
}

/// A zlib stream without compression.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = bytes.len() as u16;
    let (one, two) = bytes.iter().fold((1u32, 0u32), |(one, two), byte| {
        let one = (one + u32::from(*byte)) % 65_521;
        (one, (two + one) % 65_521)
    });
    let block = [&[0x78, 1, 1][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat();
    [&block[..], &(two << 16 | one).to_be_bytes()].concat()
}

/// 16 x 16 pixels of 16 bits. `value` gets the number of the pixel and of the channel.
fn deep(colour: u8, interlaced: bool, value: impl Fn(usize, usize) -> u16) -> Png<'static> {
    let channels = [1, 0, 3, 0, 2, 0, 4][usize::from(colour)];
    let samples = (0..256).flat_map(|place| (0..channels).map(move |channel| (place, channel)));
    let bytes = samples.flat_map(|(place, channel)| value(place, channel).to_be_bytes()).collect();
    Png { width: 16, height: 16, depth: 16, colour, interlaced, chunks: &[], bytes }
}

fn decode(png: &Png<'_>) -> Result<Vec<u8>, ImageError> {
    decode_image(&png.write(), Path::new("scan.png")).map(image::ImageBuffer::into_raw)
}

#[test]
fn twelve_bits_in_sixteen_are_refused_in_every_colour_type() {
    for (colour, alpha) in [(0, 9), (2, 9), (4, 1), (6, 3)] {
        for interlaced in [false, true] {
            let value = |step: usize| {
                move |place: usize, channel: usize| {
                    if channel == alpha { u16::MAX - place as u16 } else { (place * step) as u16 }
                }
            };
            let error = decode(&deep(colour, interlaced, value(16))).expect_err("12 bits").to_string();
            assert!(error.starts_with("scan.png: is a 16-bit image with values up to 4080, "), "{error}");
            let pixels = decode(&deep(colour, interlaced, value(257))).expect("16 bits");
            let expected: Vec<u8> = (0..=255).flat_map(|place| [place; 3]).collect();
            assert_eq!(pixels, expected, "colour type {colour}");
        }
    }
}

#[test]
fn transparency_and_gamma_change_no_pixel() {
    let chunks: [(&[u8; 4], Vec<u8>); 2] = [(b"gAMA", 100_000u32.to_be_bytes().to_vec()), (b"tRNS", vec![0, 32])];
    let with = |step: usize| Png { chunks: &chunks, ..deep(0, false, move |place, _| (place * step) as u16) };
    assert!(matches!(decode(&with(16)), Err(ImageError::NarrowRange { .. })));
    assert_eq!(
        decode(&with(257)).expect("decodes"),
        decode(&deep(0, false, |place, _| 257 * place as u16)).expect("decodes")
    );
}

#[test]
fn few_bits_fill_the_range_and_palettes_give_colours() {
    for (depth, bytes, expected) in [(1, [0x50], [0, 255, 0, 255]), (2, [0x1b], [0, 85, 170, 255])] {
        let png = Png { width: 4, height: 1, depth, colour: 0, interlaced: false, chunks: &[], bytes: bytes.into() };
        assert_eq!(decode(&png).expect("decodes"), expected.map(|level| [level; 3]).concat(), "{depth} bits");
    }
    let png = Png { width: 2, height: 1, depth: 4, colour: 0, interlaced: false, chunks: &[], bytes: vec![0x1f] };
    assert_eq!(decode(&png).expect("decodes"), [17, 17, 17, 255, 255, 255]);
    // Four dark entries, of which one is transparent.
    let chunks: [(&[u8; 4], Vec<u8>); 2] = [(b"PLTE", (0..12).collect()), (b"tRNS", vec![255, 0])];
    for (depth, bytes) in [(2, vec![0x1b]), (8, vec![0, 1, 2, 3])] {
        let png = Png { width: 4, height: 1, depth, colour: 3, interlaced: false, chunks: &chunks, bytes };
        assert_eq!(decode(&png).expect("decodes"), (0..12).collect::<Vec<u8>>(), "{depth} bits");
    }
}

#[test]
fn a_mask_is_read_by_value_and_never_refused() {
    let folder = tempfile::tempdir().expect("writable");
    let path = folder.path().join("mask.png");
    let inside = |png: &Png<'_>| {
        std::fs::write(&path, png.write()).expect("written");
        load_mask(&path).expect("reads").inside
    };
    // Labels 0, 1, 2 in 16 bits would all be 0 in 8 bits.
    let expected: Vec<bool> = (0..256).map(|place| place % 3 > 0).collect();
    assert_eq!(inside(&deep(0, false, |place, _| (place % 3) as u16)), expected);
    let alpha = deep(4, true, |place, channel| if channel == 1 { u16::MAX } else { (place % 3) as u16 });
    assert_eq!(inside(&alpha), expected);
    let bits = Png { width: 4, height: 1, depth: 1, colour: 0, interlaced: false, chunks: &[], bytes: vec![0x50] };
    assert_eq!(inside(&bits), [false, true, false, true]);
}

#[test]
fn a_cut_file_is_refused_unless_all_pixels_are_there() {
    let grey = Png { width: 4, height: 1, depth: 2, colour: 0, interlaced: false, chunks: &[], bytes: vec![0x1b] };
    for png in [deep(0, false, |place, _| 257 * place as u16), deep(6, true, |place, _| 257 * place as u16), grey] {
        let (file, pixels) = (png.write(), decode(&png).expect("decodes"));
        // Fewer than eight bytes are no PNG file.
        for length in 8..file.len() {
            match decode_image(&file[..length], Path::new("scan.png")) {
                Ok(picture) => assert_eq!(picture.into_raw(), pixels, "cut to {length} of {}", file.len()),
                Err(ImageError::CutOff(_)) => {}
                Err(other) => panic!("cut to {length} of {}: {other}", file.len()),
            }
            assert!(length > file.len() - 24 || decode_image(&file[..length], Path::new("a.png")).is_err());
        }
    }
}
