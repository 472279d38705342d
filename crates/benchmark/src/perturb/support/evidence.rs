//! Where an item's evidence lies: the bounding rectangles of its regions, picture by picture.

use stepwise_data::case::{Answer, Case, Item, RegionRole, Shape};

use super::geometry::Rect;

/// The evidence on one picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Evidence {
    /// Index of the picture in the case.
    pub image: usize,
    /// The whole picture.
    pub frame: Rect,
    /// One rectangle a region, inside the frame, none empty. Outlines count by their bounding box, so that a mask and
    /// its random control have the same shape whatever the region's outline.
    pub rects: Vec<Rect>,
    /// The outline of each, as recorded: the corners of a box, none for a mask, of which only its box is at hand.
    pub outlines: Vec<Option<Vec<[f64; 2]>>>,
    /// The body or field of view, where the case records it.
    pub body: Option<Rect>,
}

/// The evidence of `item`, for every picture that holds any. The gold regions of a box answer are evidence too.
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
            let body = here()
                .find(|region| region.role == RegionRole::Body)
                .map(|region| Rect::around(region.shape.bounds()).clipped(frame));
            (!rects.is_empty()).then_some(Evidence { image: index, frame, rects, outlines, body })
        })
        .collect()
}

fn outline(shape: &Shape) -> Option<Vec<[f64; 2]>> {
    match shape {
        Shape::Box { bounds: [x0, y0, x1, y1] } => Some(vec![[*x0, *y0], [*x1, *y0], [*x1, *y1], [*x0, *y1]]),
        Shape::Polygon { points } => Some(points.clone()),
        Shape::Mask { .. } => None,
    }
}

/// Rectangles on one picture of a case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marked {
    /// Index of the picture.
    pub image: usize,
    /// On its pixel grid.
    pub rects: Vec<Rect>,
}
