//! What masks have in common: the rectangles over the evidence, the same rectangles elsewhere, and covering them.

use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::evidence::{Marked, evidence};
use super::geometry::{Rect, displaced, union_area};
use crate::perturb::{Edit, Scene, Skip};

/// How masks are made; the same keys for every kind of mask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Masking {
    /// Pixels of the original image by which each region's bounding box is grown before it is covered.
    pub dilate: u32,
    /// Grey level, 0 to 255.
    pub value: u8,
    /// Items whose mask would cover more of a picture than this share are skipped.
    pub max_area: f64,
}

impl Default for Masking {
    fn default() -> Self {
        Self { dilate: 4, value: 128, max_area: 0.6 }
    }
}

impl Masking {
    /// The evidence of the item.
    ///
    /// # Errors
    /// Without evidence, and where it covers too much.
    pub fn over_evidence(&self, scene: &Scene<'_>) -> Result<Vec<Marked>, Skip> {
        let evidence = evidence(scene.case, scene.item);
        if evidence.is_empty() {
            return Err(Skip("no evidence region"));
        }
        evidence
            .into_iter()
            .map(|found| {
                let rects: Vec<_> =
                    found.rects.iter().map(|rect| rect.grown(self.dilate.into()).clipped(found.frame)).collect();
                if union_area(&rects) as f64 > self.max_area * found.frame.area() as f64 {
                    return Err(Skip("the evidence covers too much of the picture"));
                }
                Ok(Marked { image: found.image, rects })
            })
            .collect()
    }

    /// The same shapes where no evidence is: the same place for every kind of mask.
    ///
    /// # Errors
    /// As [`Masking::over_evidence`], and where there is no room.
    pub fn elsewhere(&self, scene: &Scene<'_>) -> Result<Vec<Marked>, Skip> {
        let mut rng = scene.draw("random_mask");
        self.over_evidence(scene)?
            .into_iter()
            .map(|marked| {
                let image = &scene.case.images[marked.image];
                let frame = Rect::of_size(image.width, image.height);
                displaced(&marked.rects, &marked.rects, frame, &mut rng)
                    .map(|rects| Marked { image: marked.image, rects })
                    .ok_or(Skip("no room for a mask of this shape beside the evidence"))
            })
            .collect()
    }
}

/// Covers rectangles with grey.
#[derive(Clone, Debug)]
pub struct Cover {
    /// What is covered.
    pub masks: Vec<Marked>,
    /// With this grey.
    pub value: u8,
}

impl Edit for Cover {
    fn key(&self) -> String {
        format!("cover:{}:{:?}", self.value, self.masks)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        for rect in rects(&self.masks, index) {
            rect.pixels_in(picture).for_each(|(x, y)| picture.put_pixel(x, y, Rgb([self.value; 3])));
        }
    }
}

/// Covers everything but rectangles with grey; a picture without any is covered as a whole.
#[derive(Clone, Debug)]
pub struct Keep {
    /// What is kept.
    pub masks: Vec<Marked>,
    /// With this grey.
    pub value: u8,
}

impl Edit for Keep {
    fn key(&self) -> String {
        format!("keep:{}:{:?}", self.value, self.masks)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let mut covered = RgbImage::from_pixel(picture.width(), picture.height(), Rgb([self.value; 3]));
        for rect in rects(&self.masks, index) {
            rect.pixels_in(picture).for_each(|(x, y)| covered.put_pixel(x, y, *picture.get_pixel(x, y)));
        }
        *picture = covered;
    }
}

/// The rectangles on one picture.
pub fn rects(masks: &[Marked], image: usize) -> impl Iterator<Item = &Rect> {
    masks.iter().filter(move |mask| mask.image == image).flat_map(|mask| &mask.rects)
}
