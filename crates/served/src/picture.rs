//! Images as a server is sent them: PNG files and data URLs.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageError, ImageFormat, RgbImage};
use sha2::{Digest, Sha256};

/// Encodes `picture` as PNG, without loss.
///
/// # Errors
/// When the encoder fails, for example because an image has no pixels.
pub fn png(picture: &RgbImage) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    picture.write_to(&mut Cursor::new(&mut bytes), ImageFormat::Png)?;
    Ok(bytes)
}

/// Returns the SHA-256 of `bytes` in hexadecimal, which names a PNG file of a pack.
#[must_use]
pub fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// Returns PNG bytes as a data URL.
#[must_use]
pub fn data_url(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}
