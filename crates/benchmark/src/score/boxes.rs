//! Boxes in percent of the image's sides, and the agreement of two sets of boxes.

use stepwise_data::case::Case;
use stepwise_data::prompt::BOX_GRID;

/// Returns the bounds `[left, top, right, bottom]` of the gold regions with these ids, in percent of the sides of their
/// images. Scaling the axes does not change intersection over union, so comparing in percent equals comparing in
/// pixels. Ids without a region or an image are left out.
#[must_use]
pub fn gold(case: &Case, ids: &[String]) -> Vec<[f64; 4]> {
    ids.iter()
        .filter_map(|id| {
            let region = case.regions.iter().find(|region| region.id == *id)?;
            let image = case.images.iter().find(|image| image.id == region.image)?;
            let (width, height) = (f64::from(image.width), f64::from(image.height));
            let [x0, y0, x1, y1] = region.shape.bounds();
            Some([x0 / width, y0 / height, x1 / width, y1 / height].map(|side| side * BOX_GRID))
        })
        .collect()
}

/// Computes the intersection over union, 0 to 1, of two boxes `[left, top, right, bottom]` in one unit; 0 where the
/// union is empty.
#[must_use]
pub fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |[x0, y0, x1, y1]: [f64; 4]| (x1 - x0).max(0.0) * (y1 - y0).max(0.0);
    let shared = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let union = area(a) + area(b) - shared;
    if union > 0.0 { shared / union } else { 0.0 }
}

/// Matches the boxes `found` in a response to the right boxes `gold` greedily one to one, best pair first; each box is
/// `[left, top, right, bottom]`, all in one unit. Returns the intersection over union of every right box with its
/// partner, in the order of `gold`; 0 for a right box without one. Empty where `gold` is empty.
#[must_use]
pub fn matched(found: &[[f64; 4]], gold: &[[f64; 4]]) -> Vec<f64> {
    let mut pairs: Vec<(f64, usize, usize)> = found
        .iter()
        .enumerate()
        .flat_map(|(f, &a)| gold.iter().enumerate().map(move |(g, &b)| (iou(a, b), f, g)))
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)).then(a.2.cmp(&b.2)));
    let mut taken = vec![false; found.len()];
    let mut partner: Vec<Option<f64>> = vec![None; gold.len()];
    for (overlap, f, g) in pairs {
        if !taken[f] && partner[g].is_none() {
            taken[f] = true;
            partner[g] = Some(overlap);
        }
    }
    partner.into_iter().map(|overlap| overlap.unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn overlap_of_known_boxes() {
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
        assert_eq!(iou([0.0, 0.0, 1.0, 1.0], [2.0, 2.0, 3.0, 3.0]), 0.0);
        assert_eq!(iou([1.0, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0]), 0.0);
    }

    #[test]
    fn one_found_box_serves_one_gold_box() {
        let a = [0.0, 0.0, 10.0, 10.0];
        assert_eq!(matched(&[a], &[a, a]), [1.0, 0.0]);
        assert_eq!(matched(&[[50.0, 50.0, 60.0, 60.0], a], &[a]), [1.0]);
    }

    fn bounds() -> impl Strategy<Value = [f64; 4]> {
        (0.0..50.0, 0.0..50.0, 0.1..50.0, 0.1..50.0).prop_map(|(x, y, w, h)| [x, y, x + w, y + h])
    }

    proptest! {
        #[test]
        fn overlap_is_symmetric_bounded_and_one_only_with_itself(a in bounds(), b in bounds()) {
            let overlap = iou(a, b);
            prop_assert!((0.0..=1.0).contains(&overlap));
            prop_assert_eq!(overlap, iou(b, a));
            prop_assert!((iou(a, a) - 1.0).abs() < 1e-12);
        }
    }
}
