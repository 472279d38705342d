//! `window_shift`: a narrower and shifted intensity window in computed tomography and radiography.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `window_shift`. It narrows and shifts the intensity
/// window of CT and X-ray images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<WindowShift>>(
    "window_shift",
    Purpose::Attack,
    "CT and X-ray: a narrower and shifted intensity window, five levels",
);

/// Corruption `window_shift`. The centre of the window moves by up to 0.45 of the full scale in a random direction, and
/// its width shrinks to 0.3 of the full scale.
#[derive(Clone, Copy, Debug)]
pub struct WindowShift;

impl Corruption for WindowShift {
    const NAME: &'static str = "window_shift";
    const MODALITIES: &'static [&'static str] = &["ct", "xray", "radiograph", "radiography", "cr", "dx", "mammography"];

    fn of<'a>(picture: &'a RgbImage, _: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let direction = if rng.random::<bool>() { 0.45 } else { -0.45 };
        Box::new(move |intensity| {
            let (centre, width) = (0.5 + direction * intensity, 1.0 - 0.7 * intensity);
            curved(picture, |value| 255.0 * ((value / 255.0 - centre) / width + 0.5))
        })
    }
}
