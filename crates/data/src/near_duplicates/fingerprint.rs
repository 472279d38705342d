//! Fingerprints of images: all that is kept of the pixels of an image to compare it with others.

use image::RgbImage;

use super::border::without_borders;
use super::copies::Details;
use super::thumbnail::Thumbnail;
use crate::dhash::phash;
use crate::image::GreyRange;

/// Difference hash, thumbnail and details of an image, by which near-duplicates are found, and its grey levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Difference hash.
    pub hash: u64,
    /// Thumbnail.
    pub thumbnail: Thumbnail,
    /// Thumbnails of the image without its outermost uniform borders and without all of them; at most two, none where it has
    /// no border.
    pub contents: Vec<Thumbnail>,
    /// Keypoints and sketch.
    pub details: Details,
    /// Lowest and highest grey level.
    pub levels: GreyRange,
}

impl Fingerprint {
    /// Computes the fingerprint of an image.
    #[must_use]
    pub fn of(picture: &RgbImage) -> Self {
        Self {
            hash: phash(picture),
            thumbnail: Thumbnail::of(picture),
            contents: without_borders(picture).iter().map(Thumbnail::of).collect(),
            details: Details::of(picture),
            levels: GreyRange::of(picture),
        }
    }
}
