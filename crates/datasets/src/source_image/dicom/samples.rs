//! Stored samples of one frame.

use super::super::refused::Refused;
use super::encoding::Compression;
use super::frames;
use super::header::{Header, Photometric};
use super::{jpeg, rle};

/// Samples of a frame.
pub(super) struct Samples {
    /// Bits of the samples as stored, all samples of a pixel together.
    pub(super) raw: Vec<u32>,
    /// Whether colours were converted to red, green and blue already.
    pub(super) is_rgb: bool,
}

/// Reads the samples of the frame that the header names.
///
/// # Errors
/// When the pixel data are damaged or cut off, or compressed in a way that is not read.
pub(super) fn read(header: &Header<'_>) -> Result<Samples, Refused> {
    match header.syntax.compression {
        Compression::None => native(header),
        Compression::Rle => run_lengths(header),
        Compression::Jpeg => {
            let decoded = jpeg::decode(&frames::compressed(header)?, header)?;
            Ok(Samples { raw: decoded.samples, is_rgb: decoded.is_rgb })
        }
    }
}

fn native(header: &Header<'_>) -> Result<Samples, Refused> {
    let (bytes, before) = frames::native(header)?;
    let encoding = header.syntax.encoding;
    let count = header.rows as usize * header.columns as usize * usize::from(header.samples);
    let raw: Vec<u32> = match header.bits_allocated {
        // PS3.5, 8.1.1: single bits fill each byte from its lowest bit on.
        1 => (before..before + count).map(|bit| u32::from(bytes[bit / 8] >> (bit % 8) & 1)).collect(),
        8 => bytes.iter().map(|byte| u32::from(*byte)).collect(),
        16 => bytes.chunks_exact(2).map(|two| u32::from(encoding.u16([two[0], two[1]]))).collect(),
        _ => bytes.chunks_exact(4).map(|four| encoding.u32([four[0], four[1], four[2], four[3]])).collect(),
    };
    let raw = match header.photometric {
        // Two pixels are Y1 Y2 Cb Cr.
        Photometric::YbrFull422 => {
            raw.chunks_exact(4).flat_map(|pair| [pair[0], pair[2], pair[3], pair[1], pair[2], pair[3]]).collect()
        }
        _ if header.is_planar && header.samples == 3 => together(&raw),
        _ => raw,
    };
    Ok(Samples { raw, is_rgb: false })
}

/// Puts the three samples of each pixel together.
fn together(planes: &[u32]) -> Vec<u32> {
    let size = planes.len() / 3;
    (0..size).flat_map(|pixel| [planes[pixel], planes[size + pixel], planes[2 * size + pixel]]).collect()
}

fn run_lengths(header: &Header<'_>) -> Result<Samples, Refused> {
    let pixels = header.rows as usize * header.columns as usize;
    let bytes = usize::from(header.bits_allocated.div_ceil(8));
    let samples = usize::from(header.samples);
    let planes = rle::decode(&frames::compressed(header)?, pixels, bytes * samples)?;
    let mut raw = Vec::with_capacity(pixels * samples);
    for pixel in 0..pixels {
        for sample in 0..samples {
            let parts = &planes[sample * bytes..(sample + 1) * bytes];
            raw.push(parts.iter().fold(0, |value, plane| value << 8 | u32::from(plane[pixel])));
        }
    }
    Ok(Samples { raw, is_rgb: false })
}
