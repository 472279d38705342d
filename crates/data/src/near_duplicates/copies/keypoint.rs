//! Keypoints of an image: bright and dark blobs with a description of their surroundings.
//!
//! Blobs are extrema of differences of Gaussians (Lowe, 2004). Their descriptions are bits, as in ORB (Rublee et al.,
//! 2011), here signs of projections of samples on rings. A mirrored blob has the same bits in another order, an inverted
//! blob has equal bits, so copies of these kinds need no description of their own.

use std::f32::consts::TAU;

use super::super::take::{take, take_u16};
use super::grey::Grey;

/// Longer side, in pixels, of the image on which keypoints are found.
pub(super) const SIDE: u32 = 96;

/// Most keypoints of an image; the strongest ones are kept.
const MOST: usize = 96;

/// Standard deviation of the first blur in pixels; each further one is `STEP` times as large.
const FIRST: f32 = 1.5;
/// Ratio of two neighbouring blurs: a third of an octave.
const STEP: f32 = 1.259_921;
/// Number of blurred images.
const LEVELS: usize = 7;

/// Smallest strength of a blob as a part of the standard deviation of the image.
const LEAST_STRENGTH: f32 = 0.006;

/// Largest ratio of the two curvatures of a blob; edges have larger ones.
const ELONGATED: f32 = 8.0;

/// Radii of the rings of samples, in standard deviations of the blob, and the number of samples of each.
const RINGS: [(f32, usize); 4] = [(1.5, 8), (2.75, 12), (4.0, 16), (5.5, 20)];
const SAMPLES: usize = 56;

/// A blob of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keypoint {
    /// Position from the left edge, in 1/65536 of the longer side.
    pub(super) x: u16,
    /// Position from the top edge, in 1/65536 of the longer side.
    pub(super) y: u16,
    /// Standard deviation of the blob, in 1/65536 of the longer side.
    pub(super) size: u16,
    /// Direction of the surroundings, in 1/65536 of a turn, clockwise from the right.
    pub(super) angle: u16,
    /// Whether the blob is darker than its surroundings.
    pub(super) is_dark: bool,
    /// Description of the surroundings.
    pub(super) bits: u64,
}

impl Keypoint {
    /// Appends the keypoint to `bytes`.
    pub(super) fn write(&self, bytes: &mut Vec<u8>) {
        let numbers = [self.x, self.y, self.size, self.angle, u16::from(self.is_dark)];
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(self.bits.to_le_bytes());
    }

    /// Takes a keypoint from `bytes`; None when too few are left.
    pub(super) fn read(bytes: &mut &[u8]) -> Option<Self> {
        let mut number = || take_u16(bytes);
        let (x, y, size, angle, is_dark) = (number()?, number()?, number()?, number()?, number()? != 0);
        let bits = u64::from_le_bytes(take(bytes, 8)?.try_into().ok()?);
        Some(Self { x, y, size, angle, is_dark, bits })
    }
}

/// Returns the description of the mirrored blob.
pub(super) fn mirrored(bits: u64) -> u64 {
    bits.rotate_left(32)
}

/// Finds the keypoints of an image of [`SIDE`] pixels, the strongest first.
pub(super) fn keypoints(image: &Grey) -> Vec<Keypoint> {
    let mut levels = vec![image.blurred(FIRST)];
    for level in 1..LEVELS {
        let sigma = FIRST * STEP.powi(level as i32 - 1) * (STEP * STEP - 1.0).sqrt();
        levels.push(levels[level - 1].blurred(sigma));
    }
    let difference =
        |pair: &[Grey]| -> Vec<f32> { pair[1].values.iter().zip(&pair[0].values).map(|(b, a)| b - a).collect() };
    let differences: Vec<Vec<f32>> = levels.windows(2).map(difference).collect();
    let mut blobs = Vec::new();
    for level in 1..differences.len() - 1 {
        blobs.extend(extrema(&differences[level - 1..level + 2], image, level));
    }
    let least = LEAST_STRENGTH * deviation(&image.values);
    blobs.retain(|blob| blob.strength >= least);
    blobs.sort_by(|one, other| other.strength.total_cmp(&one.strength));
    blobs.truncate(MOST);
    blobs.iter().filter_map(|blob| describe(blob, &levels[blob.level])).collect()
}

fn deviation(values: &[f32]) -> f32 {
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt()
}

/// A blob before it is described.
struct Blob {
    x: f32,
    y: f32,
    /// Standard deviation in pixels.
    size: f32,
    /// Index of the blurred image.
    level: usize,
    strength: f32,
    is_dark: bool,
}

/// Finds the extrema of the middle one of three neighbouring differences.
fn extrema(differences: &[Vec<f32>], image: &Grey, level: usize) -> Vec<Blob> {
    let (width, height) = (image.width, image.height);
    let mut found = Vec::new();
    let middle = &differences[1];
    for y in 1..height.saturating_sub(1) {
        for x in 1..width.saturating_sub(1) {
            let place = y * width + x;
            let value = middle[place];
            let is_above = value > middle[place - 1];
            let beats = |other: f32| if is_above { value > other } else { value < other };
            let around = [place - width - 1, place - width, place - width + 1, place - 1, place + 1];
            let below = [place + width - 1, place + width, place + width + 1];
            let is_extremum = around.iter().chain(&below).all(|at| beats(middle[*at]))
                && [&differences[0], &differences[2]]
                    .into_iter()
                    .all(|other| around.iter().chain(&below).chain([&place]).all(|at| beats(other[*at])));
            if !is_extremum {
                continue;
            }
            let xx = middle[place - 1] + middle[place + 1] - 2.0 * value;
            let yy = middle[place - width] + middle[place + width] - 2.0 * value;
            let xy = (middle[place + width + 1] + middle[place - width - 1]
                - middle[place + width - 1]
                - middle[place - width + 1])
                / 4.0;
            let (trace, determinant) = (xx + yy, xx * yy - xy * xy);
            if determinant <= 0.0 || trace * trace * ELONGATED > (ELONGATED + 1.0).powi(2) * determinant {
                continue;
            }
            let scale = top(differences[0][place], value, differences[2][place]);
            found.push(Blob {
                x: x as f32 + top(middle[place - 1], value, middle[place + 1]),
                y: y as f32 + top(middle[place - width], value, middle[place + width]),
                size: FIRST * STEP.powf(level as f32 + 0.5 + scale),
                level,
                strength: value.abs(),
                // A difference is the wider blur minus the narrower one: positive where the centre is darker.
                is_dark: value > 0.0,
            });
        }
    }
    found
}

/// Place of the extremum of a parabola through three values at -1, 0 and 1, at most half a step from 0.
fn top(before: f32, at: f32, after: f32) -> f32 {
    let curvature = before + after - 2.0 * at;
    if curvature == 0.0 { 0.0 } else { ((before - after) / (2.0 * curvature)).clamp(-0.5, 0.5) }
}

/// Describes a blob by the image blurred to its size. None where its surroundings are uniform.
fn describe(blob: &Blob, image: &Grey) -> Option<Keypoint> {
    let sign = if blob.is_dark { -1.0 } else { 1.0 };
    let samples = |turn: f32| -> [f32; SAMPLES] {
        let mut values = [0.0; SAMPLES];
        let mut from = 0;
        for (radius, count) in RINGS {
            let ring = &mut values[from..from + count];
            for (step, value) in ring.iter_mut().enumerate() {
                let (sin, cos) = (turn + TAU * step as f32 / count as f32).sin_cos();
                let reach = radius * blob.size;
                *value = sign * image.sample(blob.x + reach * cos, blob.y + reach * sin);
            }
            let mean = ring.iter().sum::<f32>() / count as f32;
            ring.iter_mut().for_each(|value| *value -= mean);
            from += count;
        }
        values
    };
    let upright = samples(0.0);
    let (mut east, mut south, mut from) = (0.0, 0.0, 0);
    for (_, count) in RINGS {
        for (step, value) in upright[from..from + count].iter().enumerate() {
            let (sin, cos) = (TAU * step as f32 / count as f32).sin_cos();
            east += value * cos;
            south += value * sin;
        }
        from += count;
    }
    if east.hypot(south) < 1e-3 {
        return None;
    }
    let turn = south.atan2(east);
    let whole = 65_536.0 / image.width.max(image.height) as f32;
    let part = |pixels: f32| (pixels * whole).clamp(0.0, 65_535.0) as u16;
    Some(Keypoint {
        x: part(blob.x + 0.5),
        y: part(blob.y + 0.5),
        size: part(blob.size),
        angle: (turn.rem_euclid(TAU) / TAU * 65_536.0) as u32 as u16,
        is_dark: blob.is_dark,
        bits: project(&samples(turn)),
    })
}

/// Signs of 32 projections of the samples, and of the same projections of the samples in mirrored order.
fn project(samples: &[f32; SAMPLES]) -> u64 {
    let mut mirrored = [0.0; SAMPLES];
    let mut from = 0;
    for (_, count) in RINGS {
        (0..count).for_each(|step| mirrored[from + (count - step) % count] = samples[from + step]);
        from += count;
    }
    let half = |values: &[f32; SAMPLES]| {
        (0..32u64).fold(0u64, |bits, number| {
            let signs = mixed(number);
            let sum: f32 = values
                .iter()
                .enumerate()
                .map(|(place, value)| if signs >> place & 1 == 1 { *value } else { -*value })
                .sum();
            bits << 1 | u64::from(sum > 0.0)
        })
    };
    half(samples) << 32 | half(&mirrored)
}

/// Bits that depend on the number in no simple way (SplitMix64).
fn mixed(number: u64) -> u64 {
    let mut bits = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}
