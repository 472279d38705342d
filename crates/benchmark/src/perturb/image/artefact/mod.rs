//! Artefacts of single imaging modalities. Cases of other modalities are skipped. Levels are calibrated in the same way
//! as for all [corruptions](super::corruption).

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

use super::corruption::Site;
use rand::Rng;

/// Modality names of radiography.
pub(super) const XRAY: &[&str] = &["xray", "radiograph", "radiography", "cr", "dx", "mammography"];

/// Draws a point between `margin` and `1 - margin` of the image's sides, `[x, y]` in pixels. The point lies outside all
/// evidence, unless 65 draws find no such point.
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

/// Returns whether a point lies outside all evidence.
fn free(site: &Site, [x, y]: [f64; 2]) -> bool {
    !site
        .evidence
        .iter()
        .any(|rect| (rect.x0 as f64..rect.x1 as f64).contains(&x) && (rect.y0 as f64..rect.y1 as f64).contains(&y))
}

/// Smooth step down: 1 for `at <= 0`, 0 for `at >= 1`, `1 - 3 at^2 + 2 at^3` between.
fn fade(at: f64) -> f64 {
    let at = at.clamp(0.0, 1.0);
    1.0 - at * at * (3.0 - 2.0 * at)
}
