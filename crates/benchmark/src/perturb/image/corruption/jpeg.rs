//! `jpeg` encodes the image as baseline JPEG at low quality and decodes it again.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage};
use rand_chacha::ChaCha8Rng;

use super::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `jpeg`. It compresses the image as JPEG of low
/// quality. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS).
pub const KIND: PerturbationKind =
    PerturbationKind::of::<Calibrated<Jpeg>>("jpeg", Purpose::Attack, "JPEG of low quality, five levels of similarity");

/// Corruption `jpeg`: compresses the image as JPEG, with a quality that falls from 100 at intensity 0 to 5 at intensity
/// 1. Quality is a whole number, so a level's band of similarity can lie between two qualities.
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
            // Encoding fails only for images with more than 65,535 pixels per side, which no case has.
            decoded.map_or_else(|_| picture.clone(), |decoded| decoded.into_rgb8())
        })
    }
}
