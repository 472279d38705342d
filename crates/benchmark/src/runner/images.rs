//! Images that a run shows, before attacks: loaded, checked against their case, and changed by the condition.

use std::collections::HashMap;
use std::error::Error;
use std::sync::Arc;

use image::{Rgb, RgbImage};
use stepwise_data::case::Case;

use crate::perturb::{Perturbed, ShownImages};
use crate::plan::{Plan, PlanEntry};
use crate::runner::error::RunError;

/// Source of the decoded images of cases, such as files. Every `Fn(&Case, usize) -> Result<Arc<RgbImage>, _>`
/// implements this trait.
pub trait Images {
    /// Loads image `index` (from 0) of `case`. It must have the size that the case states; [`load`] checks this.
    ///
    /// # Errors
    /// When the image cannot be read or decoded.
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>>;
}

impl<F: Fn(&Case, usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>>> Images for F {
    fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
        self(case, index)
    }
}

/// Images that a run shows, made from the descriptions of perturbations. Loaded and edited images, and mean colours,
/// are kept in memory: the images accumulate until [`Gallery::clear`], the mean colours stay.
pub struct Gallery<'a> {
    cases: &'a [Case],
    images: &'a dyn Images,
    made: HashMap<(usize, usize, String), Arc<RgbImage>>,
    means: HashMap<Vec<(usize, usize)>, Rgb<u8>>,
}

impl<'a> Gallery<'a> {
    /// Creates an empty gallery that loads with `images`. `cases` must be the cases of the pool that perturbations draw
    /// from, because indices of cases refer to them.
    #[must_use]
    pub fn new(cases: &'a [Case], images: &'a dyn Images) -> Self {
        Self { cases, images, made: HashMap::new(), means: HashMap::new() }
    }

    /// Drops all images that are kept in memory. Mean colours stay, because they are small and slow to compute.
    pub fn clear(&mut self) {
        self.made.clear();
    }

    /// Drops all images that are kept in memory when they take more than `most` bytes together, and returns whether it
    /// did. Mean colours stay.
    pub fn make_room(&mut self, most: u64) -> bool {
        let is_full = self.made.values().map(|picture| picture.as_raw().len() as u64).sum::<u64>() > most;
        if is_full {
            self.clear();
        }
        is_full
    }

    /// Returns the images shown for the case with index `case` under a perturbation, before its attack, in the order of
    /// the shown case; empty where no images are shown. The images are kept in memory until [`Gallery::clear`].
    ///
    /// # Errors
    /// [`RunError::Image`] when a shown image, or an image of a mean colour, cannot be read or has another size than
    /// its case states. Images loaded until then stay in memory.
    ///
    /// # Panics
    /// When there is no case with this index.
    pub fn pictures(&mut self, case: usize, perturbed: &Perturbed) -> Result<Vec<Arc<RgbImage>>, RunError> {
        if perturbed.frame.without_images {
            return Ok(Vec::new());
        }
        let case = perturbed.shown_case(case);
        (0..self.cases[case].images.len()).map(|index| self.picture(case, index, &perturbed.pictures)).collect()
    }

    fn picture(&mut self, case: usize, index: usize, pictures: &ShownImages) -> Result<Arc<RgbImage>, RunError> {
        let key = (case, index, pictures.key());
        if let Some(picture) = self.made.get(&key) {
            return Ok(Arc::clone(picture));
        }
        let picture = match pictures {
            ShownImages::Own | ShownImages::Of(_) => load(self.images, &self.cases[case], index)?,
            ShownImages::Edited(edit) => {
                let mut picture = RgbImage::clone(&*self.picture(case, index, &ShownImages::Own)?);
                edit.apply(index, &mut picture);
                Arc::new(picture)
            }
            ShownImages::MeanOf(sources) => {
                let image = &self.cases[case].images[index];
                Arc::new(RgbImage::from_pixel(image.width, image.height, self.mean(sources)?))
            }
        };
        self.made.insert(key, Arc::clone(&picture));
        Ok(picture)
    }

    /// Returns the mean colour over all pixels of all `sources`, rounded.
    fn mean(&mut self, sources: &[(usize, usize)]) -> Result<Rgb<u8>, RunError> {
        if let Some(mean) = self.means.get(sources) {
            return Ok(*mean);
        }
        let (mut sums, mut count) = ([0u64; 3], 0u64);
        for &(case, index) in sources {
            let picture = load(self.images, &self.cases[case], index)?;
            for pixel in picture.pixels() {
                sums.iter_mut().zip(pixel.0).for_each(|(sum, value)| *sum += u64::from(value));
            }
            count += picture.pixels().len() as u64;
        }
        let mean = Rgb(sums.map(|sum| ((sum + count / 2) / count.max(1)) as u8));
        self.means.insert(sources.to_vec(), mean);
        Ok(mean)
    }
}

/// Loads image `index` (from 0) of `case` with `images` and checks its size, because regions are given in pixels of the
/// size that the case states.
///
/// # Errors
/// [`RunError::Image`] when the image cannot be read or has another size than its case states.
///
/// # Panics
/// When `images` loads an image that the case does not list.
pub fn load(images: &dyn Images, case: &Case, index: usize) -> Result<Arc<RgbImage>, RunError> {
    let failed = |source| RunError::Image { case_id: case.case_id.clone(), index, source };
    let picture = images.load(case, index).map_err(failed)?;
    let stated = (case.images[index].width, case.images[index].height);
    if picture.dimensions() != stated {
        return Err(failed(format!("has size {:?}, but the case states {stated:?}", picture.dimensions()).into()));
    }
    Ok(picture)
}

/// Returns the images that an entry of `plan` shows, before attacks, loaded with `images`. Empty where the condition
/// shows no images or does not apply to the item.
///
/// # Errors
/// [`RunError::Image`] when an image cannot be read or has another size than its case states.
///
/// # Panics
/// When the plan's pool has no such case or item, or its suite no such condition.
pub fn pictures(plan: &Plan<'_>, images: &dyn Images, entry: PlanEntry) -> Result<Vec<Arc<RgbImage>>, RunError> {
    let Some(perturbed) = plan.perturbed(entry) else { return Ok(Vec::new()) };
    Gallery::new(plan.pool.cases(), images).pictures(entry.case, &perturbed)
}
