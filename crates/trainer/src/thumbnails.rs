//! Thumbnails of case images: 16 x 16 pixels, which show brightness, colour and coarse shape.

use std::num::NonZero;
use std::thread::available_parallelism;

use image::RgbImage;
use image::imageops::{FilterType, resize};
use stepwise_benchmark::runner::{Images, RunError, load};
use stepwise_data::case::Case;
use stepwise_data::parallel;

/// Side of a thumbnail, in pixels.
const SIDE: u32 = 16;

/// Number of cases for each thread between two reports of progress.
const CASES_AT_ONCE: usize = 8;

/// Returns the thumbnail of `picture`, resized with a triangle filter: 16 x 16 pixels of three bytes, row by row.
#[must_use]
pub fn thumbnail(picture: &RgbImage) -> Vec<u8> {
    resize(picture, SIDE, SIDE, FilterType::Triangle).into_raw()
}

/// Thumbnails of the images of cases, 768 bytes for each image.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    /// Thumbnails of the images of each case, one after the other.
    cases: Vec<Vec<u8>>,
}

impl Thumbnails {
    /// Decodes all images of `cases` once, on all CPU threads, and makes their thumbnails. `advance` is called with the number
    /// of cases that are done.
    ///
    /// # Errors
    /// When an image cannot be read or has another size than its case states; the error names the first one.
    pub fn of(cases: &[Case], images: &(impl Images + Sync), advance: &mut dyn FnMut(usize)) -> Result<Self, RunError> {
        let of_case = |case: &Case| -> Result<Vec<u8>, RunError> {
            let mut thumbnails = Vec::new();
            for index in 0..case.images.len() {
                thumbnails.extend(thumbnail(&*load(images, case, index)?));
            }
            Ok(thumbnails)
        };
        let threads = available_parallelism().map_or(1, NonZero::get);
        let mut made = Vec::with_capacity(cases.len());
        for part in cases.chunks(threads * CASES_AT_ONCE) {
            for thumbnails in parallel::map(part, of_case) {
                made.push(thumbnails?);
            }
            advance(made.len());
        }
        Ok(Self { cases: made })
    }

    /// Returns the squared Euclidean distance between the thumbnails of two cases, by their indices, over the bytes of all
    /// images in their order. Whole numbers make ties exact.
    ///
    /// # Panics
    /// When there is no such case, or the cases have different numbers of images.
    #[must_use]
    pub fn distance(&self, one: usize, other: usize) -> u64 {
        let (one, other) = (&self.cases[one], &self.cases[other]);
        assert_eq!(one.len(), other.len(), "equal numbers of images");
        one.iter().zip(other).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::sync::Arc;

    use image::Rgb;
    use stepwise_testing::cases::synthetic;

    use super::*;

    /// Uniform images whose red value is the number of the case.
    struct Uniform;

    impl Images for Uniform {
        fn load(&self, case: &Case, index: usize) -> Result<Arc<RgbImage>, Box<dyn Error + Send + Sync>> {
            let number: u8 = case.case_id.rsplit('-').next().ok_or("no number")?.parse()?;
            if number == 5 {
                return Err("damaged".into());
            }
            let image = &case.images[index];
            Ok(Arc::new(RgbImage::from_pixel(image.width, image.height, Rgb([number, 0, 7]))))
        }
    }

    fn numbered(count: u64) -> Vec<Case> {
        let mut cases = synthetic(count);
        cases.iter_mut().enumerate().for_each(|(number, case)| case.case_id = format!("case-{number}"));
        cases
    }

    #[test]
    fn the_distance_is_the_squared_euclidean_distance_of_all_pixels() {
        let mut cases = numbered(3);
        let second = cases[1].images[0].clone();
        for case in &mut cases {
            case.images.push(second.clone());
        }
        let mut done = Vec::new();
        let thumbnails = Thumbnails::of(&cases, &Uniform, &mut |count| done.push(count)).expect("images");
        assert_eq!(done.last(), Some(&3));
        // Two images of 16 x 16 pixels, whose red values differ by the difference of the numbers.
        assert_eq!(thumbnails.distance(0, 1), 2 * 256);
        assert_eq!(thumbnails.distance(2, 0), 2 * 256 * 4);
        assert_eq!(thumbnails.distance(1, 1), 0);
    }

    #[test]
    fn an_image_that_cannot_be_read_is_named() {
        let error = Thumbnails::of(&numbered(8), &Uniform, &mut |_| ()).expect_err("damaged").to_string();
        assert!(error.contains("case-5") && error.contains("damaged"), "{error}");
    }
}
