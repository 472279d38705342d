//! Synthetic cases: drawn bodies, organs and findings with facts that are known because they were drawn.
//!
//! A case is a pure function of the options and its index. First its facts are drawn, as independent and as uniform as
//! the world allows; then everything is given a place that agrees with them; then the questions are chosen by coins that
//! do not look at the answers beyond evening them out; last the picture is painted. So a reader who does not look is
//! left with chance (`baselines` measures how nearly), and one who looks can answer: everything asked about is a few
//! pixels across at 128 pixels. Position, scale, tilt, contrast, grain and brightness vary and are never asked about.
//!
//! - One case in five cannot be read (a block hides the body, or noise drowns it): "cannot tell" is then right wherever
//!   it is offered, and it is offered as often when it is wrong. One in five is normal.
//! - The cue categories (16, 24) are asked in cases whose picture carries three coloured frames, drawn into it at known
//!   places, one around the finding: words with coordinates would have tested arithmetic, not sight. Every other question
//!   keeps its answer under the frames, and the frames are recorded as reference regions. Category 22 likewise asks about
//!   a drawn cross.
//! - Conclusions follow from described features by invented rules, all in `rule`. They say nothing about medicine.
//! - Sides and quadrants are sides of the image; half the bodies are mirrored. The side marker, where drawn, stands on
//!   the patient's right.

mod anatomy;
mod ask;
mod baseline;
mod conclude;
mod describe;
mod dice;
mod facts;
mod find;
mod lesion;
mod orient;
mod paint;
mod raster;
mod record;
mod regions;
mod rule;
mod scene;
mod shape;
mod style;
#[cfg(test)]
mod tests;
mod texture;
mod write;

use image::{GrayImage, RgbImage};

pub use baseline::{Baselines, Rate, baselines};
pub use write::{SynthError, SynthReport, write};

use crate::case::Case;
use crate::image::sha256_hex;

/// Name of the data set in every synthetic case.
pub const DATASET: &str = "stepwise-synth";

/// Version of the drawn world, recorded as the data set's revision. Equal versions, seeds and indices give equal bytes.
pub const WORLD_VERSION: &str = "world/1";

/// What to draw.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthOptions {
    /// How many cases [`write()`] writes; [`case`] draws any index.
    pub cases: usize,
    /// Another seed gives other cases throughout.
    pub seed: u64,
    /// Pixels along each side of the square images; at least [`MIN_IMAGE_SIZE`].
    pub image_size: u32,
    /// Shares of train, validation and test; they sum to 1. Each case is drawn to a side by itself, so the counts vary.
    pub splits: [f64; 3],
}

/// Below this, findings are too small to be told apart.
pub const MIN_IMAGE_SIZE: u32 = 64;

impl Default for SynthOptions {
    fn default() -> Self {
        Self { cases: 1000, seed: 0, image_size: 128, splits: [0.8, 0.1, 0.1] }
    }
}

/// A case with its picture, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthCase {
    /// The record; its image's digest is that of `png`.
    pub case: Case,
    /// The picture.
    pub image: RgbImage,
    /// The picture as the file the record names.
    pub png: Vec<u8>,
    /// Pictures of mask regions (255 inside, 0 outside) by the paths that the record names.
    pub masks: Vec<(String, GrayImage)>,
}

/// Draws case `index`. An image side under [`MIN_IMAGE_SIZE`] is taken as that.
#[must_use]
pub fn case(index: u64, options: &SynthOptions) -> SynthCase {
    let plan = record::Plan::new(index, options);
    let image = paint::paint(&plan.facts, &plan.scene, options.seed, index, plan.side);
    let png = write::png(image.as_raw(), plan.side, image::ExtendedColorType::Rgb8);
    let (mut case, masks) = plan.record(options);
    case.images[0].sha256 = sha256_hex(&png);
    SynthCase { case, image, png, masks }
}

/// The record of case `index` without painting it: an image's digest is empty. For statistics, at a fraction of the cost.
#[must_use]
pub fn record(index: u64, options: &SynthOptions) -> Case {
    record::Plan::new(index, options).record(options).0
}
