//! Drawn bodies: outlines and organs of each body part in each plane, centred on the origin, with the image side as the
//! unit. They are caricatures with one aim: to differ from each other at 128 pixels.

use super::facts::{BodyPart, Eye, Plane, Subject};
use super::shape::Shape;
use super::texture::direction;

/// Tissue of a part; each modality gives each tissue a grey level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tissue {
    Outside,
    Fat,
    Soft,
    Bone,
    Lung,
    Fluid,
    /// Solid organ, brighter than soft tissue in most modalities.
    Dense,
    /// Solid organ, darker than soft tissue in some modalities.
    Light,
}

/// A part of the body.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) label: &'static str,
    pub(super) shape: Shape,
    pub(super) tissue: Tissue,
    /// Whether the part may be missing; questions are asked about such parts only.
    pub(super) optional: bool,
}

/// Outline of a body with its parts in drawing order, the deeper parts last.
pub(super) struct Anatomy {
    pub(super) body: Shape,
    /// Shape in which findings may lie, apart from the rim.
    pub(super) cavity: Shape,
    pub(super) parts: Vec<Part>,
    /// Depth of the rim (skin, fat, skull) without findings, in image units.
    pub(super) rim: f64,
}

/// Returns the outline and the parts of the body that a subject shows, centred on the origin, with the image side as
/// the unit.
pub(super) fn of(subject: Subject) -> Anatomy {
    match subject {
        Subject::Section(BodyPart::Head, plane) => head(plane),
        Subject::Section(BodyPart::Chest, plane) => chest(plane),
        Subject::Section(BodyPart::Abdomen, plane) => abdomen(plane),
        Subject::Section(BodyPart::Pelvis, plane) => pelvis(plane),
        Subject::Fundus(centre) => fundus(centre),
        Subject::Histology(_) => histology(),
    }
}

fn ellipse(x: f64, y: f64, rx: f64, ry: f64, turns: f64) -> Shape {
    Shape::Ellipse { centre: [x, y], radii: [rx, ry], axis: direction(turns) }
}

fn block(x: f64, y: f64, rx: f64, ry: f64) -> Shape {
    Shape::Block { centre: [x, y], radii: [rx, ry], axis: [1.0, 0.0] }
}

fn bar(from: [f64; 2], to: [f64; 2], radius: f64) -> Shape {
    Shape::Bar { from, to, radius, taper: false }
}

/// The shape on both sides: `shape(-1.0)` and `shape(1.0)`.
fn pair(shape: impl Fn(f64) -> Shape) -> Shape {
    Shape::Any(vec![shape(-1.0), shape(1.0)])
}

fn fixed(label: &'static str, tissue: Tissue, shape: Shape) -> Part {
    Part { label, shape, tissue, optional: false }
}

fn optional(label: &'static str, tissue: Tissue, shape: Shape) -> Part {
    Part { label, shape, tissue, optional: true }
}

fn head(plane: Plane) -> Anatomy {
    use Tissue::{Bone, Dense, Fluid, Light, Lung};
    let (body, skull, mut parts) = match plane {
        Plane::Axial => {
            let skull = ellipse(0.0, 0.0, 0.40, 0.47, 0.0);
            let parts = vec![
                optional("ventricles", Fluid, pair(|s| ellipse(0.05 * s, 0.0, 0.026, 0.1, 0.03 * s))),
                optional("eyes", Light, pair(|s| ellipse(0.16 * s, -0.42, 0.075, 0.075, 0.0))),
            ];
            (skull.clone(), skull, parts)
        }
        Plane::Coronal => {
            let skull = ellipse(0.0, -0.04, 0.39, 0.41, 0.0);
            let parts = vec![
                fixed("spine", Bone, bar([0.0, 0.44], [0.0, 0.7], 0.045)),
                optional("ventricles", Fluid, pair(|s| ellipse(0.055 * s, -0.12, 0.026, 0.075, 0.07 * s))),
                optional("sinus", Lung, ellipse(0.0, 0.24, 0.13, 0.045, 0.0)),
            ];
            (Shape::Any(vec![skull.clone(), bar([0.0, 0.2], [0.0, 0.7], 0.17)]), skull, parts)
        }
        Plane::Sagittal => {
            let skull = ellipse(0.0, -0.05, 0.46, 0.40, 0.0);
            let nose = Shape::Bar { from: [-0.32, 0.16], to: [-0.54, 0.24], radius: 0.09, taper: true };
            let parts = vec![
                fixed("spine", Bone, bar([0.14, 0.42], [0.2, 0.7], 0.045)),
                optional("ventricles", Fluid, ellipse(-0.02, -0.08, 0.14, 0.03, 0.0)),
                optional("cerebellum", Dense, ellipse(0.26, 0.12, 0.11, 0.085, 0.08)),
            ];
            let neck = bar([0.1, 0.15], [0.16, 0.6], 0.15);
            let jaw = ellipse(-0.2, 0.3, 0.15, 0.12, 0.0);
            (Shape::Any(vec![skull.clone(), nose, neck, jaw]), skull, parts)
        }
    };
    parts.insert(0, fixed("skull", Bone, Shape::Inset(Box::new(skull.clone()), 0.016)));
    parts.insert(1, fixed("brain", Light, Shape::Inset(Box::new(skull.clone()), 0.043)));
    Anatomy { body, cavity: skull, parts, rim: 0.05 }
}

fn chest(plane: Plane) -> Anatomy {
    use Tissue::{Bone, Dense, Fluid, Lung};
    let (trunk, neck, parts) = match plane {
        Plane::Axial => (
            ellipse(0.0, 0.0, 0.46, 0.33, 0.0),
            None,
            vec![
                fixed("lungs", Lung, pair(|s| ellipse(0.23 * s, -0.02, 0.15, 0.22, 0.01 * s))),
                fixed("spine", Bone, ellipse(0.0, 0.2, 0.06, 0.06, 0.0)),
                optional("heart", Dense, ellipse(0.09, -0.09, 0.13, 0.1, 0.06)),
                optional("aorta", Fluid, ellipse(0.06, 0.08, 0.038, 0.038, 0.0)),
            ],
        ),
        Plane::Coronal => (
            block(0.0, 0.1, 0.43, 0.46),
            Some(bar([0.0, -0.3], [0.0, -0.6], 0.12)),
            vec![
                fixed("lungs", Lung, pair(|s| ellipse(0.205 * s, 0.0, 0.14, 0.29, 0.02 * s))),
                fixed("spine", Bone, bar([0.0, -0.5], [0.0, 0.6], 0.03)),
                optional("heart", Dense, ellipse(0.1, 0.13, 0.15, 0.12, 0.08)),
                optional("trachea", Lung, bar([0.0, -0.5], [0.0, -0.14], 0.035)),
            ],
        ),
        Plane::Sagittal => (
            block(0.0, 0.1, 0.40, 0.47),
            Some(bar([0.06, -0.3], [0.1, -0.6], 0.11)),
            vec![
                fixed("lungs", Lung, ellipse(-0.05, 0.0, 0.25, 0.3, 0.0)),
                fixed("spine", Bone, bar([0.25, -0.5], [0.29, 0.6], 0.045)),
                optional("heart", Dense, ellipse(-0.12, 0.14, 0.13, 0.11, 0.1)),
                optional("trachea", Lung, bar([0.06, -0.5], [0.02, -0.14], 0.035)),
            ],
        ),
    };
    let body = Shape::Any(std::iter::once(trunk.clone()).chain(neck).collect());
    Anatomy { body, cavity: trunk, parts, rim: 0.04 }
}

fn abdomen(plane: Plane) -> Anatomy {
    use Tissue::{Bone, Dense, Fluid, Light};
    let (body, parts) = match plane {
        Plane::Axial => (
            ellipse(0.0, 0.0, 0.46, 0.34, 0.0),
            vec![
                fixed("spine", Bone, ellipse(0.0, 0.19, 0.06, 0.06, 0.0)),
                optional("liver", Dense, ellipse(-0.22, -0.04, 0.19, 0.18, 0.06)),
                optional("spleen", Dense, ellipse(0.31, 0.04, 0.08, 0.14, 0.05)),
                optional("kidneys", Light, pair(|s| ellipse(0.17 * s, 0.18, 0.065, 0.075, 0.0))),
                optional("stomach", Fluid, ellipse(0.12, -0.12, 0.11, 0.08, 0.95)),
            ],
        ),
        Plane::Coronal => (
            block(0.0, 0.0, 0.42, 0.54),
            vec![
                fixed("spine", Bone, bar([0.0, -0.6], [0.0, 0.6], 0.045)),
                optional("liver", Dense, ellipse(-0.2, -0.24, 0.19, 0.14, 0.95)),
                optional("spleen", Dense, ellipse(0.3, -0.22, 0.07, 0.12, 0.0)),
                optional("kidneys", Light, pair(|s| ellipse(0.19 * s, 0.07, 0.07, 0.12, 0.03 * s))),
                optional("stomach", Fluid, ellipse(0.14, -0.22, 0.08, 0.11, 0.04)),
            ],
        ),
        Plane::Sagittal => (
            block(0.0, 0.0, 0.40, 0.54),
            vec![
                fixed("spine", Bone, bar([0.25, -0.6], [0.25, 0.6], 0.045)),
                optional("liver", Dense, ellipse(-0.08, -0.25, 0.18, 0.13, 0.0)),
                optional("kidneys", Light, ellipse(0.07, 0.05, 0.07, 0.12, 0.03)),
                optional("stomach", Fluid, ellipse(-0.16, -0.02, 0.08, 0.1, 0.0)),
            ],
        ),
    };
    Anatomy { cavity: body.clone(), body, parts, rim: 0.04 }
}

fn pelvis(plane: Plane) -> Anatomy {
    use Tissue::{Bone, Fluid, Light, Lung};
    let (body, parts) = match plane {
        Plane::Axial => (
            ellipse(0.0, 0.0, 0.48, 0.34, 0.0),
            vec![
                fixed("hips", Bone, pair(|s| ellipse(0.36 * s, 0.04, 0.04, 0.12, 0.06 * s))),
                fixed("sacrum", Bone, ellipse(0.0, 0.25, 0.1, 0.035, 0.0)),
                optional("bladder", Fluid, ellipse(0.0, -0.1, 0.11, 0.08, 0.0)),
                optional("rectum", Lung, ellipse(0.0, 0.1, 0.05, 0.05, 0.0)),
            ],
        ),
        Plane::Coronal => (
            Shape::Any(vec![block(0.0, -0.22, 0.43, 0.38), pair(|s| bar([0.22 * s, 0.1], [0.23 * s, 0.7], 0.21))]),
            vec![
                fixed("hips", Bone, pair(|s| ellipse(0.34 * s, -0.14, 0.04, 0.17, 0.96 * s))),
                fixed("femurs", Bone, pair(|s| bar([0.35 * s, 0.16], [0.34 * s, 0.7], 0.032))),
                fixed("spine", Bone, bar([0.0, -0.6], [0.0, -0.22], 0.045)),
                optional("bladder", Fluid, ellipse(0.0, 0.04, 0.1, 0.075, 0.0)),
                optional("bowel", Light, ellipse(0.0, -0.16, 0.15, 0.075, 0.0)),
            ],
        ),
        Plane::Sagittal => (
            Shape::Any(vec![block(0.0, -0.1, 0.40, 0.42), bar([-0.04, 0.2], [-0.1, 0.7], 0.2)]),
            vec![
                fixed("sacrum", Bone, Shape::line(&[[0.2, -0.6], [0.2, -0.3], [0.3, -0.12], [0.28, 0.06]], 0.04)),
                fixed("hips", Bone, ellipse(-0.29, 0.12, 0.045, 0.07, 0.9)),
                optional("bladder", Fluid, ellipse(-0.12, 0.02, 0.09, 0.075, 0.0)),
                optional("rectum", Lung, ellipse(0.12, 0.08, 0.05, 0.1, 0.05)),
            ],
        ),
    };
    Anatomy { cavity: body.clone(), body, parts, rim: 0.04 }
}

fn fundus(centre: Eye) -> Anatomy {
    // The structure in the centre is always present; only the other may be missing.
    let (disc, macula) = match centre {
        Eye::Disc => ([0.0, 0.0], [-0.29, 0.03]),
        Eye::Macula => ([0.29, -0.03], [0.0, 0.0]),
    };
    let disc_part = Part {
        label: "disc",
        shape: ellipse(disc[0], disc[1], 0.075, 0.085, 0.0),
        tissue: Tissue::Fluid,
        optional: centre == Eye::Macula,
    };
    let macula_part = Part {
        label: "macula",
        shape: ellipse(macula[0], macula[1], 0.1, 0.1, 0.0),
        tissue: Tissue::Light,
        optional: centre == Eye::Disc,
    };
    let arcs = [(-1.0, -1.0), (-1.0, 1.0), (1.0, -1.0), (1.0, 1.0)].map(|(side, updown): (f64, f64)| {
        Shape::line(
            &[
                disc,
                [disc[0] + 0.05 * side, disc[1] + 0.13 * updown],
                [disc[0] + 0.17 * side, disc[1] + 0.25 * updown],
                [disc[0] + 0.34 * side, disc[1] + 0.31 * updown],
                [disc[0] + 0.6 * side, disc[1] + 0.29 * updown],
            ],
            0.011,
        )
    });
    let vessels = fixed("vessels", Tissue::Bone, Shape::Any(arcs.into()));
    let body = ellipse(0.0, 0.0, 0.47, 0.47, 0.0);
    Anatomy { cavity: body.clone(), body, parts: vec![macula_part, vessels, disc_part], rim: 0.02 }
}

fn histology() -> Anatomy {
    let parts = vec![
        optional("gland", Tissue::Dense, ellipse(-0.22, -0.18, 0.13, 0.1, 0.1)),
        optional("vessel", Tissue::Fluid, ellipse(0.24, 0.2, 0.11, 0.065, 0.92)),
    ];
    let body = Shape::Rect { low: [0.0, 0.0], high: [1.0, 1.0] };
    Anatomy { cavity: body.clone(), body, parts, rim: 0.03 }
}
