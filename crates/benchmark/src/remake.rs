//! Makes an attack once more, to show it: outcomes hold no pixels.

use image::RgbImage;

use crate::attack::attack;
use crate::gallery::Gallery;
use crate::perturb::Victim;
use crate::plan::{Entry, Plan};
use crate::probe::{PixelGrid, Respondent, RespondentError, Shown};
use crate::run::{Images, RunError, Surrogate, probe, prompted};

/// What an attack changes, as the respondent sees the picture: before it and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Remade {
    /// The whole picture on the respondent's input grid.
    pub before: RgbImage,
    /// The same, attacked.
    pub after: RgbImage,
}

/// Makes the attack of `entry` again, alone: the gradients, and by rounding the pixels, may differ a little from those made
/// beside other questions. None where the entry is not attacked, or cannot be.
///
/// # Errors
/// When a picture cannot be read or the respondent fails.
pub fn remade(
    plan: &Plan<'_>,
    images: &dyn Images,
    entry: Entry,
    respondent: &mut dyn Respondent,
    mut surrogate: Option<Surrogate<'_>>,
) -> Result<Option<Remade>, RunError> {
    let Ok(perturbed) = plan.condition(entry).perturbation.perturb(&plan.scene(entry)) else { return Ok(None) };
    let Some(made) = &perturbed.attack else { return Ok(None) };
    let (_, item) = plan.item(entry);
    let prompt = prompted(plan, entry, &perturbed);
    let shown = Gallery::new(plan.pool.cases(), images).pictures(entry.case, &perturbed)?;
    let mut probes = [probe(plan, entry, &prompt, shown)];
    let before = match (made.victim(), &mut surrogate) {
        (Victim::Respondent, _) => respondent.pixels(&probes[0])?,
        (Victim::Surrogate, Some(surrogate)) => surrogate.respondent.pixels(&probes[0])?,
        (Victim::Surrogate, None) => None,
    };
    let asked = std::iter::once((&perturbed, item, &prompt));
    attack(asked, &mut probes, plan.suite.draws(), respondent, &mut surrogate)?;
    let [probe] = probes;
    match (before, probe.images.first()) {
        (Some(before), Some(Shown::Pixels(after))) => {
            Ok(Some(Remade { before: overview(&before)?, after: overview(after)? }))
        }
        _ => Ok(None),
    }
}

/// The last tile, which shows the whole picture.
fn overview(grid: &PixelGrid) -> Result<RgbImage, RespondentError> {
    let [_, 3, height, width] = grid.shape[..] else {
        return Err(RespondentError::new(format!("pixels of shape {:?}", grid.shape)));
    };
    let area = height * width;
    let tile = grid.values.len().checked_sub(3 * area).and_then(|start| grid.values.get(start..));
    let tile = tile.ok_or_else(|| RespondentError::new(format!("too few pixels for {:?}", grid.shape)))?;
    let level = |value: f32| (value * 255.0).round().clamp(0.0, 255.0) as u8;
    Ok(RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = y as usize * width + x as usize;
        image::Rgb([0, 1, 2].map(|colour| level(tile[colour * area + at])))
    }))
}
