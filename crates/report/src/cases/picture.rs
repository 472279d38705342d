//! An image as shown on the page: embedded, at most of a readable size.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, ImageFormat, RgbImage};
use stepwise_data::case::{Image, Pixels};
use stepwise_data::dataset::{Dataset, image_path};
use stepwise_data::image::{decode_stored, read_file, sha256_hex};

/// Longest side of an embedded image, in pixels.
const LONGEST: u32 = 768;
/// Longest side, in pixels, of an image that is embedded without loss.
const SMALL: u32 = 256;
/// Quality of a JPEG, 1 to 100.
const QUALITY: u8 = 90;

/// An embedded image.
pub struct Picture {
    /// Data URI.
    pub uri: String,
    /// What the file contains, which changes decoding makes, and how an import made the pixels, in words.
    pub pixels: String,
}

/// Reads the file of an image and embeds it.
///
/// # Errors
/// When the file cannot be read or decoded, has another digest or size than its case states, or cannot be encoded; the
/// text names the file.
pub fn embedded(dataset: &Dataset, image: &Image) -> Result<Picture, String> {
    let path = image_path(&dataset.root, &image.path).map_err(|error| error.to_string())?;
    let bytes = read_file(&path).map_err(|error| error.to_string())?;
    let (picture, stored) = decode_stored(&bytes, &path).map_err(|error| error.to_string())?;
    if sha256_hex(&bytes) != image.sha256 {
        return Err(format!("{}: its SHA-256 is another one than the case states", image.path));
    }
    let (width, height) = picture.dimensions();
    if (width, height) != (image.width, image.height) {
        return Err(format!("{}: is {width} x {height} pixels, the case states another size", image.path));
    }
    let (picture, scaled) = readable(picture);
    let mut words = vec![stored.describe()];
    words.extend(stored.changes());
    words.extend(image.pixels.iter().flat_map(Pixels::describe));
    words.extend(scaled);
    let uri = encoded(picture).map_err(|error| format!("{}: {error}", image.path))?;
    Ok(Picture { uri, pixels: words.join("; ") })
}

/// Makes a large image smaller. Returns it with a remark on the new size.
fn readable(picture: RgbImage) -> (RgbImage, Option<String>) {
    let (width, height) = picture.dimensions();
    let longest = width.max(height);
    if longest <= LONGEST {
        return (picture, None);
    }
    let side = |side: u32| (u64::from(side) * u64::from(LONGEST) / u64::from(longest)).max(1) as u32;
    let (width, height) = (side(width), side(height));
    let remark = format!("shown here at {width} \u{d7} {height} pixels");
    (resize(&picture, width, height, FilterType::Triangle), Some(remark))
}

fn encoded(picture: RgbImage) -> Result<String, image::ImageError> {
    let is_small = picture.width().max(picture.height()) <= SMALL;
    let is_grey = picture.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2]);
    let picture = DynamicImage::ImageRgb8(picture);
    let picture = if is_grey { DynamicImage::ImageLuma8(picture.into_luma8()) } else { picture };
    let mut bytes = Cursor::new(Vec::new());
    let kind = if is_small { "png" } else { "jpeg" };
    if is_small {
        picture.write_to(&mut bytes, ImageFormat::Png)?;
    } else {
        picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, QUALITY))?;
    }
    Ok(format!("data:image/{kind};base64,{}", STANDARD.encode(bytes.into_inner())))
}
