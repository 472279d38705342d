//! Artefacts of one way of imaging: the machine's own faults, skipped for pictures of any other modality. Their levels
//! are calibrated as those of all [corruptions](super::corruption).

pub mod beam_hardening;
pub mod bias_field;
pub mod exposure;
pub mod ghost;
pub mod grid_lines;
pub mod metal_streak;
pub mod scatter;
pub mod specular;
pub mod stain;
pub mod ultrasound;
pub mod window_shift;

use rand::Rng;

use super::corruption::Site;

/// Names of radiography.
const XRAY: &[&str] = &["xray", "radiograph", "radiography", "cr", "dx", "mammography"];

/// A place drawn within the middle of the picture, between `margin` and `1 - margin` of its sides, that is in no evidence
/// where 64 draws find one.
fn place(site: &Site, width: usize, height: usize, margin: f64, rng: &mut impl Rng) -> [f64; 2] {
    let mut draw = || {
        let share = |rng: &mut _| margin + (1.0 - 2.0 * margin) * rand::Rng::random::<f64>(rng);
        [share(rng) * width as f64, share(rng) * height as f64]
    };
    let first = draw();
    if free(site, first) {
        return first;
    }
    (0..64).map(|_| draw()).find(|at| free(site, *at)).unwrap_or(first)
}

/// Whether a place is in no evidence.
fn free(site: &Site, [x, y]: [f64; 2]) -> bool {
    !site
        .evidence
        .iter()
        .any(|rect| (rect.x0 as f64..rect.x1 as f64).contains(&x) && (rect.y0 as f64..rect.y1 as f64).contains(&y))
}

/// 1 at 0 and before, 0 at 1 and after, smooth between.
fn fade(at: f64) -> f64 {
    let at = at.clamp(0.0, 1.0);
    1.0 - at * at * (3.0 - 2.0 * at)
}
