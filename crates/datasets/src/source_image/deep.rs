//! Images of 16 bits, and their mapping to 8 bits.

use image::{DynamicImage, GrayImage, RgbImage};

use super::intensity::{Intensity, Mapping, extremes};

/// Samples of a 16-bit image.
pub(crate) struct Deep<'a> {
    samples: &'a [u16],
    width: u32,
    height: u32,
    /// Samples of a pixel, alpha included.
    channels: usize,
    /// Colours of a pixel: 1 or 3.
    colours: usize,
}

impl<'a> Deep<'a> {
    /// Returns the samples of a 16-bit image; None for 8 bits.
    pub(crate) fn of(picture: &'a DynamicImage) -> Option<Self> {
        let (samples, channels, colours): (&[u16], usize, usize) = match picture {
            DynamicImage::ImageLuma16(picture) => (picture.as_raw(), 1, 1),
            DynamicImage::ImageLumaA16(picture) => (picture.as_raw(), 2, 1),
            DynamicImage::ImageRgb16(picture) => (picture.as_raw(), 3, 3),
            DynamicImage::ImageRgba16(picture) => (picture.as_raw(), 4, 3),
            _ => return None,
        };
        Some(Self { samples, width: picture.width(), height: picture.height(), channels, colours })
    }

    fn colours(&self) -> impl Iterator<Item = u16> + '_ {
        self.samples.chunks_exact(self.channels).flat_map(|pixel| pixel[..self.colours].iter().copied())
    }

    /// Returns the lowest and the highest value, with `offset` added. Alpha does not count.
    pub(crate) fn extremes(&self, offset: i64) -> (f64, f64) {
        extremes(self.colours().map(|sample| value(sample, offset)))
    }

    /// Returns the image in grey levels, without alpha.
    pub(crate) fn mapped(&self, mapping: Mapping, offset: i64) -> DynamicImage {
        let levels: Vec<u8> = (0..=u16::MAX).map(|sample| mapping.level(value(sample, offset))).collect();
        let raw: Vec<u8> = self.colours().map(|sample| levels[usize::from(sample)]).collect();
        let picture = match self.colours {
            1 => GrayImage::from_raw(self.width, self.height, raw).map(DynamicImage::from),
            _ => RgbImage::from_raw(self.width, self.height, raw).map(DynamicImage::from),
        };
        // Cannot be None: the samples are those of an image of this size.
        picture.unwrap_or_default()
    }
}

fn value(sample: u16, offset: i64) -> f64 {
    f64::from(sample) + offset as f64
}

/// Returns a mapping in words for the report.
pub(crate) fn words(intensity: Intensity, offset: i64) -> String {
    let mapping = match intensity {
        Intensity::Range(low, high) => format!("{low}:{high}"),
        Intensity::MinMax => "min-max, each image by its own lowest and highest value".into(),
        Intensity::Window(window) => format!("window:{window}"),
    };
    if offset == 0 { mapping } else { format!("{mapping}, after adding {offset}") }
}
