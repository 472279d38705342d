//! Paints the image of a scene. Each pixel first gets a grey level (anatomy, findings, texture of the modality, quality
//! faults), then a colour, then the overlays. Every step is a function of the pixel's position, so the order of the
//! pixels does not matter.

use image::{Rgb, RgbImage};

use super::anatomy::{Part, Tissue};
use super::dice::Dice;
use super::facts::{BodyPart, Colour, Facts, Intensity, Modality, Plane, Power, Quality, Sign, Subject};
use super::raster;
use super::scene::Scene;
use super::shape::{Shape, length};
use super::style::{Style, style};
use super::texture::{cells, cloud, direction, grain, hash};

/// Distance from an outline within which softness, walls or rims are visible.
const TRACE: f64 = 0.05;

/// A drawn shape and the rectangle outside of which it has no effect.
struct Drawn<'a> {
    shape: &'a Shape,
    bounds: [f64; 4],
}

impl<'a> Drawn<'a> {
    fn new(shape: &'a Shape) -> Self {
        let [x0, y0, x1, y1] = shape.bounds();
        Self { shape, bounds: [x0 - TRACE, y0 - TRACE, x1 + TRACE, y1 + TRACE] }
    }

    fn reaches(&self, [x, y]: [f64; 2]) -> bool {
        self.bounds[0] <= x && x <= self.bounds[2] && self.bounds[1] <= y && y <= self.bounds[3]
    }
}

/// Parameters that vary between images of the same scene; no question is about them.
struct Nuisance {
    seed: u32,
    /// Contrast of findings.
    contrast: f64,
    gain: f64,
    offset: f64,
    /// Strength of slow brightness changes.
    bias: f64,
    stripes: f64,
    /// Block over a blocked image; `cover_grey` is its grey level.
    cover: Shape,
    cover_grey: f64,
}

struct Painter<'a> {
    facts: &'a Facts,
    scene: &'a Scene,
    style: Style,
    nuisance: Nuisance,
    pixel: f64,
    /// Parts that are present.
    parts: Vec<(&'a Part, Drawn<'a>)>,
    sign: Option<Drawn<'a>>,
    device: Option<Drawn<'a>>,
    marker: Option<Drawn<'a>>,
    cross: Option<Drawn<'a>>,
}

/// Paints case `index` as an image of `side` x `side` pixels. `seed` and `index` decide contrast, brightness, grain and
/// the like, about which no question asks; equal arguments give equal pixels.
pub(super) fn paint(facts: &Facts, scene: &Scene, seed: u64, index: u64, side: u32) -> RgbImage {
    let mut dice = Dice::new(seed, "paint", index);
    let middle = [0.5 + dice.within(-0.03, 0.03), 0.5 + dice.within(-0.03, 0.03)];
    let half = [dice.within(0.31, 0.36), dice.within(0.31, 0.36)];
    let nuisance = Nuisance {
        seed: dice.seed(),
        contrast: dice.within(0.32, 0.40),
        gain: dice.within(0.92, 1.06),
        offset: dice.within(-0.015, 0.02),
        bias: dice.within(0.04, 0.14),
        stripes: dice.within(8.0, 13.0),
        cover: Shape::Rect {
            low: [middle[0] - half[0], middle[1] - half[1]],
            high: [middle[0] + half[0], middle[1] + half[1]],
        },
        cover_grey: dice.within(90.0, 165.0),
    };
    let present = scene.parts.iter().filter(|placed| placed.present).map(|placed| &placed.part);
    let painter = Painter {
        facts,
        scene,
        style: style(facts.modality, facts.variant),
        nuisance,
        pixel: 1.0 / f64::from(side),
        parts: present.map(|part| (part, Drawn::new(&part.shape))).collect(),
        sign: scene.sign.as_ref().map(Drawn::new),
        device: scene.device.as_ref().map(Drawn::new),
        marker: scene.marker.as_ref().map(Drawn::new),
        cross: scene.cross.as_ref().map(Drawn::new),
    };
    RgbImage::from_fn(side, side, |x, y| {
        let point = raster::centre(x, y, side);
        let colour = painter.colour(point, x as i32, y as i32);
        Rgb(painter.overlaid(point, colour).map(|channel| channel.clamp(0.0, 255.0).round() as u8))
    })
}

impl Painter<'_> {
    fn colour(&self, point: [f64; 2], x: i32, y: i32) -> [f64; 3] {
        let level = self.textured(self.with_findings(self.anatomy(point), point), point, x, y);
        let level = self.degraded(level * self.nuisance.gain + self.nuisance.offset, point, x, y);
        let mut colour = self.style.colour(self.cropped(level, point));
        if let Some(centre) = self.scene.flow {
            colour = flow(centre, colour, point);
        }
        colour = self.outlined(colour, self.device.as_ref(), point, [255.0; 3]);
        match self.facts.quality {
            Quality::Dim => colour.map(|channel| channel * 0.55),
            Quality::Blocked if self.nuisance.cover.distance(point) < 0.0 => [self.nuisance.cover_grey; 3],
            _ => colour,
        }
    }

    /// Share of the pixel inside a shape whose edge is softened over `softness`.
    fn cover(&self, shape: &Shape, point: [f64; 2], softness: f64) -> f64 {
        (0.5 - shape.distance(point) / softness.max(self.pixel)).clamp(0.0, 1.0)
    }

    fn anatomy(&self, point: [f64; 2]) -> f64 {
        let soft = self.style.softness;
        let level = |tissue| self.style.level(tissue);
        let mut value = level(Tissue::Outside);
        let blend = |value: &mut f64, target: f64, share: f64| *value += (target - *value) * share;
        if let Subject::Histology(power) = self.facts.subject {
            value = level(Tissue::Soft);
            self.organs(&mut value, point);
            return self.nuclei(value, point, power);
        }
        let depth = self.scene.body.distance(point);
        let within = |inset: f64| (0.5 - (depth + inset) / soft.max(self.pixel)).clamp(0.0, 1.0);
        blend(&mut value, level(Tissue::Fat), within(0.0));
        blend(&mut value, level(Tissue::Soft), within(0.022));
        if self.facts.modality == Modality::Xray {
            value = self.ribs(value, point);
        }
        self.organs(&mut value, point);
        value
    }

    fn parts_at(&self, point: [f64; 2]) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(move |(_, drawn)| drawn.reaches(point)).map(|(part, _)| *part)
    }

    fn organs(&self, value: &mut f64, point: [f64; 2]) {
        let soft = self.style.softness;
        for part in self.parts_at(point) {
            let share = match (part.label, self.facts.modality) {
                // The macula fades out gradually; a projection shows overlapping organs through one another.
                ("macula", _) => self.cover(&part.shape, point, 0.08),
                (_, Modality::Xray) if part.tissue != Tissue::Lung => 0.9 * self.cover(&part.shape, point, soft),
                _ => self.cover(&part.shape, point, soft),
            };
            *value += (self.style.level(part.tissue) - *value) * share;
            // Walls: glands have a dark ring, and ultrasound shows every boundary as a bright line.
            let wall = (1.0 - (part.shape.distance(point) / 0.01).abs()).max(0.0);
            if part.label == "gland" {
                *value += (0.2 - *value) * (1.0 - (part.shape.distance(point) / 0.016).abs()).max(0.0);
            } else if self.facts.modality == Modality::Ultrasound && part.label != "brain" {
                *value += 0.25 * wall;
            }
            if part.label == "disc" {
                *value += 0.12 * self.cover(&Shape::Inset(Box::new(part.shape.clone()), 0.035), point, 0.02);
            }
        }
    }

    /// Adds the ribs of a chest, which a projection shows.
    fn ribs(&self, value: f64, [x, y]: [f64; 2]) -> f64 {
        if !matches!(self.facts.subject, Subject::Section(BodyPart::Chest, _)) {
            return value;
        }
        let bow = match self.facts.subject {
            Subject::Section(_, Plane::Sagittal) => 0.5 * (x - 0.5),
            _ => 0.9 * (x - 0.5) * (x - 0.5),
        };
        let phase = (y + bow) * 8.0;
        let from_rib = ((phase - phase.floor()) - 0.5).abs();
        let share = 0.3 * ((0.16 - from_rib) / 0.08).clamp(0.0, 1.0) * self.cover(&self.scene.inside, [x, y], 0.01);
        value + (self.style.level(Tissue::Bone) - value) * share
    }

    fn nuclei(&self, value: f64, [x, y]: [f64; 2], power: Power) -> f64 {
        let per_side = match power {
            Power::Low => 34.0,
            Power::Medium => 18.0,
            Power::High => 9.0,
        };
        let distance = cells(self.nuisance.seed, x * per_side, y * per_side);
        let inside = |shape: &Shape| shape.distance([x, y]) < 0.0;
        // Organs hold no nuclei; inside findings nuclei are faint, because they would otherwise hide the finding.
        let depth = if self.parts_at([x, y]).any(|part| inside(&part.shape)) {
            0.0
        } else if self.scene.lesions.iter().any(|lesion| inside(&lesion.outline)) {
            0.07
        } else {
            0.24
        };
        value - depth * ((0.3 - distance) / (0.12 + self.pixel * per_side)).clamp(0.0, 1.0)
    }

    fn with_findings(&self, mut value: f64, point: [f64; 2]) -> f64 {
        let Some(findings) = &self.facts.findings else { return value };
        let sign = if findings.intensity == Intensity::Bright { 1.0 } else { -1.0 };
        for lesion in &self.scene.lesions {
            let away = length(point[0] - lesion.centre[0], point[1] - lesion.centre[1]);
            if away > 1.3 * lesion.radius + TRACE {
                continue;
            }
            if findings.halo {
                // The halo: a band of the opposite contrast around the finding.
                let band = ((away - 1.02 * lesion.radius) / 0.02).min((1.02 * lesion.radius + 0.045 - away) / 0.012);
                let outside = (0.5 + lesion.outline.distance(point) / self.pixel).clamp(0.0, 1.0);
                value -= sign * 0.24 * band.clamp(0.0, 1.0) * outside;
            }
            value += sign * self.nuisance.contrast * lesion.strength(point, self.pixel);
        }
        if let Some(sign) = self.sign.as_ref().filter(|sign| sign.reaches(point)) {
            let share = self.cover(sign.shape, point, 0.0);
            let target = match self.facts.sign {
                Sign::Effusion => 0.92,
                Sign::Gas | Sign::Tear | Sign::None => 0.0,
            };
            value += (target - value) * 0.92 * share;
        }
        value.clamp(0.0, 1.0)
    }

    fn textured(&self, value: f64, point: [f64; 2], x: i32, y: i32) -> f64 {
        let [u, v] = point;
        let seed = self.nuisance.seed;
        let slow = cloud(seed ^ 1, u * 2.2, v * 2.2);
        let tissue = 0.025 * cloud(seed ^ 2, u * 16.0, v * 16.0);
        let value = value + tissue;
        match self.facts.modality {
            Modality::Mri => value * (1.0 + 1.6 * self.nuisance.bias * slow) + self.style.grain * grain(seed ^ 3, x, y),
            Modality::Ultrasound => {
                // Speckle is multiplicative, and echoes fade with depth.
                let speckle = 0.5 * cloud(seed ^ 4, u * 64.0, v * 64.0) + 0.22 * grain(seed ^ 5, x, y);
                value * (1.0 + 0.5 * speckle) * (1.12 - 0.3 * v)
            }
            Modality::Fundus => {
                let rim = length(u - 0.5, v - 0.5);
                value * (1.08 - 0.9 * rim * rim) + self.style.grain * grain(seed ^ 3, x, y)
            }
            _ => value * (1.0 + self.nuisance.bias * slow) + self.style.grain * grain(seed ^ 3, x, y),
        }
    }

    fn degraded(&self, value: f64, point: [f64; 2], x: i32, y: i32) -> f64 {
        let seed = self.nuisance.seed;
        match (self.facts.quality, self.facts.sufficient) {
            (Quality::Noisy, true) => value + 0.085 * grain(seed ^ 6, x, y),
            (Quality::Noisy, false) => {
                // Noise as coarse as the findings hides the inside of the body.
                let storm = 0.5 + 0.3 * cloud(seed ^ 7, point[0] * 9.0, point[1] * 9.0) + 0.22 * grain(seed ^ 6, x, y);
                let inner = self.cover(&Shape::Inset(Box::new(self.scene.body.clone()), 0.02), point, 0.02);
                value + (storm - value) * 0.95 * inner
            }
            (Quality::Striped, _) => {
                let [wave, _] = direction(point[1] * self.nuisance.stripes + hash(seed, 0, 0));
                value * (1.0 + 0.22 * wave) + 0.035 * wave
            }
            (Quality::Clear | Quality::Dim | Quality::Blocked, _) => value,
        }
    }

    /// Blackens everything outside the field of view and adds the CT table below the body.
    fn cropped(&self, value: f64, point: [f64; 2]) -> f64 {
        let mut value = value;
        if self.facts.modality == Modality::Ct {
            let table = (length(point[0] - 0.5, point[1] + 0.35) - 1.3).abs();
            let outside = (self.scene.body.distance(point) / self.pixel).clamp(0.0, 1.0);
            value += 0.45 * outside * ((0.012 - table) / 0.008).clamp(0.0, 1.0);
        }
        let seen = self.cover(&self.scene.view, point, 0.004);
        value * seen
    }

    /// Draws a shape in one colour with a thin black outline, so that it is visible on any background.
    fn outlined(&self, colour: [f64; 3], drawn: Option<&Drawn>, point: [f64; 2], ink: [f64; 3]) -> [f64; 3] {
        let Some(drawn) = drawn.filter(|drawn| drawn.reaches(point)) else { return colour };
        let distance = drawn.shape.distance(point);
        if distance > 0.02 {
            return colour;
        }
        let rim = (0.5 - (distance - 0.009) / self.pixel).clamp(0.0, 1.0);
        let fill = (0.5 - distance / self.pixel).clamp(0.0, 1.0);
        [0, 1, 2].map(|c| {
            let dark = colour[c] * (1.0 - rim);
            dark + (ink[c] - dark) * fill
        })
    }

    /// Draws marker, cross and frames over everything else, in full colour.
    fn overlaid(&self, point: [f64; 2], colour: [f64; 3]) -> [f64; 3] {
        let mut colour = self.outlined(colour, self.marker.as_ref(), point, [255.0; 3]);
        colour = self.outlined(colour, self.cross.as_ref(), point, [255.0, 60.0, 230.0]);
        for (name, [x0, y0, x1, y1]) in &self.scene.marks {
            let frame = Shape::Rect { low: [*x0, *y0], high: [*x1, *y1] };
            let ink = match name {
                Colour::Yellow => [255.0, 225.0, 0.0],
                Colour::Blue => [30.0, 90.0, 255.0],
                Colour::Green => [0.0, 215.0, 60.0],
            };
            // Line width of 2 pixels in an image of 128.
            let share = (0.5 - (frame.distance(point).abs() - 0.008) / self.pixel).clamp(0.0, 1.0);
            colour = [0, 1, 2].map(|c| colour[c] + (ink[c] - colour[c]) * share);
        }
        colour
    }
}

/// Draws the two coloured streams of a Doppler image.
fn flow(centre: [f64; 2], colour: [f64; 3], point: [f64; 2]) -> [f64; 3] {
    let [x, y] = [point[0] - centre[0], point[1] - centre[1]];
    let stream = |dx: f64, tint: [f64; 3], colour: [f64; 3]| {
        let reach = length((x - dx) / 0.03, y / 0.09);
        let share = 0.9 * ((1.0 - reach) / 0.15).clamp(0.0, 1.0);
        [0, 1, 2].map(|c| colour[c] + (tint[c] - colour[c]) * share)
    };
    stream(0.04, [40.0, 70.0, 250.0], stream(-0.04, [235.0, 40.0, 30.0], colour))
}
