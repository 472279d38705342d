//! Right boxes on the grid of answers, and the agreement of two sets of boxes.

use stepwise_data::case::Case;

pub use stepwise_data::box_grid::iou;

/// Returns the bounds `[left, top, right, bottom]` of the gold regions with these ids, in coordinates of the grids of their
/// images ([`Image::box_grid`](stepwise_data::case::Image::box_grid)), not rounded. Scaling the axes does not change
/// intersection over union, so comparing on a grid equals comparing in pixels of the image. Ids without a region or an image
/// are left out.
#[must_use]
pub fn gold(case: &Case, ids: &[String]) -> Vec<[f64; 4]> {
    let found = ids.iter().filter_map(|id| case.region_on_image(id));
    found.map(|(region, image)| image.box_grid.exact(region.shape.bounds(), [image.width, image.height])).collect()
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
