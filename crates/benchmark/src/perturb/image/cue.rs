//! `cue_true` marks the evidence on the image. `cue_wrong` draws the same mark away from the evidence. `cue_neutral`,
//! the control, draws a mark in a corner of the image.

use std::sync::Arc;

use rand::Rng;
use rand::seq::IndexedRandom;
use stepwise_data::case::{Item, RegionRole};

use crate::perturb::support::evidence::{Evidence, evidence};
use crate::perturb::support::geometry::{Rect, displaced};
use crate::perturb::support::mark::{Figure, Marks, Shape, Style};
use crate::perturb::support::outline_answer::{is_in_outline, is_place};
use crate::perturb::support::registry::plain_kind;
use crate::perturb::{Perturbed, Scene, ShownImages, Skip};

plain_kind! {
    TRUE = TrueCue(Style), "cue_true", Assist, "a mark is drawn on the evidence",
    |given, scene| Ok(drawing(true_marks(scene, given)?))
}

plain_kind! {
    WRONG = WrongCue(Style), "cue_wrong", Attack, "a mark of the same size is drawn where the evidence is not",
    |given, scene| {
        if is_in_outline(scene.case, scene.item) && !is_place(scene.item) {
            return Err(Skip("a mark of this size shows the answer at any place"));
        }
        let style = given;
        let mut rng = scene.draw("cue_wrong");
        let way = way(scene);
        let mut figures = Vec::new();
        for found in found(scene)? {
            // A mark outside the body is obviously wrong, so a position inside the recorded body is tried first. The
            // avoided area includes the overhang of the mark, so that the mark hides none of the evidence.
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

plain_kind! {
    NEUTRAL = NeutralCue(Style), "cue_neutral", Control, "a mark is drawn in a corner without evidence",
    |given, scene| {
        let style = given;
        let mut rng = scene.draw("cue_neutral");
        let mut figures = Vec::new();
        for found in found(scene)? {
            let (frame, line) = (found.frame, style.line(found.frame));
            let side = ((CORNER * frame.x1.min(frame.y1) as f64).round() as i64).max(4);
            // Leaves room for the line between the square and the image's edge.
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

/// Side of the square that a neutral mark is drawn on, as a share of the image's shorter side.
const CORNER: f64 = 0.12;

/// Returns the edit that draws marks of this `style` on all evidence of the item.
///
/// # Errors
/// Skips items of stage 1, items without evidence, and contours of evidence that is recorded as a mask.
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

/// Draws the first direction that arrows try, 0 to 7; the same for all marks of an item.
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
    let evidence = evidence(scene.case, &pointed(scene));
    if evidence.is_empty() { Err(Skip("no evidence region")) } else { Ok(evidence) }
}

/// Returns the item without evidence in normal anatomy, if any of its evidence is something else: a mark points at the
/// finding and not at the lungs that its size is compared with.
fn pointed(scene: &Scene<'_>) -> Item {
    let is_anatomy = |id: &String| {
        let region = scene.case.regions.iter().find(|region| region.id == *id);
        region.is_some_and(|region| matches!(region.role, RegionRole::Organ | RegionRole::Body))
    };
    let mut item = scene.item.clone();
    if item.evidence.iter().any(|id| !is_anatomy(id)) {
        item.evidence.retain(|id| !is_anatomy(id));
    }
    item
}

fn drawing(marks: Marks) -> Perturbed {
    Perturbed { pictures: ShownImages::Edited(Arc::new(marks)), ..Perturbed::default() }
}
