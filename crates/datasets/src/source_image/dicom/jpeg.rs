//! JPEG images inside DICOM files: baseline, extended with 12 bits, and lossless.

use std::borrow::Cow;
use std::path::Path;

use libjpeg_turbo_rs::api::precision::decompress_lossless_arbitrary;
use libjpeg_turbo_rs::{DecodeLimits, decompress_12bit_with_limits};
use stepwise_data::image::{MAX_ALLOC, MAX_DIMENSION, MAX_PIXELS, decode_image};

use super::super::refused::Refused;
use super::elements::damaged;
use super::header::{Header, Photometric};

/// Samples of a decoded image, all samples of a pixel together.
pub(super) struct Decoded {
    pub(super) samples: Vec<u32>,
    /// Whether colours were converted to red, green and blue.
    pub(super) is_rgb: bool,
}

/// Frame header of a JPEG image (ITU-T T.81, B.2.2).
struct Frame {
    /// Low half of the marker: 0 baseline, 1 extended, 2 progressive, 3 lossless.
    process: u8,
    bits: u8,
    height: u32,
    width: u32,
    components: u8,
    /// Whether an Adobe or a JFIF segment says how colours are stored.
    states_colours: bool,
}

/// Decodes the JPEG image of a frame.
///
/// # Errors
/// When the image is damaged, has another size or number of samples than the DICOM header says, or uses a process that is
/// not read.
pub(super) fn decode(data: &[u8], header: &Header<'_>) -> Result<Decoded, Refused> {
    let frame = Frame::find(data).ok_or_else(|| damaged("its JPEG image has no frame header"))?;
    if (frame.width, frame.height, u16::from(frame.components)) != (header.columns, header.rows, header.samples) {
        return Err(damaged("its JPEG image has another size or number of samples than the file says"));
    }
    let failed = |error: &dyn std::fmt::Display| damaged(&format!("its JPEG image cannot be decoded: {error}"));
    match (frame.process, frame.bits) {
        (3, bits) if u16::from(bits) <= header.bits_allocated => {
            let decoded = decompress_lossless_arbitrary(data).map_err(|error| failed(&error))?;
            Ok(Decoded { samples: decoded.data.into_iter().map(u32::from).collect(), is_rgb: false })
        }
        (0..=2, 8) => {
            let data = with_colour_space(data, &frame, header.photometric);
            let picture = decode_image(&data, Path::new("pixels")).map_err(|error| failed(&error))?;
            let step = if header.samples == 1 { 3 } else { 1 };
            let samples = picture.into_raw().into_iter().step_by(step).map(u32::from).collect();
            Ok(Decoded { samples, is_rgb: header.samples == 3 })
        }
        (1, 12) if header.samples == 1 && header.bits_allocated >= 16 => {
            let limits = DecodeLimits {
                max_width: MAX_DIMENSION as usize,
                max_height: MAX_DIMENSION as usize,
                max_pixels: MAX_PIXELS,
                max_scans: 100,
                max_memory: Some(MAX_ALLOC),
            };
            let decoded = decompress_12bit_with_limits(data, &limits).map_err(|error| failed(&error))?;
            Ok(Decoded {
                samples: decoded.data.into_iter().map(|sample| sample.max(0) as u32).collect(),
                is_rgb: false,
            })
        }
        (process, bits) => {
            let what =
                format!("the DICOM file holds a JPEG image of process {process} with {bits} bits, which is not read");
            Err(Refused::new(
                what,
                "decompress it, for example with `dcmdjpeg` or `gdcmconv --raw`, and import the result",
            ))
        }
    }
}

/// Adds a segment that says that colours are red, green and blue, where the DICOM file says so and the JPEG image says
/// nothing: decoders take such images for brightness and colour differences.
fn with_colour_space<'a>(data: &'a [u8], frame: &Frame, photometric: Photometric) -> Cow<'a, [u8]> {
    const ADOBE_RGB: &[u8] = b"\xFF\xEE\x00\x0EAdobe\x00\x64\x00\x00\x00\x00\x00";
    if photometric != Photometric::Rgb || frame.states_colours {
        return Cow::Borrowed(data);
    }
    Cow::Owned([&data[..2], ADOBE_RGB, &data[2..]].concat())
}

impl Frame {
    /// Finds the frame header before the first scan; None without one.
    fn find(data: &[u8]) -> Option<Self> {
        let mut at = 2;
        let mut states_colours = false;
        loop {
            while data.get(at + 1) == Some(&0xFF) {
                at += 1;
            }
            let &[0xFF, marker, high, low] = data.get(at..at + 4)? else { return None };
            let content = data.get(at + 4..at + 2 + usize::from(u16::from_be_bytes([high, low])))?;
            match marker {
                0xDA | 0xD9 => return None,
                // Decoders pass over segments that are too short.
                0xE0 if content.starts_with(b"JFIF") && content.len() >= 14 => states_colours = true,
                0xEE if content.starts_with(b"Adobe") && content.len() >= 12 => states_colours = true,
                0xC0..=0xCF if ![0xC4, 0xC8, 0xCC].contains(&marker) => {
                    let &[bits, y0, y1, x0, x1, components, ..] = content else { return None };
                    let [height, width] = [[y0, y1], [x0, x1]].map(|side| u32::from(u16::from_be_bytes(side)));
                    return Some(Self { process: marker & 0xF, bits, height, width, components, states_colours });
                }
                _ => {}
            }
            at += 2 + usize::from(u16::from_be_bytes([high, low]));
        }
    }
}
