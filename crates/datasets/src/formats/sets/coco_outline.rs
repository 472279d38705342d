//! Outlines of COCO annotations: polygons, and runs of pixels, as a list or compressed.

use serde::Deserialize;
use stepwise_data::image::{MAX_DIMENSION, MAX_PIXELS};

use super::super::outline::{compressed, fills, polygons, runs};
use super::super::region_mask::RegionMask;

/// Outline as a file has it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Segmentation {
    /// Polygons of x and y in turn.
    Polygons(Vec<Vec<f64>>),
    /// Runs for an image of this height and width.
    Runs {
        /// Lengths of the runs.
        counts: Runs,
        /// Height and width in pixels.
        size: [u32; 2],
    },
    /// Anything else.
    Other(serde::de::IgnoredAny),
}

/// Lengths of runs.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Runs {
    /// Numbers.
    List(Vec<u32>),
    /// Compressed.
    Text(String),
}

/// Outline on the image.
pub(super) enum Outline {
    /// Only the box is known.
    Box,
    /// One polygon of points `[x, y]`.
    Polygon(Vec<[f64; 2]>),
    /// Pixels: several polygons, or runs.
    Mask(RegionMask),
}

impl Segmentation {
    /// Returns width and height of the image that runs state; None for other outlines.
    pub(super) fn size(&self) -> Option<(u32, u32)> {
        match self {
            Self::Runs { size: [height, width], .. } => Some((*width, *height)),
            Self::Polygons(_) | Self::Other(_) => None,
        }
    }

    /// Returns the outline on an image of `size`, which is None when the annotation states no size; several polygons
    /// need it.
    ///
    /// # Errors
    /// What is wrong with the outline.
    pub(super) fn outline(self, size: Option<(u32, u32)>) -> Result<Outline, String> {
        match self {
            Self::Polygons(all) => {
                let mut all = all
                    .iter()
                    .map(|numbers| points(numbers))
                    .collect::<Option<Vec<_>>>()
                    .ok_or("a polygon is no list of x and y of at least three points")?;
                match (all.len(), size) {
                    (0, _) => Ok(Outline::Box),
                    (1, _) => Ok(Outline::Polygon(all.remove(0))),
                    (_, None) => Ok(Outline::Box),
                    (_, Some((width, height))) => {
                        fits(width, height)?;
                        Ok(Outline::Mask(RegionMask::new(move || polygons(&all, width, height))))
                    }
                }
            }
            Self::Runs { size: [height, width], .. } if size.is_some_and(|size| size != (width, height)) => {
                Err(format!("the runs are for {width}x{height} pixels, which is not the size of the image"))
            }
            Self::Runs { counts, size: [height, width] } => {
                fits(width, height)?;
                let read = match counts {
                    Runs::List(counts) => Some(counts),
                    Runs::Text(text) => compressed(&text),
                };
                let counts = read.ok_or("the compressed runs are damaged")?;
                if !fills(&counts, width, height) {
                    return Err("the runs do not fill the image".into());
                }
                Ok(Outline::Mask(RegionMask::new(move || runs(&counts, width, height))))
            }
            Self::Other(_) => Err("is neither a list of polygons nor runs with counts and size".into()),
        }
    }
}

fn points(numbers: &[f64]) -> Option<Vec<[f64; 2]>> {
    let is_whole = numbers.len() >= 6 && numbers.len().is_multiple_of(2);
    is_whole.then(|| numbers.chunks_exact(2).map(|point| [point[0], point[1]]).collect())
}

fn fits(width: u32, height: u32) -> Result<(), String> {
    match width.max(height) <= MAX_DIMENSION && u64::from(width) * u64::from(height) <= MAX_PIXELS {
        true => Ok(()),
        false => Err(format!("an image of {width}x{height} pixels is too large")),
    }
}
