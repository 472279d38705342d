//! Evidence of an item: the bounding rectangles of its regions on each image.

use stepwise_data::case::{Answer, Case, Item, Region, RegionRole, Shape};

use super::geometry::Rect;

/// Evidence of one item on one image: the regions that show its answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Index of the image in the case, from 0.
    pub image: usize,
    /// Rectangle of the whole image.
    pub frame: Rect,
    /// Bounding rectangle of each region, clipped to the frame and not empty. Bounding boxes replace outlines, so that
    /// a mask and its random control have the same shape for every outline.
    pub rects: Vec<Rect>,
    /// What is recorded of the outline of each region, in the order of `rects`.
    pub outlines: Vec<Outline>,
    /// Rectangle of the body or field of view; where the case does not record it, the rectangle around two or more organs
    /// that are no evidence. None when the case records neither.
    pub body: Option<Rect>,
}

/// What a case records of the outline of a region.
#[derive(Clone, Debug, PartialEq)]
pub enum Outline {
    /// Its bounding box only.
    Box,
    /// Its corners, `[x, y]` in pixels of the image.
    Polygon(Vec<[f64; 2]>),
    /// Nothing, because the region is a mask.
    Mask,
}

/// Returns the evidence of `item` of `case`, one entry for each image with evidence, in the order of the images; empty
/// where the item has none. The gold regions of a box answer are evidence too. Ids without a region, and regions
/// outside their image, are left out.
#[must_use]
pub fn evidence(case: &Case, item: &Item) -> Vec<Evidence> {
    let mut ids: Vec<&String> = item.evidence.iter().collect();
    if let Answer::Box { gold, .. } = &item.answer {
        ids.extend(gold.iter().filter(|id| !item.evidence.contains(id)));
    }
    case.images
        .iter()
        .enumerate()
        .filter_map(|(index, image)| {
            let frame = Rect::of_size(image.width, image.height);
            let here = || case.regions.iter().filter(|region| region.image == image.id);
            let (rects, outlines): (Vec<Rect>, Vec<_>) = here()
                .filter(|region| ids.contains(&&region.id))
                .map(|region| (Rect::around(region.shape.bounds()).clipped(frame), outline(&region.shape)))
                .filter(|(rect, _)| rect.area() > 0)
                .unzip();
            let bounds = |region: &Region| Rect::around(region.shape.bounds()).clipped(frame);
            let organs: Vec<Rect> = here()
                .filter(|region| region.role == RegionRole::Organ && !ids.contains(&&region.id))
                .map(bounds)
                .collect();
            let body = here().find(|region| region.role == RegionRole::Body).map(bounds);
            let body = body.or_else(|| (organs.len() > 1).then(|| Rect::around_all(&organs)).flatten());
            (!rects.is_empty()).then_some(Evidence { image: index, frame, rects, outlines, body })
        })
        .collect()
}

fn outline(shape: &Shape) -> Outline {
    match shape {
        Shape::Box { .. } => Outline::Box,
        Shape::Polygon { points } => Outline::Polygon(points.clone()),
        Shape::Mask { .. } => Outline::Mask,
    }
}

/// Rectangles on one image of a case, such as those that a mask covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marked {
    /// Index of the image in the case, from 0.
    pub image: usize,
    /// Rectangles in pixels of the image; they may overlap.
    pub rects: Vec<Rect>,
}
