//! `cue_true` marks the evidence on the image. `cue_wrong` draws the same mark away from the evidence. `cue_neutral`,
//! the control, draws a mark in a corner of the image.

use std::sync::Arc;

use image::RgbImage;
use rand::Rng;
use rand::seq::IndexedRandom;
use stepwise_data::case::{Item, RegionRole};

use crate::perturb::support::evidence::{Evidence, Outline, evidence};
use crate::perturb::support::geometry::{Rect, displaced};
use crate::perturb::support::mark::{Figure, Marks, Shape, Style};
use crate::perturb::support::outline_answer::{is_in_outline, is_place};
use crate::perturb::support::presence::asks_presence;
use crate::perturb::support::raster::grey_level;
use crate::perturb::support::registry::plain_kind;
use crate::perturb::{Edit, Perturbed, Scene, ShownImages, Skip};

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
        let way = way(scene);
        let marks = |found: Evidence| {
            let places = wrong_places(scene, given, &found)?;
            let drawn = |moved: Vec<Rect>| {
                let mut figures = Vec::new();
                for ((old, new), outline) in found.rects.iter().zip(&moved).zip(&found.outlines) {
                    let (dx, dy) = ((new.x0 - old.x0) as f64, (new.y0 - old.y0) as f64);
                    let outline: Vec<[f64; 2]> =
                        recorded(given, *old, outline)?.iter().map(|[x, y]| [x + dx, y + dy]).collect();
                    figures.push((found.image, given.figure(*new, &outline, found.frame, &found.rects, way)));
                }
                Ok(WrongPlace { rects: moved, figures })
            };
            let places = places.into_iter().map(drawn).collect::<Result<Vec<_>, Skip>>()?;
            Ok(WrongMarks { image: found.image, evidence: found.rects.clone(), places, style: given.clone() })
        };
        let marks = found(scene)?.into_iter().map(marks).collect::<Result<Vec<_>, Skip>>()?;
        Ok(Perturbed { pictures: ShownImages::Edited(Arc::new(WrongCues(marks))), ..Perturbed::default() })
    }
}

plain_kind! {
    NEUTRAL = NeutralCue(Style), "cue_neutral", Control, "a mark is drawn in a corner without evidence",
    |given, scene| {
        let style = given;
        let mut rng = scene.draw("cue_neutral");
        let mut figures = Vec::new();
        for found in found(scene)? {
            // Left out wherever the true mark is.
            let mut regions = found.rects.iter().zip(&found.outlines);
            regions.try_for_each(|(rect, outline)| recorded(style, *rect, outline).map(|_| ()))?;
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

/// Number of random places of a wrong mark, of which the pixels of the image decide.
const WRONG_PLACES: usize = 16;
/// Rows and columns of the grid in which a place is compared with the evidence.
const GRID: i64 = 4;

/// Draws up to [`WRONG_PLACES`] places for the marks on `found`, away from the evidence; at least one.
///
/// # Errors
/// Skips an item whose body, or whole image where no body is recorded, has no room for the marks.
fn wrong_places(scene: &Scene<'_>, style: &Style, found: &Evidence) -> Result<Vec<Vec<Rect>>, Skip> {
    // A mark outside the body is obviously wrong. The avoided area includes the overhang of the mark, so that the mark
    // hides none of the evidence.
    let overhang = found.rects.iter().map(|rect| style.overhang(*rect, found.frame)).max().unwrap_or(0);
    let avoid: Vec<Rect> = found.rects.iter().map(|rect| rect.grown(overhang)).collect();
    let mut rng = scene.draw("cue_wrong");
    let mut drawn = || displaced(&found.rects, &avoid, found.body.unwrap_or(found.frame), &mut rng);
    let first = drawn().ok_or(Skip("no room for a mark of this size beside the evidence"))?;
    Ok(std::iter::once(first).chain((1..WRONG_PLACES).filter_map(|_| drawn())).collect())
}

/// Wrong marks on one image at one place.
#[derive(Clone, Debug)]
struct WrongPlace {
    rects: Vec<Rect>,
    figures: Vec<(usize, Figure)>,
}

/// Places of the wrong marks on one image of a case, in the order in which they are tried.
#[derive(Clone, Debug)]
struct WrongMarks {
    image: usize,
    evidence: Vec<Rect>,
    places: Vec<WrongPlace>,
    style: Style,
}

/// Edit that draws wrong marks where the image is not dark. A mark on the background beside the body would be obviously
/// wrong.
#[derive(Clone, Debug)]
struct WrongCues(Vec<WrongMarks>);

impl Edit for WrongCues {
    fn key(&self) -> String {
        format!("wrong_marks:{:?}", self.0)
    }

    fn apply(&self, index: usize, picture: &mut RgbImage) {
        for marks in self.0.iter().filter(|marks| marks.image == index) {
            if let Some(place) = marks.brightest(picture) {
                Marks { figures: place.figures.clone(), style: marks.style.clone() }.apply(index, picture);
            }
        }
    }
}

impl WrongMarks {
    /// Returns the first place of which every part of a grid has at least a quarter of the mean grey level of the evidence;
    /// where there is none, the place whose darkest part is brightest.
    fn brightest(&self, picture: &RgbImage) -> Option<&WrongPlace> {
        let darkest = |place: &WrongPlace| {
            let parts = place.rects.iter().flat_map(|rect| rect.grid(GRID)).filter(|part| part.area() > 0);
            parts.map(|part| grey_level(picture, part)).fold(f64::INFINITY, f64::min)
        };
        let evidence = self.evidence.iter().map(|rect| grey_level(picture, *rect));
        let least = evidence.sum::<f64>() / self.evidence.len().max(1) as f64 / 4.0;
        let rank = |place: &WrongPlace| darkest(place).min(least);
        // Of equal places the last is taken, so the order is reversed.
        self.places.iter().rev().max_by(|one, other| rank(one).total_cmp(&rank(other)))
    }
}

/// Side of the square that a neutral mark is drawn on, as a share of the image's shorter side.
const CORNER: f64 = 0.12;

/// Returns the edit that draws marks of this `style` on all evidence of the item.
///
/// # Errors
/// Skips items of stage 1, questions for presence, items without evidence, and contours on evidence that is recorded as
/// a box, and contours, arrows and points on evidence that is recorded as a mask.
pub(super) fn true_marks(scene: &Scene<'_>, style: &Style) -> Result<Marks, Skip> {
    let way = way(scene);
    let mut figures: Vec<(usize, Figure)> = Vec::new();
    for found in found(scene)? {
        for (place, (rect, outline)) in found.rects.iter().zip(&found.outlines).enumerate() {
            let mut others = found.rects.clone();
            others.remove(place);
            let figure = style.figure(*rect, &recorded(style, *rect, outline)?, found.frame, &others, way);
            figures.push((found.image, figure));
        }
    }
    Ok(Marks { figures, style: style.clone() })
}

/// Draws the first direction that arrows try, 0 to 7; the same for all marks of an item.
fn way(scene: &Scene<'_>) -> usize {
    scene.draw("cue_way").random_range(0..8)
}

/// Returns the corners `[x, y]` of the outline by which a mark of this style is drawn on the region in `rect`; empty where
/// the mark needs none. Arrows and points on a box use the ellipse inside it, because a region rarely fills the corners.
fn recorded(style: &Style, rect: Rect, outline: &Outline) -> Result<Vec<[f64; 2]>, Skip> {
    match outline {
        _ if !style.shape.needs_outline() => Ok(Vec::new()),
        Outline::Polygon(corners) => Ok(corners.clone()),
        Outline::Box if style.shape == Shape::Contour => {
            Err(Skip("the evidence is a box, which has no contour of its own"))
        }
        Outline::Box => Ok(rect.inner_ellipse()),
        Outline::Mask => Err(Skip("the evidence is a mask, whose outline is not recorded")),
    }
}

fn found(scene: &Scene<'_>) -> Result<Vec<Evidence>, Skip> {
    if scene.item.stage < 2 {
        return Err(Skip("cues are for stages 2 to 4"));
    }
    if asks_presence(scene.item) {
        return Err(Skip("only what is present has evidence, so any mark would show the answer"));
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::Rgb;

    #[test]
    fn a_wrong_mark_is_drawn_on_the_body_and_not_beside_it() {
        // A head on the right, its hair, and dark air on the left.
        let head =
            RgbImage::from_fn(100, 100, |x, _| Rgb([[3, 20, 120][usize::from(x >= 40) + usize::from(x >= 50)]; 3]));
        let rect = |x0: i64| Rect { x0, y0: 20, x1: x0 + 10, y1: 30 };
        let place = |x0| WrongPlace { rects: vec![rect(x0)], figures: vec![(0, Figure::Box(rect(x0)))] };
        let marks = |places: &[i64]| WrongMarks {
            image: 0,
            evidence: vec![rect(60)],
            places: places.iter().copied().map(place).collect(),
            style: Style::default(),
        };
        let chosen = |places: &[i64]| marks(places).brightest(&head).map(|place| place.rects[0].x0);
        assert_eq!(chosen(&[10, 46, 80, 70]), Some(80), "the first place that is not dark");
        assert_eq!(chosen(&[10, 46]), Some(46), "without one, the brightest");
        let mut drawn = head.clone();
        WrongCues(vec![marks(&[10, 80])]).apply(0, &mut drawn);
        assert!((0..50).all(|x| (0..100).all(|y| drawn.get_pixel(x, y) == head.get_pixel(x, y))));
        assert_ne!(drawn, head);
    }
}
