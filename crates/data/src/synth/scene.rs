//! Places of everything in a case. Places are drawn at random until they agree with the facts. Places, angles and
//! scales carry information only about answers that are places.

use super::anatomy::{self, Part, Tissue};
use super::dice::Dice;
use super::facts::{
    Aid, Colour, Device, Distribution, Facts, Findings, Modality, Plane, Quadrant, Relation, Side, Sign, Subject,
};
use super::lesion::{self, Lesion};
use super::shape::{Pose, Shape, length};
use super::style::DOPPLER;
use super::texture::direction;

/// All placed shapes of a case, in image units (the image's side is 1).
#[derive(Clone, Debug)]
pub(super) struct Scene {
    /// Field of view of the machine.
    pub(super) view: Shape,
    pub(super) body: Shape,
    /// Body without its rim and without mere outlines such as a neck.
    pub(super) inside: Shape,
    pub(super) parts: Vec<PlacedPart>,
    pub(super) lesions: Vec<Lesion>,
    pub(super) sign: Option<Shape>,
    pub(super) device: Option<Shape>,
    /// Centre of the flow colours of a Doppler image.
    pub(super) flow: Option<[f64; 2]>,
    pub(super) marker: Option<Shape>,
    pub(super) cross: Option<Shape>,
    /// Frames drawn over the image: colour and `[x0, y0, x1, y1]`.
    pub(super) marks: Vec<(Colour, [f64; 4])>,
}

/// A placed organ and whether it is present.
#[derive(Clone, Debug)]
pub(super) struct PlacedPart {
    pub(super) part: Part,
    pub(super) present: bool,
}

/// Half-width of the lines of signs, devices and crosses.
const STROKE: f64 = 0.012;
/// Free space between things that must be told apart.
const GAP: f64 = 0.02;
/// Radius of the flow colours of a Doppler image.
const FLOW_REACH: f64 = 0.1;

impl Scene {
    /// Places the facts: body, organs, findings, signs, devices and pointing aids, so that their places agree with the
    /// facts. Returns None where none of 60 drawn bodies has room for them.
    pub(super) fn place(facts: &Facts, dice: &mut Dice) -> Option<Self> {
        (0..60).find_map(|_| Self::attempt(facts, dice))
    }

    fn attempt(facts: &Facts, dice: &mut Dice) -> Option<Self> {
        let pose = pose(facts, dice);
        let view = view(facts.modality, dice);
        let anatomy = anatomy::of(facts.subject);
        let body = anatomy.body.posed(&pose);
        let inside = Shape::Inset(Box::new(anatomy.cavity.posed(&pose)), anatomy.rim * pose.scale);
        let mut asked = facts.organs.iter();
        let parts = anatomy
            .parts
            .into_iter()
            .map(|part| {
                let shift = Pose { centre: [dice.within(-0.035, 0.035), dice.within(-0.035, 0.035)], ..Pose::IDENTITY };
                let jittered = if part.optional { part.shape.posed(&shift) } else { part.shape.clone() };
                let present = !part.optional || asked.next().copied().unwrap_or(true);
                PlacedPart { part: Part { shape: jittered.posed(&pose), ..part }, present }
            })
            .collect();
        let mut scene = Self {
            view,
            body,
            inside,
            parts,
            lesions: Vec::new(),
            sign: None,
            device: None,
            flow: (facts.modality == Modality::Ultrasound && facts.variant == DOPPLER)
                .then(|| [dice.within(0.35, 0.65), dice.within(0.45, 0.75)]),
            marker: facts.marker.map(|side| marker(side, dice)),
            cross: None,
            marks: Vec::new(),
        };
        scene.sign = scene.sign(facts.sign, dice);
        scene.device = scene.device(facts.device, dice);
        if let Some(findings) = &facts.findings {
            scene.findings(findings, dice)?;
            match &facts.aid {
                Aid::None => {}
                Aid::Marks(colours) => scene.marks(colours, dice)?,
                Aid::Cross(relation) => scene.cross(*relation, dice)?,
            }
        }
        Some(scene)
    }

    /// Signed distance, negative where a finding may lie: inside the body, in view and away from the image's edge.
    fn room(&self, point: [f64; 2]) -> f64 {
        let frame = 0.5 - (0.5 - point[0]).abs().max((0.5 - point[1]).abs());
        self.inside.distance(point).max(self.view.distance(point)).max(GAP - frame)
    }

    /// Signed distance to the nearest thing that a finding must not touch, negative inside it.
    fn taken(&self, point: [f64; 2]) -> f64 {
        let hard = self.parts.iter().filter(|placed| {
            placed.present
                && !["skull", "vessels"].contains(&placed.part.label)
                && (matches!(placed.part.tissue, Tissue::Bone | Tissue::Fluid) || placed.part.label == "macula")
        });
        let shapes = hard.map(|placed| &placed.part.shape).chain(&self.sign).chain(&self.device).chain(&self.marker);
        let flow = self.flow.map_or(f64::INFINITY, |centre| away(centre, point) - FLOW_REACH);
        shapes.map(|shape| shape.distance(point)).fold(flow, f64::min)
    }

    fn findings(&mut self, findings: &Findings, dice: &mut Dice) -> Option<()> {
        let crowd = if findings.distribution == Distribution::Single { 1.0 } else { 0.9 };
        let nominal = lesion::radius(findings.size) * crowd;
        let mut placed: Vec<([f64; 2], f64)> = Vec::new();
        for number in 0..findings.count {
            let radius = nominal * dice.within(0.95, 1.05);
            let centre = (0..150).map(|_| [dice.within(0.08, 0.92), dice.within(0.08, 0.92)]).find(|&centre| {
                in_zone(centre, radius, findings, number)
                    && self.room(centre) < -(radius + GAP)
                    && self.taken(centre) > radius + GAP
                    && placed.iter().all(|(other, reach)| away(centre, *other) > radius + reach + 1.5 * GAP)
            })?;
            placed.push((centre, radius));
        }
        self.lesions = placed
            .into_iter()
            .map(|(centre, radius)| Lesion::draw(centre, radius, findings.margin, findings.pattern, dice))
            .collect();
        Some(())
    }

    /// Places one frame around the finding and the others, of the same size, elsewhere; None where there is no room.
    fn marks(&mut self, colours: &[Colour], dice: &mut Dice) -> Option<()> {
        let lesion = self.lesions.first()?;
        let half = lesion.radius * 1.2 + 0.025;
        let around = |[x, y]: [f64; 2]| [x - half, y - half, x + half, y + half];
        // A small offset, so that the finding is not exactly in the middle of its frame.
        let near = [lesion.centre[0] + dice.within(-0.01, 0.01), lesion.centre[1] + dice.within(-0.01, 0.01)];
        let mut frames = vec![around(near)];
        let seen = |frame: &[f64; 4]| frame.iter().all(|edge| (0.015..=0.985).contains(edge));
        if !seen(&frames[0]) {
            return None;
        }
        while frames.len() < colours.len() {
            let frame = (0..150)
                .map(|_| [dice.within(0.08, 0.92), dice.within(0.08, 0.92)])
                .filter(|&point| self.body.distance(point) < 0.0)
                .map(around)
                .find(|frame| seen(frame) && frames.iter().all(|other| apart(frame, other)))?;
            frames.push(frame);
        }
        self.marks = colours.iter().copied().zip(frames).collect();
        Some(())
    }

    /// Places a cross from which the finding lies in the direction `relation`; None where there is no room.
    fn cross(&mut self, relation: Relation, dice: &mut Dice) -> Option<()> {
        let lesion = self.lesions.first()?;
        let ([left, top], reach) = (lesion.centre, lesion.radius);
        let (far, off) = (reach + dice.within(0.07, 0.16), dice.within(-0.2, 0.2) * reach);
        let [x, y] = match relation {
            Relation::Left => [left + far, top + off],
            Relation::Right => [left - far, top + off],
            Relation::Above => [left + off, top + far],
            Relation::Below => [left + off, top - far],
        };
        let arm = 0.04;
        let inside = [x, y].iter().all(|v| (arm + GAP..=1.0 - arm - GAP).contains(v));
        let shape = Shape::Any(vec![
            Shape::Bar { from: [x - arm, y], to: [x + arm, y], radius: STROKE, taper: false },
            Shape::Bar { from: [x, y - arm], to: [x, y + arm], radius: STROKE, taper: false },
        ]);
        let drawn = self.device.iter().chain(&self.marker);
        let free = drawn.map(|shape| shape.distance([x, y])).all(|distance| distance > arm + GAP);
        (inside && free).then(|| self.cross = Some(shape))
    }

    fn sign(&self, sign: Sign, dice: &mut Dice) -> Option<Shape> {
        let hollow = || Shape::All(vec![self.inside.clone(), Shape::Inset(Box::new(self.view.clone()), GAP)]);
        // Highest and lowest visible point inside the body, along three columns near the middle.
        let rows: Vec<f64> = (0..200)
            .map(|row| (f64::from(row) + 0.5) / 200.0)
            .filter(|&y| [0.42, 0.5, 0.58].iter().any(|&x| self.room([x, y]) < 0.0))
            .collect();
        let (top, bottom) = (rows.first().copied().unwrap_or(0.1), rows.last().copied().unwrap_or(0.9));
        let depth = dice.within(0.085, 0.115);
        match sign {
            Sign::None => None,
            Sign::Effusion => Some(Shape::All(vec![hollow(), Shape::Half { level: bottom - depth, upper: false }])),
            Sign::Gas => Some(Shape::All(vec![hollow(), Shape::Half { level: top + depth, upper: true }])),
            Sign::Tear => {
                let start = self.somewhere(0.13, dice);
                let [c, s] = direction(dice.unit());
                let points: Vec<[f64; 2]> = (0..6)
                    .map(|step| {
                        let (along, across) =
                            (0.05 * (f64::from(step) - 2.5), if step % 2 == 0 { 0.03 } else { -0.03 });
                        [start[0] + along * c - across * s, start[1] + along * s + across * c]
                    })
                    .collect();
                Some(Shape::line(&points, STROKE))
            }
        }
    }

    fn device(&self, device: Device, dice: &mut Dice) -> Option<Shape> {
        match device {
            Device::None => None,
            Device::Tube => {
                let end = self.somewhere(0.1, dice);
                let start = [end[0] + dice.within(-0.15, 0.15), 0.0];
                let bend = [start[0] + dice.within(-0.12, 0.12), 0.5 * end[1]];
                let curve: Vec<[f64; 2]> = (0..=8)
                    .map(|step| {
                        let t = f64::from(step) / 8.0;
                        let at = |axis: usize| {
                            (1.0 - t) * (1.0 - t) * start[axis] + 2.0 * t * (1.0 - t) * bend[axis] + t * t * end[axis]
                        };
                        [at(0), at(1)]
                    })
                    .collect();
                Some(Shape::line(&curve, STROKE))
            }
            Device::Clip => {
                let [x, y] = self.somewhere(0.08, dice);
                let turn = direction(dice.unit());
                let pose = Pose { centre: [x, y], axis: turn, ..Pose::IDENTITY };
                let bars = [-0.035, 0.0, 0.035].map(|at| Shape::Bar {
                    from: [at, -0.04],
                    to: [at, 0.04],
                    radius: 0.8 * STROKE,
                    taper: false,
                });
                Some(Shape::Any(bars.into()).posed(&pose))
            }
            Device::Implant => {
                let [x, y] = self.somewhere(0.09, dice);
                let half = [dice.within(0.055, 0.07), dice.within(0.04, 0.05)];
                Some(Shape::Rect { low: [x - half[0], y - half[1]], high: [x + half[0], y + half[1]] })
            }
        }
    }

    /// Draws a point at least `margin` deep, or returns the deepest of 60 draws.
    fn somewhere(&self, margin: f64, dice: &mut Dice) -> [f64; 2] {
        let mut best = ([0.5, 0.5], f64::INFINITY);
        for _ in 0..60 {
            let point = [dice.within(0.1, 0.9), dice.within(0.1, 0.9)];
            let depth = self.room(point).max(-self.taken(point));
            if depth < -margin {
                return point;
            }
            if depth < best.1 {
                best = (point, depth);
            }
        }
        best.0
    }
}

impl Pose {
    const IDENTITY: Self = Self { centre: [0.0, 0.0], scale: 1.0, axis: [1.0, 0.0], mirrored: false };
}

fn pose(facts: &Facts, dice: &mut Dice) -> Pose {
    let centre = [0.5 + dice.within(-0.035, 0.035), 0.5 + dice.within(-0.035, 0.035)];
    let (scale, tilt) = match (facts.modality, facts.subject) {
        // In ultrasound the body reaches beyond the probe's field of view.
        (Modality::Ultrasound, _) => (dice.within(1.05, 1.2), 0.02),
        (_, Subject::Section(_, Plane::Axial)) => (dice.within(0.88, 1.02), 0.03),
        (_, Subject::Section(..)) => (dice.within(0.88, 1.04), 0.02),
        (_, Subject::Fundus(_)) => (dice.within(0.92, 1.04), 0.03),
        (_, Subject::Histology(_)) => (dice.within(0.9, 1.1), 0.5),
    };
    Pose { centre, scale, axis: direction(dice.within(-tilt, tilt)), mirrored: facts.mirrored }
}

fn view(modality: Modality, dice: &mut Dice) -> Shape {
    match modality {
        Modality::Ct | Modality::Fundus => Shape::disc([0.5, 0.5], 0.49),
        Modality::Ultrasound => {
            Shape::Fan { apex: [0.5, dice.within(-0.4, -0.34)], near: 0.42, far: 1.31, slope: dice.within(0.72, 0.78) }
        }
        Modality::Xray | Modality::Mri | Modality::Histology => Shape::Rect { low: [0.0, 0.0], high: [1.0, 1.0] },
    }
}

fn marker(side: Side, dice: &mut Dice) -> Shape {
    let at = 0.025 + dice.within(0.0, 0.02);
    let (low, high) = (at, at + 0.065);
    let top = 0.025 + dice.within(0.0, 0.02);
    let [left, right] = if side == Side::Left { [low, high] } else { [1.0 - high, 1.0 - low] };
    Shape::Rect { low: [left, top], high: [right, top + 0.065] }
}

/// Whether a finding at this point agrees with the facts about finding `number`.
fn in_zone([x, y]: [f64; 2], radius: f64, findings: &Findings, number: usize) -> bool {
    let off = (0.85 * radius).max(0.06);
    let (left, right, upper, lower) = (x < 0.5 - off, x > 0.5 + off, y < 0.5 - off, y > 0.5 + off);
    let (vertical, horizontal) = match findings.quadrant {
        Quadrant::UpperLeft => (upper, left),
        Quadrant::UpperRight => (upper, right),
        Quadrant::LowerLeft => (lower, left),
        Quadrant::LowerRight => (lower, right),
    };
    match (findings.distribution, number) {
        (Distribution::Single, _) => vertical && horizontal,
        (Distribution::OneSide, _) => horizontal,
        // At least one finding on each side, none on the midline.
        (Distribution::BothSides, 0) => left,
        (Distribution::BothSides, 1) => right,
        (Distribution::BothSides, _) => left || right,
    }
}

fn away(a: [f64; 2], b: [f64; 2]) -> f64 {
    length(a[0] - b[0], a[1] - b[1])
}

fn apart(a: &[f64; 4], b: &[f64; 4]) -> bool {
    a[2] + GAP < b[0] || b[2] + GAP < a[0] || a[3] + GAP < b[1] || b[3] + GAP < a[1]
}
