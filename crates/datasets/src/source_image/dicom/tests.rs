//! DICOM files that the tests write: encodings, grey levels, colours, frames and refusals.

use super::*;

/// Data elements with explicit lengths, little endian.
#[derive(Clone, Default)]
struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    fn element(mut self, tag: u32, representation: &str, value: &[u8]) -> Self {
        self.bytes.extend(((tag >> 16) as u16).to_le_bytes());
        self.bytes.extend((tag as u16).to_le_bytes());
        self.bytes.extend(representation.as_bytes());
        let padded = [value, if value.len() % 2 == 1 { b" " } else { b"" }].concat();
        if ["OB", "OW", "SQ", "UN"].contains(&representation) {
            self.bytes.extend([0, 0]);
            self.bytes.extend((padded.len() as u32).to_le_bytes());
        } else {
            self.bytes.extend((padded.len() as u16).to_le_bytes());
        }
        self.bytes.extend(padded);
        self
    }

    fn number(self, tag: u32, value: u16) -> Self {
        self.element(tag, "US", &value.to_le_bytes())
    }

    fn text(self, tag: u32, representation: &str, value: &str) -> Self {
        self.element(tag, representation, value.as_bytes())
    }

    /// Adds pixel data in fragments, after an empty table of offsets.
    fn fragments(mut self, fragments: &[&[u8]]) -> Self {
        self.bytes.extend(b"\xe0\x7f\x10\0OB\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\0\0\0\0");
        for fragment in fragments {
            self.bytes.extend(b"\xfe\xff\0\xe0");
            self.bytes.extend((fragment.len() as u32).to_le_bytes());
            self.bytes.extend(*fragment);
        }
        self.bytes.extend(b"\xfe\xff\xdd\xe0\0\0\0\0");
        self
    }

    /// Returns a file with this data set.
    fn file(self, syntax: &str) -> Vec<u8> {
        let meta = Self::default().text(0x0002_0010, "UI", &format!("{syntax}\0"));
        [&[0; 128][..], b"DICM", &meta.bytes, &self.bytes].concat()
    }
}

const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// Attributes of a grey image of 4 x 2 pixels with 16 bits, of which 12 are stored.
fn grey(photometric: &str) -> Writer {
    Writer::default()
        .text(0x0008_0020, "DA", "19990101")
        .text(0x0008_0060, "CS", "CT")
        .text(0x0010_0010, "PN", "DOE^JANE")
        .text(0x0010_0020, "LO", "PATIENT7")
        .text(0x0018_0015, "CS", "CHEST")
        .text(0x0020_000D, "UI", "1.2.3.4.5")
        .text(0x0020_0037, "DS", "1\\0\\0\\0\\1\\0")
        .number(0x0028_0002, 1)
        .text(0x0028_0004, "CS", photometric)
        .number(0x0028_0010, 2)
        .number(0x0028_0011, 4)
        .number(0x0028_0100, 16)
        .number(0x0028_0101, 12)
        .number(0x0028_0102, 11)
        .number(0x0028_0103, 0)
}

fn words(values: [u16; 8]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

const VALUES: [u16; 8] = [0, 512, 1024, 1536, 2048, 2560, 3072, 4095];

fn levels(bytes: &[u8], options: &PixelOptions) -> Vec<u8> {
    read(bytes, options).unwrap_or_else(|refused| panic!("{refused}")).picture.into_luma8().into_raw()
}

#[track_caller]
fn assert_refused(bytes: &[u8], options: &PixelOptions, expected: &str) {
    let refused = read(bytes, options).expect_err("refused").to_string();
    assert!(refused.contains(expected) && refused.contains(" -> "), "{refused}");
}

#[test]
fn rescaled_values_are_shown_through_the_first_window() {
    let file = |photometric: &str| {
        grey(photometric)
            .text(0x0028_1050, "DS", "40\\-600")
            .text(0x0028_1051, "DS", "400\\1500")
            .text(0x0028_1052, "DS", "-1024")
            .text(0x0028_1053, "DS", "1")
            .element(0x7FE0_0010, "OW", &words(VALUES))
            .file(EXPLICIT)
    };
    // Values are -1024, -512, 0, 512 and so on.
    assert_eq!(levels(&file("MONOCHROME2"), &PixelOptions::default())[..4], [0, 0, 102, 255]);
    assert_eq!(levels(&file("MONOCHROME1"), &PixelOptions::default())[..4], [255, 255, 153, 0]);
    let second = PixelOptions { window: Some("2".parse().expect("a window")), ..PixelOptions::default() };
    assert_eq!(levels(&file("MONOCHROME2"), &second)[..4], [55, 143, 230, 255]);
    let own = PixelOptions { window: Some("-600/1500".parse().expect("a window")), ..PixelOptions::default() };
    assert_eq!(levels(&file("MONOCHROME2"), &own), levels(&file("MONOCHROME2"), &second));
    let third = PixelOptions { window: Some("3".parse().expect("a window")), ..PixelOptions::default() };
    assert_refused(&file("MONOCHROME2"), &third, "has no window 3: it has 2");

    let found = read(&file("MONOCHROME1"), &PixelOptions::default()).expect("sound");
    assert!(found.remarks.iter().any(|remark| remark.contains("1 (40/400), 2 (-600/1500)")), "{:?}", found.remarks);
    let pixels = found.pixels.expect("converted");
    assert_eq!((pixels.window, pixels.inverted, pixels.bits, pixels.source), (Some([40.0, 400.0]), true, 12, None));
    let facts = found.facts;
    assert_eq!((facts.modality.as_deref(), facts.body_region.as_deref()), (Some("ct"), Some("chest")));
    assert_eq!(facts.orientation.as_deref(), Some("radiological"));
    let group = facts.group.expect("a patient");
    assert!(group.starts_with("patient-") && !group.contains("PATIENT7"), "{group}");
}

#[test]
fn signed_values_are_negative() {
    let signed = [-1000i16, -1, 0, 1, 1000, 2000, -2000, 5].map(|value| value as u16 & 0xFFF);
    let file = grey("MONOCHROME2").number(0x0028_0103, 1).element(0x7FE0_0010, "OW", &words(signed));
    // The first of two equal attributes counts, so the second one is written in its place.
    let mut bytes = file.file(EXPLICIT);
    let at = bytes.windows(8).position(|part| part == b"\x28\0\x03\x01US\x02\0").expect("there");
    bytes[at + 8] = 1;
    let range = PixelOptions { intensity: Some("-1000:1000".parse().expect("a range")), ..PixelOptions::default() };
    assert_eq!(levels(&bytes, &range), [0, 127, 128, 128, 255, 255, 0, 128]);
}

#[test]
fn without_a_window_values_must_fill_their_bits() {
    let file = |values| grey("MONOCHROME2").element(0x7FE0_0010, "OW", &words(values)).file(EXPLICIT);
    assert_eq!(levels(&file(VALUES), &PixelOptions::default()), [0, 32, 64, 96, 128, 159, 191, 255]);
    let narrow = file([100, 101, 102, 103, 104, 105, 106, 107]);
    assert_refused(&narrow, &PixelOptions::default(), "names no window");
    let range = PixelOptions { intensity: Some("min-max".parse().expect("a range")), ..PixelOptions::default() };
    assert_eq!(levels(&narrow, &range)[7], 255);
}

#[test]
fn a_window_without_a_width_is_counted_and_keeps_its_number() {
    let file = |widths: &str| {
        grey("MONOCHROME2")
            .text(0x0028_1050, "DS", "1000\\2048")
            .text(0x0028_1051, "DS", widths)
            .element(0x7FE0_0010, "OW", &words(VALUES))
            .file(EXPLICIT)
    };
    let found = read(&file("0\\4096"), &PixelOptions::default()).expect("sound");
    let has = |remark: &str| found.remarks.iter().any(|found| found.contains(remark));
    assert!(has("a window without a width, which is not used"), "{:?}", found.remarks);
    assert!(has("1 (1000/0), 2 (2048/4096)"), "{:?}", found.remarks);
    assert_eq!(found.pixels.expect("converted").window, Some([2048.0, 4096.0]));
    let numbered =
        |number: &str| PixelOptions { window: Some(number.parse().expect("a window")), ..PixelOptions::default() };
    assert_eq!(levels(&file("0\\4096"), &numbered("2")), levels(&file("0\\4096"), &PixelOptions::default()));
    assert_refused(&file("0\\4096"), &numbered("1"), "window 1 of the DICOM file has the width 0");
    let sound = read(&file("400\\4096"), &PixelOptions::default()).expect("sound");
    assert!(sound.remarks.iter().all(|remark| !remark.contains("without a width")), "{:?}", sound.remarks);
}

#[test]
fn run_lengths_are_decoded_from_the_highest_byte_on() {
    let mut frame = vec![0; 64];
    frame[0] = 2;
    frame[4..8].copy_from_slice(&64u32.to_le_bytes());
    frame[8..12].copy_from_slice(&73u32.to_le_bytes());
    frame.extend([7].into_iter().chain(VALUES.map(|value| (value >> 8) as u8)));
    frame.extend([7].into_iter().chain(VALUES.map(|value| value as u8)));
    let file = grey("MONOCHROME2").fragments(&[&frame]).file("1.2.840.10008.1.2.5");
    assert_eq!(levels(&file, &PixelOptions::default()), [0, 32, 64, 96, 128, 159, 191, 255]);
    let cut = grey("MONOCHROME2").fragments(&[&frame[..70]]).file("1.2.840.10008.1.2.5");
    assert!(read(&cut, &PixelOptions::default()).is_err());
}

#[test]
fn lossless_jpeg_keeps_every_value() {
    let packed = libjpeg_turbo_rs::api::precision::compress_lossless_arbitrary(&VALUES, 4, 2, 1, 12, 1, 0);
    let file = grey("MONOCHROME2").fragments(&[&packed.expect("encodes")]).file("1.2.840.10008.1.2.4.70");
    assert_eq!(levels(&file, &PixelOptions::default()), [0, 32, 64, 96, 128, 159, 191, 255]);
}

fn colour(photometric: &str, planar: u16, pixels: &[u8]) -> Vec<u8> {
    Writer::default()
        .number(0x0028_0002, 3)
        .text(0x0028_0004, "CS", photometric)
        .number(0x0028_0006, planar)
        .number(0x0028_0010, 1)
        .number(0x0028_0011, 2)
        .number(0x0028_0100, 8)
        .number(0x0028_0101, 8)
        .number(0x0028_0102, 7)
        .number(0x0028_0103, 0)
        .element(0x7FE0_0010, "OB", pixels)
        .file(EXPLICIT)
}

#[test]
fn colours_are_converted_to_red_green_and_blue() {
    let rgb = |bytes: &[u8]| read(bytes, &PixelOptions::default()).expect("sound").picture.into_rgb8().into_raw();
    assert_eq!(rgb(&colour("RGB", 0, &[1, 2, 3, 4, 5, 6])), [1, 2, 3, 4, 5, 6]);
    assert_eq!(rgb(&colour("RGB", 1, &[1, 4, 2, 5, 3, 6])), [1, 2, 3, 4, 5, 6]);
    assert_eq!(rgb(&colour("YBR_FULL", 0, &[76, 85, 255, 200, 128, 128])), [254, 0, 0, 200, 200, 200]);
    assert_eq!(rgb(&colour("YBR_FULL_422", 0, &[76, 200, 128, 128])), [76, 76, 76, 200, 200, 200]);
    assert_refused(&colour("YBR_ICT", 0, &[0; 6]), &PixelOptions::default(), "photometric interpretation");
}

#[test]
fn a_frame_of_several_must_be_chosen() {
    let other = VALUES.map(|value| 4095 - value);
    let pixels = [words(VALUES), words(other)].concat();
    let file = grey("MONOCHROME2").text(0x0028_0008, "IS", "2").element(0x7FE0_0010, "OW", &pixels).file(EXPLICIT);
    assert_refused(&file, &PixelOptions::default(), "has 2 frames");
    let second = PixelOptions { frame: Some(2), ..PixelOptions::default() };
    assert_eq!(levels(&file, &second)[0], 255);
    assert_eq!(read(&file, &second).expect("sound").pixels.expect("converted").frame, Some(2));
    assert_refused(&file, &PixelOptions { frame: Some(3), ..PixelOptions::default() }, "no frame 3");
}

#[test]
fn damaged_and_hostile_files_are_refused() {
    let none = PixelOptions::default();
    let sound = grey("MONOCHROME2").element(0x7FE0_0010, "OW", &words(VALUES)).file(EXPLICIT);
    for end in 0..sound.len() {
        assert!(read(&sound[..end], &none).is_err(), "cut off at {end}");
    }
    assert_refused(b"no image", &none, "is no DICOM file");
    let huge = grey("MONOCHROME2").element(0x7FE0_0010, "OW", &words(VALUES)).file(EXPLICIT);
    let at = huge.windows(8).position(|part| part == b"\x28\0\x10\0US\x02\0").expect("there");
    let mut bomb = huge.clone();
    bomb[at + 8..at + 10].copy_from_slice(&u16::MAX.to_le_bytes());
    assert_refused(&bomb, &none, "at most");
    let report = Writer::default().text(0x0008_0060, "CS", "SR").file(EXPLICIT);
    assert_refused(&report, &none, "has no image");
    let packed = grey("MONOCHROME2").fragments(&[b"\xFF\x4F"]).file("1.2.840.10008.1.2.4.90");
    assert_refused(&packed, &none, "JPEG 2000 lossless");
}

#[test]
fn no_name_date_or_id_reaches_an_output() {
    let bytes = grey("MONOCHROME2").element(0x7FE0_0010, "OW", &words(VALUES)).file(EXPLICIT);
    let found = read(&bytes, &PixelOptions::default()).expect("sound");
    let text = format!("{:?} {:?} {:?}", found.pixels, found.facts, found.remarks);
    for secret in ["DOE", "JANE", "1999", "PATIENT7", "1.2.3.4.5"] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}
