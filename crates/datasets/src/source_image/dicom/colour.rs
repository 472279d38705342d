//! Colours of a frame (PS3.3, C.7.6.3.1.2).

use image::RgbImage;

use super::super::refused::Refused;
use super::elements::damaged;
use super::header::{Header, PALETTE_DATA, PALETTES, Photometric};
use super::lookup::Lookup;
use super::samples::Samples;

/// Returns the frame as RGB. Samples of more than 8 bits lose their lowest ones.
///
/// # Errors
/// When a palette is missing or damaged, or there are fewer samples than pixels.
pub(super) fn rgb(header: &Header<'_>, samples: Samples) -> Result<RgbImage, Refused> {
    let raw: Vec<u8> = match header.photometric {
        Photometric::Palette => {
            let mut palettes = Vec::new();
            for (descriptor, data) in PALETTES.into_iter().zip(PALETTE_DATA) {
                let (Some(descriptor), Some(data)) = (header.element(descriptor), header.element(data)) else {
                    return Err(damaged("its palette is missing"));
                };
                palettes.push(Lookup::new(descriptor.value, data.value, header.syntax.encoding, header.is_signed)?);
            }
            let indices = samples.raw.iter().map(|raw| header.value(*raw) as f64);
            let colour =
                |index: f64| palettes.iter().map(move |palette| shortened(palette.entry(index).into(), palette.bits));
            indices.flat_map(colour).collect()
        }
        _ => {
            let level = |raw: &u32| shortened(header.value(*raw).max(0) as u32, header.bits_stored);
            let levels: Vec<u8> = samples.raw.iter().map(level).collect();
            let is_ybr =
                matches!(header.photometric, Photometric::YbrFull | Photometric::YbrFull422) && !samples.is_rgb;
            if is_ybr {
                levels.chunks_exact(3).flat_map(|pixel| from_ybr([pixel[0], pixel[1], pixel[2]])).collect()
            } else {
                levels
            }
        }
    };
    RgbImage::from_raw(header.columns, header.rows, raw)
        .ok_or_else(|| damaged("its pixels are fewer than its size says"))
}

/// Returns the highest 8 of `bits` bits.
fn shortened(value: u32, bits: u16) -> u8 {
    (value >> bits.saturating_sub(8)).min(255) as u8
}

/// Converts brightness and colour differences to red, green and blue (ITU-R BT.601, full range).
fn from_ybr([y, blue, red]: [u8; 3]) -> [u8; 3] {
    let (y, blue, red) = (f64::from(y), f64::from(blue) - 128.0, f64::from(red) - 128.0);
    let colours = [y + 1.402 * red, y - 0.344_136 * blue - 0.714_136 * red, y + 1.772 * blue];
    colours.map(|colour| colour.round().clamp(0.0, 255.0) as u8)
}
