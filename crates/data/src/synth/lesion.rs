//! Shape of one drawn finding: the outline and the pattern inside it.

use super::dice::Dice;
use super::facts::{Margin, Pattern, Size};
use super::shape::Shape;
use super::texture::direction;

/// A placed finding.
#[derive(Clone, Debug)]
pub(super) struct Lesion {
    pub(super) centre: [f64; 2],
    /// Nominal radius of the outline in image units; spikes reach up to 1.25 times as far.
    pub(super) radius: f64,
    pub(super) outline: Shape,
    /// Shape of the inner pattern: inside it the contrast is `marked` times the full contrast, elsewhere in the outline
    /// `plain` times.
    inner: Shape,
    marked: f64,
    plain: f64,
}

/// Returns the nominal radius of a size class in image units, before a few percent of jitter. The ranges of the classes
/// do not overlap.
pub(super) fn radius(size: Size) -> f64 {
    match size {
        Size::Small => 0.045,
        Size::Medium => 0.070,
        Size::Large => 0.102,
    }
}

impl Lesion {
    /// Draws the outline and the inner pattern of a finding around `centre` with the nominal `radius` in image units.
    pub(super) fn draw(centre: [f64; 2], radius: f64, margin: Margin, pattern: Pattern, dice: &mut Dice) -> Self {
        let outline = outline(centre, radius, margin, dice);
        let (inner, marked, plain) = match pattern {
            Pattern::Solid => (outline.clone(), 1.0, 1.0),
            Pattern::Ring => {
                let hole = match margin {
                    Margin::Smooth => 0.62,
                    Margin::Lobulated => 0.54,
                    Margin::Spiculated => 0.42,
                };
                (Shape::disc(centre, hole * radius), -0.15, 1.0)
            }
            Pattern::Spots => (spots(centre, radius, margin, dice), 1.5, 0.45),
        };
        Self { centre, radius, outline, inner, marked, plain }
    }

    /// Returns the contrast at a point relative to the full contrast, from -0.15 to 1.5; 0 outside the finding. Edges
    /// are softened over the width `pixel`, in image units.
    pub(super) fn strength(&self, point: [f64; 2], pixel: f64) -> f64 {
        let inside = |shape: &Shape| (0.5 - shape.distance(point) / pixel).clamp(0.0, 1.0);
        let outer = inside(&self.outline);
        if outer == 0.0 { 0.0 } else { outer * (self.plain + (self.marked - self.plain) * inside(&self.inner)) }
    }
}

fn outline(centre: [f64; 2], radius: f64, margin: Margin, dice: &mut Dice) -> Shape {
    let turn = dice.unit();
    let towards = |share: f64, reach: f64| {
        let [c, s] = direction(turn + share);
        [centre[0] + reach * c, centre[1] + reach * s]
    };
    match margin {
        Margin::Smooth => {
            let radii = [radius, radius * dice.within(0.82, 1.0)];
            Shape::Ellipse { centre, radii, axis: direction(turn) }
        }
        Margin::Lobulated => {
            let lobes = 5;
            let mut shapes = vec![Shape::disc(centre, 0.64 * radius)];
            for lobe in 0..lobes {
                let share = f64::from(lobe) / f64::from(lobes);
                shapes.push(Shape::disc(towards(share, 0.65 * radius), dice.within(0.32, 0.36) * radius));
            }
            Shape::Any(shapes)
        }
        Margin::Spiculated => {
            let spikes = 8;
            let mut shapes = vec![Shape::disc(centre, 0.56 * radius)];
            for spike in 0..spikes {
                let share = (f64::from(spike) + dice.within(-0.2, 0.2)) / f64::from(spikes);
                let to = towards(share, dice.within(1.1, 1.25) * radius);
                shapes.push(Shape::Bar { from: centre, to, radius: 0.3 * radius, taper: true });
            }
            Shape::Any(shapes)
        }
    }
}

fn spots(centre: [f64; 2], radius: f64, margin: Margin, dice: &mut Dice) -> Shape {
    let spread = if margin == Margin::Spiculated { 0.38 } else { 0.5 };
    let turn = dice.unit();
    let count = 4;
    let spot = |index: i32| {
        let [c, s] = direction(turn + f64::from(index) / f64::from(count));
        Shape::disc([centre[0] + spread * radius * c, centre[1] + spread * radius * s], 0.2 * radius)
    };
    Shape::Any((0..count).map(spot).collect())
}
