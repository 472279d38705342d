//! Directions of the stored axes in the body, and the view of each plane.

use super::super::options::Plane;

/// For each axis of the body, from left to right, from back to front and from feet to head: the stored axis nearest to it,
/// and whether the stored axis runs the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    axes: [(usize, bool); 3],
}

/// Axes of a view: stored axis, and whether it is shown from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Axis from the left to the right of the image.
    pub(super) columns: (usize, bool),
    /// Axis from the top to the bottom of the image.
    pub(super) rows: (usize, bool),
    /// Stored axis through the slices.
    pub(super) through: usize,
}

const RIGHT: usize = 0;
const FRONT: usize = 1;
const HEAD: usize = 2;

impl Geometry {
    /// Finds the stored axis nearest to each axis of the body. `affine` holds the rows of the matrix from voxels to the
    /// body, without the offset. None when the matrix has numbers that are not finite, or an axis without length.
    pub(super) fn of(affine: [[f64; 3]; 3]) -> Option<Self> {
        let lengths = [0, 1, 2].map(|axis| affine.iter().map(|row| row[axis] * row[axis]).sum::<f64>().sqrt());
        if lengths.iter().any(|length| !length.is_finite() || *length <= 0.0) {
            return None;
        }
        let part = |body: usize, stored: usize| affine[body][stored] / lengths[stored];
        let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let agreement = |order: &[usize; 3]| (0..3).map(|body| part(body, order[body]).abs()).sum::<f64>();
        let best = orders.into_iter().max_by(|one, other| agreement(one).total_cmp(&agreement(other)))?;
        let axes = [0, 1, 2].map(|body| (best[body], part(body, best[body]) < 0.0));
        Some(Self { axes })
    }

    /// Returns the view of a plane in which radiologists see it: in axial and coronal slices the patient's right is on the
    /// left of the image; the front is at the top of axial slices and on the left of sagittal ones; the head is at the top
    /// of the other two.
    pub(super) fn view(&self, plane: Plane) -> View {
        // All three directions of a view run against those of the body: to the left, to the back, to the feet.
        let against = |body: usize| (self.axes[body].0, !self.axes[body].1);
        let (columns, rows, through) = match plane {
            Plane::Axial => (RIGHT, FRONT, HEAD),
            Plane::Coronal => (RIGHT, HEAD, FRONT),
            Plane::Sagittal => (FRONT, HEAD, RIGHT),
        };
        View { columns: against(columns), rows: against(rows), through: self.axes[through].0 }
    }

    /// Returns on which side of the image the patient's right is; None for sagittal slices.
    pub(crate) fn orientation(plane: Plane) -> Option<&'static str> {
        (plane != Plane::Sagittal).then_some("radiological")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_axes_are_found_and_shown_as_radiologists_see_them() {
        // Voxels run to the right, to the front and to the head.
        let upright = Geometry::of([[2.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 3.0]]).expect("sound");
        let axial = View { columns: (0, true), rows: (1, true), through: 2 };
        assert_eq!(upright.view(Plane::Axial), axial);
        assert_eq!(upright.view(Plane::Sagittal), View { columns: (1, true), rows: (2, true), through: 0 });
        // Voxels run to the left, and the second and third axis are exchanged, slightly oblique.
        let other = Geometry::of([[-1.0, 0.1, 0.0], [0.0, 0.1, 1.0], [0.1, 1.0, 0.0]]).expect("sound");
        assert_eq!(other.view(Plane::Axial), View { columns: (0, false), rows: (2, true), through: 1 });
        assert_eq!(Geometry::of([[f64::NAN; 3]; 3]), None);
        assert_eq!(Geometry::of([[0.0; 3]; 3]), None);
    }
}
