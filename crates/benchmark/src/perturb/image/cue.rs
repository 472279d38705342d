//! `cue_true`: a mark is drawn on the evidence. `cue_wrong`: the same mark on something else. `cue_neutral`: a mark in a
//! corner, which says nothing.

use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::Deserialize;

use crate::perturb::support::evidence::{Evidence, evidence};
use crate::perturb::support::geometry::{Rect, displaced};
use crate::perturb::support::mark::{Figure, Marks, Shape, Style};
use crate::perturb::{Perturbation, PerturbationKind, Perturbed, Purpose, Scene, ShownImages, Skip};

/// The evidence.
pub const TRUE: PerturbationKind =
    PerturbationKind::of::<TrueCue>("cue_true", Purpose::Assist, "a mark is drawn on the evidence");

/// Elsewhere.
pub const WRONG: PerturbationKind = PerturbationKind::of::<WrongCue>(
    "cue_wrong",
    Purpose::Attack,
    "a mark of the same size is drawn where the evidence is not",
);

/// In a corner.
pub const NEUTRAL: PerturbationKind =
    PerturbationKind::of::<NeutralCue>("cue_neutral", Purpose::Control, "a mark is drawn in a corner without evidence");

/// Side of what a neutral mark stands on, as a share of the picture's shorter side.
const CORNER: f64 = 0.12;

/// On the evidence.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct TrueCue(Style);

/// Somewhere else.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct WrongCue(Style);

/// In a corner.
#[derive(Clone, Debug, Deserialize)]
#[serde(transparent)]
pub struct NeutralCue(Style);

impl Perturbation for TrueCue {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        Ok(drawing(true_marks(scene, &self.0)?))
    }
}

impl Perturbation for WrongCue {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let style = &self.0;
        let mut rng = scene.draw("cue_wrong");
        let way = way(scene);
        let mut figures = Vec::new();
        for found in found(scene)? {
            // A mark outside the body would give itself away, so the body is tried first where it is known.
            // Room is kept for the drawing as well, so that it hides none of the evidence either.
            let overhang = found.rects.iter().map(|rect| style.overhang(*rect, found.frame)).max().unwrap_or(0);
            let avoid: Vec<Rect> = found.rects.iter().map(|rect| rect.grown(overhang)).collect();
            let inside = found.body.and_then(|body| displaced(&found.rects, &avoid, body, &mut rng));
            let moved = inside
                .or_else(|| displaced(&found.rects, &avoid, found.frame, &mut rng))
                .ok_or(Skip("no room for a mark of this size beside the evidence"))?;
            for ((old, new), outline) in found.rects.iter().zip(moved).zip(&found.outlines) {
                let (dx, dy) = ((new.x0 - old.x0) as f64, (new.y0 - old.y0) as f64);
                let outline: Vec<[f64; 2]> = recorded(style, outline)?.iter().map(|[x, y]| [x + dx, y + dy]).collect();
                figures.push((found.image, style.figure(new, &outline, found.frame, &found.rects, way)));
            }
        }
        Ok(drawing(Marks { figures, style: style.clone() }))
    }
}

impl Perturbation for NeutralCue {
    fn perturb(&self, scene: &Scene<'_>) -> Result<Perturbed, Skip> {
        let style = &self.0;
        let mut rng = scene.draw("cue_neutral");
        let mut figures = Vec::new();
        for found in found(scene)? {
            let (frame, line) = (found.frame, style.line(found.frame));
            let side = ((CORNER * frame.x1.min(frame.y1) as f64).round() as i64).max(4);
            // Room for the line on the side of the picture's edge.
            let (near, far) = (line + 1, line + 1 + side);
            let corner = |x0: i64, y0: i64| Rect { x0, y0, x1: x0 + side, y1: y0 + side };
            let corners = [
                corner(near, near),
                corner(frame.x1 - far, near),
                corner(near, frame.y1 - far),
                corner(frame.x1 - far, frame.y1 - far),
            ];
            let free = |place: &Rect| {
                let drawn = place.grown(style.overhang(*place, frame));
                place.clipped(frame) == *place && found.rects.iter().all(|rect| !rect.overlaps(drawn))
            };
            let free: Vec<Rect> = corners.into_iter().filter(free).collect();
            let place = *free.choose(&mut rng).ok_or(Skip("the evidence reaches into every corner"))?;
            figures.push((found.image, style.figure(place, &place.corners(), frame, &found.rects, way(scene))));
        }
        Ok(drawing(Marks { figures, style: style.clone() }))
    }
}

/// The marks of all evidence of the item.
///
/// # Errors
/// In stage 1, without evidence, and where a contour is wanted that is not recorded.
pub(super) fn true_marks(scene: &Scene<'_>, style: &Style) -> Result<Marks, Skip> {
    let way = way(scene);
    let mut figures: Vec<(usize, Figure)> = Vec::new();
    for found in found(scene)? {
        for (place, (rect, outline)) in found.rects.iter().zip(&found.outlines).enumerate() {
            let mut others = found.rects.clone();
            others.remove(place);
            let figure = style.figure(*rect, recorded(style, outline)?, found.frame, &others, way);
            figures.push((found.image, figure));
        }
    }
    Ok(Marks { figures, style: style.clone() })
}

/// The way an arrow tries first: the same for all marks of an item.
fn way(scene: &Scene<'_>) -> usize {
    scene.draw("cue_way").random_range(0..8)
}

fn recorded<'a>(style: &Style, outline: &'a Option<Vec<[f64; 2]>>) -> Result<&'a [[f64; 2]], Skip> {
    match outline {
        Some(points) => Ok(points),
        None if style.shape != Shape::Contour => Ok(&[]),
        None => Err(Skip("the evidence is a mask, whose contour is not recorded")),
    }
}

fn found(scene: &Scene<'_>) -> Result<Vec<Evidence>, Skip> {
    if scene.item.stage < 2 {
        return Err(Skip("cues are for stages 2 to 4"));
    }
    let evidence = evidence(scene.case, scene.item);
    if evidence.is_empty() { Err(Skip("no evidence region")) } else { Ok(evidence) }
}

fn drawing(marks: Marks) -> Perturbed {
    Perturbed { pictures: ShownImages::Edited(Arc::new(marks)), ..Perturbed::default() }
}
