//! `jpeg`: what the baseline format loses at low quality.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Calibrated<Jpeg>>("jpeg", Purpose::Attack, "JPEG of low quality, five levels of similarity");

/// Quality 100 at no intensity, 5 at full. Its steps are whole, so a band may lie between two of them.
#[derive(Clone, Copy, Debug)]
pub struct Jpeg;

impl Corruption for Jpeg {
    const NAME: &'static str = "jpeg";

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        Box::new(move |intensity| {
            let quality = (100.0 - 95.0 * intensity).round().clamp(1.0, 100.0) as u8;
            let mut file = Vec::new();
            let encoded = JpegEncoder::new_with_quality(&mut file, quality).encode_image(picture);
            let decoded = encoded.and_then(|()| image::load(Cursor::new(&file), ImageFormat::Jpeg));
            // Only a picture beyond 65,535 pixels a side has no JPEG, and no case has one.
            decoded.map_or_else(|_| picture.clone(), |decoded| decoded.into_rgb8())
        })
    }
}
