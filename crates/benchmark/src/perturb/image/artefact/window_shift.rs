//! `window_shift`: shown in a narrower window beside the right one, in computed tomography and radiography.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::curved;
use crate::perturb::{PerturbationKind, Purpose};

/// The registry entry.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<WindowShift>>(
    "window_shift",
    Purpose::Attack,
    "CT and X-ray: shown in a narrower window beside the right one, five levels",
);

/// The window moves by up to 0.45 of its width in a drawn direction and narrows down to three tenths.
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
