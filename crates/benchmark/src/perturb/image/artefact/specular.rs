//! `specular`: highlights of the lamp on wet surfaces, in endoscopy and fundus photography.

use image::RgbImage;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{fade, free, place};
use crate::perturb::image::corruption::{Calibrated, Corruption, Site, Spoil};
use crate::perturb::support::raster::Raster;
use crate::perturb::{PerturbationKind, Purpose};

/// Entry in the registry of conditions, by which a suite file names `specular`. It puts white highlights on endoscopy
/// and fundus images. Levels 1 to 5 are targets of structural similarity (SSIM) with the original image,
/// [`TARGETS`](crate::perturb::image::corruption::TARGETS). Cases of other modalities are skipped.
pub const KIND: PerturbationKind = PerturbationKind::of::<Calibrated<Specular>>(
    "specular",
    Purpose::Attack,
    "endoscopy and fundus: white highlights, five levels",
);

/// Corruption `specular`. Sixteen white ellipses have random position, size and tilt. Their half axes grow with
/// intensity, to at most a quarter of the shorter side. Evidence stays uncovered.
#[derive(Clone, Copy, Debug)]
pub struct Specular;

impl Corruption for Specular {
    const NAME: &'static str = "specular";
    const MODALITIES: &'static [&'static str] =
        &["endoscopy", "colonoscopy", "gastroscopy", "laparoscopy", "fundus", "ophthalmoscopy"];
    const BYTES_PER_PIXEL: u64 = 84;

    fn of<'a>(picture: &'a RgbImage, site: &Site, rng: &mut ChaCha8Rng) -> Spoil<'a> {
        let values = Raster::of(picture);
        let side = values.width.min(values.height) as f64;
        let spots: Vec<([f64; 2], [f64; 2], f64, f64)> = (0..16)
            .map(|_| {
                let at = place(site, values.width, values.height, 0.05, rng);
                let angle = std::f64::consts::PI * rng.random::<f64>();
                let size = side * (0.05 + 0.2 * rng.random::<f64>());
                (at, [libm::cos(angle), libm::sin(angle)], size, 0.3 + 0.7 * rng.random::<f64>())
            })
            .collect();
        let site = site.clone();
        Box::new(move |intensity| {
            let spoil = |x: usize, y: usize, pixel: [f64; 3]| {
                let at = [x as f64 + 0.5, y as f64 + 0.5];
                if intensity == 0.0 || !free(&site, at) {
                    return pixel;
                }
                let bright = |([cx, cy], [ux, uy], size, flat): &([f64; 2], [f64; 2], f64, f64)| {
                    let [dx, dy] = [at[0] - cx, at[1] - cy];
                    let (along, beside) = (dx * ux + dy * uy, (dx * uy - dy * ux) / flat);
                    let far = (along * along + beside * beside).sqrt() / (size * intensity);
                    // White in the inner half, fading over the outer half.
                    fade(2.0 * far - 1.0)
                };
                let white = spots.iter().map(bright).fold(0.0, f64::max);
                pixel.map(|value| value + (255.0 - value) * white)
            };
            values.map(spoil).picture()
        })
    }
}
