//! Synthetic cases: images of invented bodies, organs and findings whose facts are known because they were drawn.
//!
//! A case is a pure function of the options and its index. Four steps make it: draw the facts, as independently and as
//! uniformly as the world allows; place everything so that the places agree with the facts; choose the questions by
//! random draws that look at the answers only to balance them; paint the image. A model that ignores the image
//! therefore scores near chance (`baselines` measures how near), and every detail that a question is about is at least
//! a few pixels wide in a 128-pixel image. Position, scale, tilt, contrast, grain and brightness vary, and no question
//! is about them.
//!
//! - One case in five cannot be judged: a block hides the body, or noise covers it. "cannot tell" is then the
//!   right answer wherever it is an option. It is also offered in readable cases, where it is wrong. One case in
//!   five is normal.
//! - Questions of the categories 16 and 24 refer to three coloured frames in the image, one of them around the finding.
//!   The frames are drawn at known places, because coordinates in words would test arithmetic and not vision. All other
//!   questions keep their answers under the frames, and the frames are recorded as reference regions. Category 22
//!   refers to a drawn cross in the same way.
//! - Conclusions follow from described features by invented rules, all in `rule`. They have no medical meaning.
//! - Sides and quadrants are sides and quadrants of the image; half of the bodies are mirrored. The side marker, where
//!   drawn, is on the patient's right.

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

/// Data set name recorded in every synthetic case, in `source.dataset`.
pub const DATASET: &str = "stepwise-synth";

/// Version of the drawn world, recorded in `source.revision` of every synthetic case. Equal versions, options and
/// indices give equal bytes.
pub const WORLD_VERSION: &str = "world/1";

/// Options of the generator.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthOptions {
    /// Number of cases that [`write()`] writes; [`case`] accepts any index.
    pub cases: usize,
    /// Seed of all random draws; another seed gives entirely different cases.
    pub seed: u64,
    /// Side of the square images in pixels; at least [`MIN_IMAGE_SIZE`].
    pub image_size: u32,
    /// Probabilities of train, validation and test; they sum to 1. The split of each case is drawn independently, so
    /// the counts vary.
    pub splits: [f64; 3],
}

/// Smallest image side in pixels. It is a choice of this generator: in smaller images findings cannot be told apart.
pub const MIN_IMAGE_SIZE: u32 = 64;

impl Default for SynthOptions {
    fn default() -> Self {
        Self { cases: 1000, seed: 0, image_size: 128, splits: [0.8, 0.1, 0.1] }
    }
}

/// A synthetic case with its image and masks, in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct SynthCase {
    /// Case record; the SHA-256 of its image is computed from `png`.
    pub case: Case,
    /// Image in RGB.
    pub image: RgbImage,
    /// Image as PNG: the content of the file that the record names.
    pub png: Vec<u8>,
    /// Masks of the mask regions (255 inside, 0 outside) with their paths in the record.
    pub masks: Vec<(String, GrayImage)>,
}

/// Draws case `index`, counted from 0, in memory; no file is written. Equal arguments give equal cases. An image side
/// below [`MIN_IMAGE_SIZE`] is raised to it.
#[must_use]
pub fn case(index: u64, options: &SynthOptions) -> SynthCase {
    let plan = record::Plan::new(index, options);
    let image = paint::paint(&plan.facts, &plan.scene, options.seed, index, plan.side);
    let png = write::png(image.as_raw(), plan.side, image::ExtendedColorType::Rgb8);
    let (mut case, masks) = plan.record(options);
    case.images[0].sha256 = sha256_hex(&png);
    SynthCase { case, image, png, masks }
}

/// Returns the record of case `index` without painting the image, at a fraction of the cost of [`case`]; the image's
/// SHA-256 is empty. Meant for statistics.
#[must_use]
pub fn record(index: u64, options: &SynthOptions) -> Case {
    record::Plan::new(index, options).record(options).0
}
