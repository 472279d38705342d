//! Evidence of an item: the bounding rectangles of its regions on each image.

use stepwise_data::case::{Answer, Case, Item, RegionRole, Shape};

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
    /// Recorded outline of each region as `[x, y]` corners, in the order of `rects`. None for a mask, whose outline is
    /// not recorded.
    pub outlines: Vec<Option<Vec<[f64; 2]>>>,
    /// Rectangle of the body or field of view. None when the case does not record it.
    pub body: Option<Rect>,
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

/// Rectangles on one image of a case, such as those that a mask covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Marked {
    /// Index of the image in the case, from 0.
    pub image: usize,
    /// Rectangles in pixels of the image; they may overlap.
    pub rects: Vec<Rect>,
}
