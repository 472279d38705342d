//! `cue_true`: a box is drawn around the evidence. `cue_wrong`: the same box around something else.

use std::sync::Arc;

use image::{Rgb, RgbImage};
use serde::Deserialize;

use super::evidence::{Marked, evidence};
use super::geometry::{Rect, displaced};
use super::{Edit, Kind, Perturbation, Perturbed, Pictures, Purpose, Scene, Skip};

/// The evidence.
pub const TRUE: Kind = Kind::of::<TrueCue>("cue_true", Purpose::Help, "a box is drawn around the evidence");

/// Elsewhere.
pub const WRONG: Kind =
    Kind::of::<WrongCue>("cue_wrong", Purpose::Attack, "a box of the same size is drawn where the evidence is not");

/// How cues look; the same keys for both kinds.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Stroke {
    /// Width of the line as a share of the picture's shorter side; at least two pixels.
    pub width: f64,
    /// Red, green, blue.
    pub colour: [u8; 3],
}

impl Default for Stroke {
    fn default() -> Self {
        Self { width: 0.008, colour: [255, 64, 64] }
    }
}

/// Around the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct TrueCue(Stroke);

/// Somewhere else.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct WrongCue(Stroke);

impl Perturbation for TrueCue {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let marks = found(scene)?.into_iter().map(|found| Marked { image: found.image, rects: found.rects }).collect();
        Ok(self.0.drawing(marks))
    }
}

impl Perturbation for WrongCue {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let mut rng = scene.draw("cue_wrong");
        let marks = found(scene)?
            .into_iter()
            .map(|found| {
                // A mark outside the body would give itself away, so the body is tried first where it is known.
                // Room is kept for the line as well, so that it hides none of the evidence either.
                let line = self.0.pixels(found.frame.x1, found.frame.y1);
                let avoid: Vec<Rect> = found.rects.iter().map(|rect| rect.grown(line)).collect();
                let inside = found.body.and_then(|body| displaced(&found.rects, &avoid, body, &mut rng));
                inside
                    .or_else(|| displaced(&found.rects, &avoid, found.frame, &mut rng))
                    .map(|rects| Marked { image: found.image, rects })
                    .ok_or(Skip("no room for a mark of this size beside the evidence"))
            })
            .collect::<Result<_, _>>()?;
        Ok(self.0.drawing(marks))
    }
}

fn found(scene: &Scene<'_>) -> Result<Vec<super::evidence::Evidence>, Skip> {
    if scene.item.stage < 2 {
        return Err(Skip("cues are for stages 2 to 4"));
    }
    let evidence = evidence(scene.case, scene.item);
    if evidence.is_empty() { Err(Skip("no evidence region")) } else { Ok(evidence) }
}

impl Stroke {
    /// Width of the line on a picture of this size.
    fn pixels(&self, width: i64, height: i64) -> i64 {
        ((self.width * width.min(height) as f64).round() as i64).max(2)
    }

    fn drawing(&self, marks: Vec<Marked>) -> Perturbed {
        let outline = Outline { marks, stroke: self.clone() };
        Perturbed { pictures: Pictures::Edited(Arc::new(outline)), ..Perturbed::default() }
    }
}

#[derive(Clone, Debug)]
struct Outline {
    marks: Vec<Marked>,
    stroke: Stroke,
}

impl Edit for Outline {
    fn key(&self) -> String {
        format!("outline:{}:{:?}:{:?}", self.stroke.width, self.stroke.colour, self.marks)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        let frame = Rect::of_size(picture.width(), picture.height());
        let width = self.stroke.pixels(frame.x1, frame.y1);
        for inner in self.marks.iter().filter(|mark| mark.image == index).flat_map(|mark| &mark.rects) {
            // The line lies outside the marked area and hides none of it.
            let outer = inner.grown(width);
            let sides = [
                Rect { y1: inner.y0, ..outer },
                Rect { y0: inner.y1, ..outer },
                Rect { x1: inner.x0, ..outer },
                Rect { x0: inner.x1, ..outer },
            ];
            for side in sides.map(|side| side.clipped(frame)) {
                for y in side.y0..side.y1 {
                    for x in side.x0..side.x1 {
                        picture.put_pixel(x as u32, y as u32, Rgb(self.stroke.colour));
                    }
                }
            }
        }
    }
}
