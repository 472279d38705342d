//! Fuzz target for PNG and JPEG images.

use std::cell::OnceCell;
use std::path::Path;

use stepwise_data::dhash::phash;
use stepwise_data::image::{MAX_DIMENSION, MAX_PIXELS, decode_image, image_size};
use stepwise_vlm::processor::Processor;

use crate::support::{fixture, folder, refused, write};

/// Most pixels of an image that is also cut into tiles. Cutting larger images would take seconds each.
const CUT: u64 = 1 << 20;

thread_local! {
    static PROCESSOR: OnceCell<Processor> = const { OnceCell::new() };
}

/// Decodes an image file and cuts it into tiles.
///
/// # Errors
/// When the image is refused.
///
/// # Panics
/// When the image exceeds a size limit, the header states another size, the tile grid does not follow from the size, or
/// an error gives no advice.
pub fn picture(data: &[u8]) -> Result<(), String> {
    let place = folder();
    write(place.path(), "picture", data);
    let size = image_size(&place.path().join("picture")).map_err(refused);
    let picture = decode_image(data, Path::new("picture")).map_err(refused)?;
    let (width, height) = picture.dimensions();
    assert_eq!(size, Ok((width, height)), "the header states another size");
    let pixels = u64::from(width) * u64::from(height);
    assert!(width.max(height) <= MAX_DIMENSION && pixels <= MAX_PIXELS);
    if pixels > CUT {
        return Ok(());
    }
    let _ = phash(&picture);
    PROCESSOR.with(|processor| {
        let processor =
            processor.get_or_init(|| Processor::from_folder(&fixture("tiny")).expect("the tiny model's processor"));
        let tiles = processor.tiles(&picture).map_err(refused)?;
        assert_eq!(tiles.grid, processor.grid(width, height), "the size alone gives another grid");
        Ok(())
    })
}
