//! Sketches of images, by which a map between two images is confirmed.

use super::super::take::{take, take_u16};
use super::grey::Grey;
use super::similarity::Similarity;

/// Longer side of a sketch in pixels.
pub(super) const SIDE: u32 = 64;

/// Standard deviation, in pixels, of the blur that is subtracted: larger shapes, which all images of a view share, do
/// not count.
const COARSE: f32 = 2.5;

/// Largest detail, in details that a fifth of the image exceeds. Text and frames have larger ones, which would outweigh
/// the rest.
const LARGEST: f32 = 1.5;

/// Side of a cell in pixels.
const CELL: usize = 8;

/// Small image, with the grey levels stretched over 0 to 255.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sketch {
    width: u16,
    height: u16,
    pixels: Vec<u8>,
}

impl Sketch {
    /// Computes the sketch of an image of [`SIDE`] pixels.
    pub(super) fn of(image: &Grey) -> Self {
        let (low, high) =
            image.values.iter().fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)));
        let stretched = |value: &f32| ((value - low) * 255.0 / (high - low).max(1e-3)) as u8;
        let pixels = image.values.iter().map(stretched).collect();
        Self { width: image.width as u16, height: image.height as u16, pixels }
    }

    /// Appends the sketch to `bytes`.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend([self.width, self.height].iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(&self.pixels);
    }

    /// Takes a sketch from `bytes`; None when it is not well formed.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let (width, height) = (take_u16(bytes)?, take_u16(bytes)?);
        let has_size = (1..=SIDE).contains(&width.into()) && (1..=SIDE).contains(&height.into());
        let pixels = take(bytes, usize::from(width) * usize::from(height)).filter(|_| has_size)?.to_vec();
        Some(Self { width, height, pixels })
    }

    /// Details of the image: what differs from the surroundings.
    fn details(&self) -> Grey {
        let values = self.pixels.iter().map(|value| f32::from(*value)).collect();
        let image = Grey { width: usize::from(self.width), height: usize::from(self.height), values };
        let coarse = image.blurred(COARSE);
        let mut details = image.blurred(0.6);
        details.values.iter_mut().zip(&coarse.values).for_each(|(value, coarse)| *value -= coarse);
        let mut sizes: Vec<f32> = details.values.iter().map(|value| value.abs()).collect();
        let place = sizes.len() * 4 / 5;
        let large = LARGEST * *sizes.select_nth_unstable_by(place, f32::total_cmp).1;
        details.values.iter_mut().for_each(|value| *value = value.clamp(-large, large));
        details
    }
}

/// Smallest correlation of details before the map is improved.
const FIRST_CORRELATION: f32 = 0.2;

/// Smallest agreement of two copies: two thirds of the cells of the common area may correlate less.
///
/// Measured with `examples/near_copies` on chest X-rays, brain slices, blood smears and 800 synthetic images: only neighbouring
/// slices and overlapping fields of smears are found beside copies, and 87 % of 2,130 copies of 30 kinds.
const AGREEMENT: f32 = 0.93;

/// Smallest agreement of a copy that is mirrored, inverted or rotated by more than [`TILTED`]: the more maps are tried, the
/// better some map fits two different images by chance.
const AGREEMENT_OF_TURNED: f32 = 0.95;

/// Largest angle, in radians, of a copy that counts as not rotated.
const TILTED: f32 = 0.3;

/// Fewest cells with details in the common area.
const FEWEST_CELLS: usize = 10;

/// Largest variance of a uniform cell, as a part of the variance of the whole image.
const UNIFORM: f32 = 0.03;

/// Smallest common area, as a part of the smaller image.
const OVERLAP: f32 = 0.8;

/// Improves a map between two images. Returns the improved map; None where the details of the images do not agree.
pub(super) fn register(one: &Sketch, other: &Sketch, map: Similarity, inverted: bool) -> Option<Similarity> {
    let sign = if inverted { -1.0 } else { 1.0 };
    let (one, other) = (one.details(), other.details());
    let mut best = (correlation(&one, &other, &map, sign), map);
    if best.0 < FIRST_CORRELATION {
        return None;
    }
    let side = SIDE as f32;
    let mut step = 1.5 / side;
    while step > 0.1 / side {
        let before = best.0;
        for changed in (0..8).map(|change| (change / 2, if change % 2 == 0 { step } else { -step })) {
            let changed = moved(&best.1, changed, [one.width as f32 / side / 2.0, one.height as f32 / side / 2.0]);
            let found = correlation(&one, &other, &changed, sign);
            if found > best.0 {
                best = (found, changed);
            }
        }
        if best.0 <= before {
            step /= 2.0;
        }
    }
    let (agreement, count, overlap) = cells(&one, &other, &best.1, sign);
    let is_turned = inverted || map.mirrored || best.1.angle().abs() > TILTED;
    let least = if is_turned { AGREEMENT_OF_TURNED } else { AGREEMENT };
    (agreement >= least && count >= FEWEST_CELLS && overlap >= OVERLAP).then_some(best.1)
}

/// The map with one of its four values changed by a step: shift across or down, scale, or angle. Scale and angle change
/// about `centre`.
fn moved(map: &Similarity, (value, by): (usize, f32), centre: [f32; 2]) -> Similarity {
    let (to, scale, angle) = (map.apply(centre), map.scale(), map.angle());
    match value {
        0 => Similarity { shift: [map.shift[0] + by, map.shift[1]], ..*map },
        1 => Similarity { shift: [map.shift[0], map.shift[1] + by], ..*map },
        2 => Similarity::through(map.mirrored, (scale * (1.0 + 2.0 * by), angle), centre, to),
        _ => Similarity::through(map.mirrored, (scale, angle + 2.0 * by), centre, to),
    }
}

/// Value of the first image at each pixel of a row of the other one; None outside.
fn mapped(one: &Grey, map: &Similarity, x: usize, y: usize) -> Option<f32> {
    let side = SIDE as f32;
    let [u, v] = map.back([(x as f32 + 0.5) / side, (y as f32 + 0.5) / side]);
    let (u, v) = (u * side - 0.5, v * side - 0.5);
    let is_inside = u >= 0.0 && v >= 0.0 && u <= (one.width - 1) as f32 && v <= (one.height - 1) as f32;
    is_inside.then(|| one.sample(u, v))
}

/// Sums for a correlation.
#[derive(Default)]
struct Sums {
    count: f32,
    one: f32,
    other: f32,
    squares: [f32; 2],
    product: f32,
}

impl Sums {
    fn add(&mut self, one: f32, other: f32) {
        self.count += 1.0;
        self.one += one;
        self.other += other;
        self.squares[0] += one * one;
        self.squares[1] += other * other;
        self.product += one * other;
    }

    fn variances(&self) -> [f32; 2] {
        let count = self.count.max(1.0);
        [self.squares[0] / count - (self.one / count).powi(2), self.squares[1] / count - (self.other / count).powi(2)]
    }

    fn correlation(&self) -> f32 {
        let count = self.count.max(1.0);
        let [one, other] = self.variances();
        let covariance = self.product / count - self.one * self.other / (count * count);
        if one > 0.0 && other > 0.0 { covariance / (one * other).sqrt() } else { 0.0 }
    }
}

fn correlation(one: &Grey, other: &Grey, map: &Similarity, sign: f32) -> f32 {
    let mut sums = Sums::default();
    for y in 0..other.height {
        for x in 0..other.width {
            if let Some(value) = mapped(one, map, x, y) {
                sums.add(value, sign * other.values[y * other.width + x]);
            }
        }
    }
    if sums.count < 0.3 * (one.values.len().min(other.values.len())) as f32 { -1.0 } else { sums.correlation() }
}

/// Correlation that two thirds of the cells do not exceed, of those that lie in both images and are not uniform in both;
/// the number of these cells; and the common area as a part of the smaller image.
fn cells(one: &Grey, other: &Grey, map: &Similarity, sign: f32) -> (f32, usize, f32) {
    let across = other.width.div_ceil(CELL);
    let mut cells: Vec<Sums> = (0..across * other.height.div_ceil(CELL)).map(|_| Sums::default()).collect();
    let mut all = Sums::default();
    for y in 0..other.height {
        for x in 0..other.width {
            if let Some(value) = mapped(one, map, x, y) {
                let (value, own) = (value, sign * other.values[y * other.width + x]);
                cells[y / CELL * across + x / CELL].add(value, own);
                all.add(value, own);
            }
        }
    }
    let whole = all.variances();
    let has_detail = |cell: &&Sums| {
        let own = cell.variances();
        cell.count >= 0.5 * (CELL * CELL) as f32 && own.iter().zip(whole).any(|(own, whole)| *own > UNIFORM * whole)
    };
    let mut found: Vec<f32> = cells.iter().filter(has_detail).map(Sums::correlation).collect();
    found.sort_by(f32::total_cmp);
    let scale = map.scale();
    let smaller = (one.values.len() as f32 * scale * scale).min(other.values.len() as f32);
    (found.get(found.len() * 2 / 3).copied().unwrap_or(0.0), found.len(), all.count / smaller)
}
