//! Votes of similar keypoints of two images for one map between them.

use std::f32::consts::{PI, TAU};

use super::keypoint::Keypoint;
use super::similarity::Similarity;

/// Two similar keypoints, by their indices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Similar {
    /// Index in the first image.
    pub(super) one: u16,
    /// Index in the other image.
    pub(super) other: u16,
    /// Whether the other keypoint is like the mirrored first one.
    pub(super) mirrored: bool,
}

/// A map between two images with the number of keypoints that agree with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    /// The map.
    pub(super) map: Similarity,
    /// Whether dark blobs became bright.
    pub(super) inverted: bool,
    /// Number of pairs of keypoints, all of them different, that agree.
    pub(super) votes: usize,
}

/// Fewest keypoints that must agree.
pub(super) const FEWEST: usize = 8;

/// Largest distance, in longer sides of the image, between a keypoint and the place where the map takes it.
const NEAR: f32 = 0.035;
/// Largest difference of directions, in radians.
const TURNED: f32 = 0.5;
/// Largest ratio of sizes, beside that of the map.
const RESIZED: f32 = 1.5;
/// Largest scale of a map, and its inverse the smallest: an image without a tenth at each side is enlarged by 1.25.
const LARGEST_SCALE: f32 = 1.35;

impl Keypoint {
    fn place(&self) -> [f32; 2] {
        [f32::from(self.x) / 65_536.0, f32::from(self.y) / 65_536.0]
    }

    fn direction(&self) -> f32 {
        f32::from(self.angle) / 65_536.0 * TAU
    }
}

/// Scale and angle of the map that takes one keypoint to the other.
fn pose(one: &Keypoint, other: &Keypoint, mirrored: bool) -> (f32, f32) {
    let from = if mirrored { PI - one.direction() } else { one.direction() };
    (f32::from(other.size) / f32::from(one.size).max(1.0), other.direction() - from)
}

/// Finds the map with which most of the similar keypoints agree; None where fewer than [`FEWEST`] agree.
pub(super) fn agreed(ones: &[Keypoint], others: &[Keypoint], similar: &[Similar]) -> Option<Agreed> {
    if similar.len() < FEWEST {
        return None;
    }
    let pair = |found: &Similar| (&ones[usize::from(found.one)], &others[usize::from(found.other)]);
    let mut best: Option<Agreed> = None;
    for found in similar {
        let (one, other) = pair(found);
        let (scale, angle) = pose(one, other, found.mirrored);
        if !(1.0 / LARGEST_SCALE..=LARGEST_SCALE).contains(&scale) {
            continue;
        }
        let inverted = one.is_dark != other.is_dark;
        let mut map = Similarity::through(found.mirrored, (scale, angle), one.place(), other.place());
        // The second round uses the map that fits all keypoints of the first one.
        for _ in 0..2 {
            let agree = agreeing(&map, inverted, similar, pair);
            if agree.len() < FEWEST {
                break;
            }
            if best.is_none_or(|best| best.votes < agree.len()) {
                best = Some(Agreed { map, inverted, votes: agree.len() });
            }
            let places: Vec<_> = agree.iter().map(&pair).map(|(a, b)| (a.place(), b.place())).collect();
            let Some(fitted) = Similarity::fitted(found.mirrored, &places) else { break };
            map = fitted;
            if let Some(best) = best.as_mut().filter(|best| best.votes == agree.len()) {
                best.map = fitted;
            }
        }
    }
    best
}

/// Pairs that agree with a map, each keypoint at most once.
fn agreeing<'k>(
    map: &Similarity,
    inverted: bool,
    similar: &[Similar],
    pair: impl Fn(&Similar) -> (&'k Keypoint, &'k Keypoint),
) -> Vec<Similar> {
    let (scale, angle) = (map.scale(), map.angle());
    let mut agree: Vec<Similar> = Vec::new();
    for found in similar.iter().filter(|found| found.mirrored == map.mirrored) {
        let (one, other) = pair(found);
        let ([x, y], [u, v]) = (map.apply(one.place()), other.place());
        let (resized, turned) = pose(one, other, map.mirrored);
        let ratio = resized / scale;
        let turn = (turned - angle).rem_euclid(TAU);
        let is_near = (x - u).hypot(y - v) < NEAR
            && turn.min(TAU - turn) < TURNED
            && (1.0 / RESIZED..=RESIZED).contains(&ratio)
            && (one.is_dark != other.is_dark) == inverted;
        // Blobs of neighbouring sizes in one place count once.
        let is_new = || {
            agree.iter().all(|known| {
                let (first, second) = pair(known);
                distance(first, one) > 0.01 && distance(second, other) > 0.01
            })
        };
        if is_near && is_new() {
            agree.push(*found);
        }
    }
    agree
}

fn distance(one: &Keypoint, other: &Keypoint) -> f32 {
    let ([x, y], [u, v]) = (one.place(), other.place());
    (x - u).hypot(y - v)
}
