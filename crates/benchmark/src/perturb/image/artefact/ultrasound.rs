//! `acoustic_shadow`: the dark shadow below an object that blocks ultrasound.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{fade, place};
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `acoustic_shadow`. It casts a dark shadow, from a
/// random depth downwards, on ultrasound images. Levels 1 to 5 are targets of structural similarity (SSIM) with the
/// original image, [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<AcousticShadow>>(
    "acoustic_shadow",
    Purpose::Attack,
    "ultrasound: a dark shadow from a random depth downwards, five levels",
);

/// Corruption `acoustic_shadow`. Values fall to zero within a wedge that starts at a random point and widens downwards.
/// The half-width at the lower edge grows to 0.61 of the image's width. The wedge ends at columns with evidence.
#[derive(Clone, Copy, Debug)]
pub struct AcousticShadow;

impl Corruption for AcousticShadow {
    const NAME: &'static str = "acoustic_shadow";
    const MODALITIES: &'static [&'static str] = &["ultrasound", "us"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let (width, height) = (values.width as f64, values.height as f64);
        // Columns with evidence are excluded from top to bottom.
        let mut columns = site.clone();
        columns.evidence.iter_mut().for_each(|rect| (rect.y0, rect.y1) = (0, i64::from(picture.height())));
        let [x, _] = place(&columns, values.width, values.height, 0.1, rng);
        let depth = (0.05 + 0.3 * rng.random::<f64>()) * height;
        let edge = |ends: fn(&crate::perturb::support::geometry::Rect) -> i64| {
            columns.evidence.iter().map(move |rect| ends(rect) as f64)
        };
        let left = edge(|rect| rect.x1).filter(|end| *end <= x).fold(0.0, f64::max);
        let right = edge(|rect| rect.x0).filter(|start| *start >= x).fold(width, f64::min);
        Box::new(move |intensity| {
            let spoil = |px: usize, py: usize, pixel: [f64; 3]| {
                let (px, py) = (px as f64 + 0.5, py as f64 + 0.5);
                let below = (py - depth) / (height - depth);
                if below <= 0.0 || !(left..right).contains(&px) {
                    return pixel;
                }
                let half = width * (0.01 + 0.6 * intensity) * (0.3 + 0.7 * below);
                let shade = fade(2.0 * ((px - x).abs() / half - 0.5)) * (4.0 * intensity).min(1.0);
                pixel.map(|value| value * (1.0 - shade))
            };
            values.map(spoil).picture()
        })
    }
}
