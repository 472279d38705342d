//! `beam_hardening`: cupping artefact of computed tomography.

use image::RgbImage;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `beam_hardening`. It makes the middle of CT images
/// darker than their rim. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<BeamHardening>>(
    "beam_hardening",
    Purpose::Attack,
    "CT: the middle of the image darker than its rim, five levels",
);

/// Corruption `beam_hardening` of CT images. Values at the centre fall to a tenth at full intensity. The loss falls
/// with the square of the distance from the centre, to zero at the ellipse that touches the image's edges.
#[derive(Clone, Copy, Debug)]
pub struct BeamHardening;

impl Corruption for BeamHardening {
    const NAME: &'static str = "beam_hardening";
    const MODALITIES: &'static [&'static str] = &["ct"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, _: &Site, _: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let (half_width, half_height) = (values.width as f64 / 2.0, values.height as f64 / 2.0);
        Box::new(move |intensity| {
            let cup = |x: usize, y: usize| {
                let (dx, dy) = ((x as f64 + 0.5) / half_width - 1.0, (y as f64 + 0.5) / half_height - 1.0);
                1.0 - 0.9 * intensity * (1.0 - (dx * dx + dy * dy).min(1.0))
            };
            values.map(|x, y, pixel| pixel.map(|value| value * cup(x, y))).picture()
        })
    }
}
