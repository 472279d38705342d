//! `region_mask`: the evidence is covered with grey. `random_mask`: as much of the picture is, elsewhere.
//!
//! The difference of the two effects is region grounding: what the *right* pixels are worth beyond any pixels.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::evidence::{Marked, evidence};
use super::geometry::{displaced, union_area};
use super::{Edit, Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};

/// The evidence.
pub const EVIDENCE: Kind =
    Kind::of::<EvidenceMask>("region_mask", Purpose::Removal, "the evidence is covered with grey");

/// The control.
pub const RANDOM: Kind =
    Kind::of::<RandomMask>("random_mask", Purpose::Control, "as large an area without evidence is covered with grey");

/// How masks are made; the same keys for both kinds.
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

/// Covers the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct EvidenceMask(Masking);

/// Covers the same shape elsewhere.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct RandomMask(Masking);

impl Perturbation for EvidenceMask {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(self.0.covering(self.0.masks(scene)?))
    }
}

impl Perturbation for RandomMask {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let mut rng = scene.draw("random_mask");
        let masks = self.0.masks(scene)?;
        let moved = masks
            .into_iter()
            .map(|marked| {
                let image = &scene.case.images[marked.image];
                let frame = super::geometry::Rect::of_size(image.width, image.height);
                displaced(&marked.rects, &marked.rects, frame, &mut rng)
                    .map(|rects| Marked { image: marked.image, rects })
                    .ok_or(Skip("no room for a mask of this shape beside the evidence"))
            })
            .collect::<Result<_, _>>()?;
        Ok(self.0.covering(moved))
    }
}

impl Masking {
    fn masks(&self, scene: &Scene<'_>) -> Result<Vec<Marked>, Skip> {
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

    fn covering(&self, masks: Vec<Marked>) -> Perturbed {
        Perturbed { pictures: Pictures::Edited(Arc::new(Cover { masks, value: self.value })), ..Perturbed::default() }
    }
}

#[derive(Clone, Debug)]
struct Cover {
    masks: Vec<Marked>,
    value: u8,
}

impl Edit for Cover {
    fn key(&self) -> String {
        format!("cover:{}:{:?}", self.value, self.masks)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        for rect in self.masks.iter().filter(|mask| mask.image == index).flat_map(|mask| &mask.rects) {
            for y in rect.y0..rect.y1 {
                for x in rect.x0..rect.x1 {
                    if let Some(pixel) = picture.get_pixel_mut_checked(x as u32, y as u32) {
                        *pixel = Rgb([self.value; 3]);
                    }
                }
            }
        }
    }
}
