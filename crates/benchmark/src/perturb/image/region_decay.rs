//! `region_decay` removes a share of the evidence, so that accuracy can be measured at increasing shares.
//! `random_decay`, the control, removes the same share of an area of the same shape without evidence.
//!
//! With `by = "cover"`, a larger share removes everything that a smaller share removes.

use std::sync::Arc;

use image::RgbImage;
use rand::seq::SliceRandom;
use serde::{Deserialize, Deserializer};

use crate::perturb::support::evidence::Marked;
use crate::perturb::support::geometry::Rect;
use crate::perturb::support::masking::{AnswersIn, Cover, Masking, rects};
use crate::perturb::support::raster::Raster;
use crate::perturb::support::registry::plain_kind;
use crate::perturb::{Edit, Perturbed, Scene, ShownImages};

plain_kind! {
    EVIDENCE = EvidenceDecay(Decay), "region_decay", EvidenceRemoved, "a share of the evidence is covered or blurred",
    |given, scene| Ok(given.of(scene, given.masking().over_evidence(scene)?))
}

plain_kind! {
    RANDOM = RandomDecay(Decay), "random_decay", Control, "the same share of an area without evidence is removed",
    |given, scene| Ok(given.of(scene, given.masking().elsewhere(scene)?))
}

/// Largest number of tiles per side of a region.
const TILES: i64 = 8;
/// Standard deviation of the blur at 100 percent, as a share of the region's shorter side.
const STRONGEST_BLUR: f64 = 0.25;

/// Parameters of `region_decay` and `random_decay`, which remove a share of the evidence or of an area without
/// evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decay {
    /// Share of the region to remove, in percent, 0 to 100.
    #[serde(deserialize_with = "percent")]
    pub share: u8,
    /// Way of removing; `cover` by default.
    #[serde(default)]
    pub by: By,
    /// Pixels added around each region, as in [`Masking::dilate`].
    #[serde(default = "dilate")]
    pub dilate: u32,
    /// Grey level of the cover, as in [`Masking::value`].
    #[serde(default = "value")]
    pub value: u8,
    /// Largest share of an image that the evidence may take, as in [`Masking::max_area`].
    #[serde(default = "max_area")]
    pub max_area: f64,
    /// Items that the condition is asked of, as in [`Masking::answers`].
    #[serde(default)]
    pub answers: AnswersIn,
}

/// Way in which a share of a region is removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A random selection of this share of the region's tiles is covered with grey.
    #[default]
    Cover,
    /// The whole region is blurred. The standard deviation is this share of a quarter of the region's shorter side.
    Blur,
}

fn percent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        share @ 0..=100 => Ok(share),
        share => Err(serde::de::Error::custom(format!("share is {share} -> write a percentage, 0 to 100"))),
    }
}

fn dilate() -> u32 {
    Masking::default().dilate
}

fn value() -> u8 {
    Masking::default().value
}

fn max_area() -> f64 {
    Masking::default().max_area
}

impl Decay {
    fn masking(&self) -> Masking {
        Masking { dilate: self.dilate, value: self.value, max_area: self.max_area, answers: self.answers }
    }

    fn of(&self, scene: &Scene<'_>, regions: Vec<Marked>) -> Perturbed {
        let edit: Arc<dyn Edit> = match self.by {
            By::Blur => Arc::new(Blur { regions, share: self.share }),
            By::Cover => {
                // The order of the tiles depends neither on the share nor on the position of the region. So a larger
                // share contains a smaller one, and the control covers the same pattern of tiles.
                let mut rng = scene.draw("region_decay");
                let mut decayed = |rect: &Rect| {
                    let mut tiles = tiles(*rect);
                    tiles.shuffle(&mut rng);
                    let count = (tiles.len() * usize::from(self.share) + 50) / 100;
                    tiles.truncate(count);
                    tiles
                };
                let masks = regions
                    .iter()
                    .map(|region| Marked {
                        image: region.image,
                        rects: region.rects.iter().flat_map(&mut decayed).collect(),
                    })
                    .collect();
                Arc::new(Cover { masks, value: self.value })
            }
        };
        Perturbed { pictures: ShownImages::Edited(edit), ..Perturbed::default() }
    }
}

/// Divides `rect` into tiles as equal as whole pixels allow, at most [`TILES`] per side.
fn tiles(rect: Rect) -> Vec<Rect> {
    let cuts = |from: i64, to: i64| {
        let count = (to - from).clamp(1, TILES);
        (0..=count).map(move |cut| from + (to - from) * cut / count).collect::<Vec<i64>>()
    };
    let (columns, rows) = (cuts(rect.x0, rect.x1), cuts(rect.y0, rect.y1));
    let tile = |x: &[i64], y: &[i64]| Rect { x0: x[0], y0: y[0], x1: x[1], y1: y[1] };
    rows.windows(2).flat_map(|y| columns.windows(2).map(move |x| tile(x, y))).collect()
}

#[derive(Clone, Debug)]
struct Blur {
    regions: Vec<Marked>,
    share: u8,
}

impl Edit for Blur {
    fn key(&self) -> String {
        format!("region_blur:{}:{:?}", self.share, self.regions)
    }

    fn bytes_per_pixel(&self) -> u64 {
        84
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let sharp = Raster::of(picture);
        for rect in rects(&self.regions, index) {
            let side = (rect.x1 - rect.x0).min(rect.y1 - rect.y0);
            let blurred = sharp.blurred(STRONGEST_BLUR * side as f64 * f64::from(self.share) / 100.0).picture();
            rect.pixels_in(picture).for_each(|(x, y)| picture.put_pixel(x, y, *blurred.get_pixel(x, y)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn tiles_cover_the_region_once(x in 0i64..9, y in 0i64..9, width in 1i64..40, height in 1i64..40) {
            let rect = Rect { x0: x, y0: y, x1: x + width, y1: y + height };
            let tiles = tiles(rect);
            prop_assert_eq!(tiles.iter().map(|tile| tile.area()).sum::<i64>(), rect.area());
            prop_assert_eq!(crate::perturb::support::geometry::union_area(&tiles), rect.area());
            prop_assert!(tiles.iter().all(|tile| tile.area() > 0 && tile.clipped(rect) == *tile));
        }
    }
}
