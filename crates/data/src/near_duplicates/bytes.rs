//! Fingerprints as bytes, so that a run can record the fingerprints of its training images.

use super::copies::Details;
use super::fingerprint::Fingerprint;
use super::take::take;
use super::thumbnail::Thumbnail;
use crate::image::GreyRange;

/// First byte of every fingerprint: version of the format and of the computation.
const VERSION: u8 = 2;

impl Fingerprint {
    /// Returns the fingerprint as bytes, about 8 KB, and 2 KB more for each layer of uniform borders, of at most two.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let GreyRange { low, high, uniform } = self.levels;
        let mut bytes = vec![VERSION, low, high, u8::from(uniform)];
        bytes.extend(self.hash.to_le_bytes());
        self.thumbnail.write(&mut bytes);
        bytes.push(self.contents.len() as u8);
        self.contents.iter().for_each(|content| content.write(&mut bytes));
        self.details.write(&mut bytes);
        bytes
    }

    /// Reads a fingerprint that [`Fingerprint::to_bytes`] returned. None for other bytes, also of another version.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let [version, low, high, uniform] = *bytes.first_chunk()?;
        let (hash, mut rest) = bytes[4..].split_first_chunk()?;
        let fingerprint = Self {
            hash: u64::from_le_bytes(*hash),
            thumbnail: Thumbnail::read(&mut rest)?,
            contents: (0..take(&mut rest, 1)?[0]).map(|_| Thumbnail::read(&mut rest)).collect::<Option<_>>()?,
            details: Details::read(&mut rest)?,
            levels: GreyRange { low, high, uniform: uniform != 0 },
        };
        (version == VERSION && rest.is_empty()).then_some(fingerprint)
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage};

    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_it_was_written() {
        let picture = RgbImage::from_fn(90, 70, |x, y| Rgb([(x * x / 40 + y * 3) as u8, (x * y) as u8, 9]));
        let mut padded = RgbImage::new(120, 90);
        image::imageops::overlay(&mut padded, &picture, 10, 10);
        for (picture, layers) in [(&padded, 1), (&picture, 0)] {
            let written = Fingerprint::of(picture);
            assert_eq!(written.contents.len(), layers);
            assert_eq!(Fingerprint::from_bytes(&written.to_bytes()), Some(written));
        }
        let bytes = Fingerprint::of(&picture).to_bytes();
        for cut in [0, 2, 9, 2000, 2100, bytes.len() - 1] {
            assert_eq!(Fingerprint::from_bytes(&bytes[..cut]), None, "{cut} bytes");
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(Fingerprint::from_bytes(&longer), None);
        let other_version = [&[VERSION + 1], &bytes[1..]].concat();
        assert_eq!(Fingerprint::from_bytes(&other_version), None);
    }
}
