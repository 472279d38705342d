//! Shared parts of the mask conditions: rectangles over the evidence, the same rectangles moved away from it, and the
//! edits that cover or keep them.

use image::{Rgb, RgbImage};
use serde::Deserialize;
use stepwise_data::taxonomy::is_about_marks;

use super::evidence::{Marked, evidence};
use super::geometry::{Rect, displaced, union_area};
use super::outline_answer::{is_in_outline, is_place};
use crate::perturb::{Edit, Scene, Skip};

/// Name of the parameter that selects items by what their answers are read from; every kind of mask has it, and
/// [`AnswersIn`] lists its values.
pub const ANSWERS: &str = "answers";

/// Items that a condition with a mask is asked of, by what their answers are read from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswersIn {
    /// Items whose answer is in the pixels of the evidence.
    #[default]
    Pixels,
    /// Items whose answer is the place of the evidence, which the mask shows, see [`is_place`]. Conditions with this
    /// value measure how far a model reads the mask, and not how far it looks at the evidence. Sizes and numbers are
    /// left out, because a mask of the same form elsewhere shows them too.
    Place,
}

/// Parameters of a condition that masks a part of an image; the same keys for every kind of mask.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Masking {
    /// Pixels of the original image added on every side of each region's bounding box; 4 by default.
    pub dilate: u32,
    /// Grey level of the cover, 0 to 255; 128 by default.
    pub value: u8,
    /// Largest share of an image, 0 to 1, that the evidence may take; 0.6 by default. Items above it are skipped.
    pub max_area: f64,
    /// Items that the condition is asked of; items with answers in the pixels by default.
    pub answers: AnswersIn,
}

impl Default for Masking {
    fn default() -> Self {
        Self { dilate: 4, value: 128, max_area: 0.6, answers: AnswersIn::default() }
    }
}

impl Masking {
    /// Returns the bounding boxes of the item's evidence, grown by `dilate` pixels and clipped to the image, one entry
    /// for each image with evidence.
    ///
    /// # Errors
    /// Skips an item without evidence, an item that `answers` leaves out, and an item whose boxes take more than
    /// `max_area` of an image, because little else would be left.
    pub fn over_evidence(&self, scene: &Scene<'_>) -> Result<Vec<Marked>, Skip> {
        let evidence = evidence(scene.case, scene.item);
        if evidence.is_empty() {
            return Err(Skip("no evidence region"));
        }
        if is_about_marks(&scene.item.category) {
            return Err(Skip("the mask would cover a mark that the question is about"));
        }
        match self.answers {
            AnswersIn::Pixels if is_in_outline(scene.case, scene.item) => {
                return Err(Skip("the outline of the mask would show the answer"));
            }
            AnswersIn::Place if !is_place(scene.item) => {
                return Err(Skip("the answer is not the place of the mask"));
            }
            AnswersIn::Pixels | AnswersIn::Place => {}
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

    /// Returns the rectangles of [`Masking::over_evidence`], moved together within the body, or within their image where no
    /// body is recorded, so that they overlap none of these rectangles. For one item the position is the same for every kind of mask with the same parameters.
    ///
    /// # Errors
    /// Skips the same items as [`Masking::over_evidence`], and an item whose body or image has no room for the shape.
    pub fn elsewhere(&self, scene: &Scene<'_>) -> Result<Vec<Marked>, Skip> {
        let mut rng = scene.draw("random_mask");
        let evidence = evidence(scene.case, scene.item);
        self.over_evidence(scene)?
            .into_iter()
            .zip(evidence)
            .map(|(marked, found)| {
                displaced(&marked.rects, &marked.rects, found.body.unwrap_or(found.frame), &mut rng)
                    .map(|rects| Marked { image: marked.image, rects })
                    .ok_or(Skip("no room for a mask of this shape beside the evidence"))
            })
            .collect()
    }
}

/// Edit that covers rectangles on the images of a case with grey.
#[derive(Clone, Debug)]
pub struct Cover {
    /// Rectangles to cover; an image without rectangles stays as it is.
    pub masks: Vec<Marked>,
    /// Grey level of the cover, 0 to 255.
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

/// Edit that covers everything on the images of a case except some rectangles with grey. An image without rectangles is
/// covered completely.
#[derive(Clone, Debug)]
pub struct Keep {
    /// Rectangles to keep.
    pub masks: Vec<Marked>,
    /// Grey level of the cover, 0 to 255.
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

/// Iterates over the rectangles of `masks` on the image with index `image` (from 0); none where the image has no mask.
pub fn rects(masks: &[Marked], image: usize) -> impl Iterator<Item = &Rect> {
    masks.iter().filter(move |mask| mask.image == image).flat_map(|mask| &mask.rects)
}
