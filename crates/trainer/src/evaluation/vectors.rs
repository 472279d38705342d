//! Vectors of the images of cases: features of the image encoder and thumbnails.

use std::error::Error;
use std::sync::Arc;

use stepwise_benchmark::ceiling::CaseVectors;
use stepwise_data::case::Case;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use crate::cases::CaseImages;
use crate::interrupt::Interrupt;
use crate::progress::Progress;
use crate::thumbnails::thumbnail;

/// Why the vectors of cases cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// An image cannot be read or prepared.
    #[error("case {case_id}, image {image}: {problem}")]
    Image {
        /// Id of the case.
        case_id: String,
        /// Id of the image.
        image: String,
        /// What is wrong.
        problem: Box<dyn Error + Send + Sync>,
    },
    /// The user interrupted the work.
    #[error("interrupted")]
    Interrupted,
}

/// Encodes the images of `cases` with `pipeline` under `pass` and makes their thumbnails. The vectors of a case with
/// several images follow each other; where cases have different numbers of images, the missing ones are zeros.
///
/// # Errors
/// When an image cannot be read or prepared, or the user interrupts the work.
pub fn case_vectors(
    cases: &[Case],
    images: &CaseImages,
    pipeline: &VlmPipeline,
    pass: &Pass,
    interrupt: &Interrupt,
    progress: &mut dyn Progress,
) -> Result<Vec<CaseVectors>, VectorError> {
    const TASK: &str = "image features";
    progress.begin(TASK, 0, cases.len() as u64);
    let mut vectors = Vec::with_capacity(cases.len());
    for (case, done) in cases.iter().zip(1..) {
        let (mut features, mut thumbnails) = (Vec::new(), Vec::new());
        for (index, image) in case.images.iter().enumerate() {
            if interrupt.requested() {
                return Err(VectorError::Interrupted);
            }
            let failed =
                |problem| VectorError::Image { case_id: case.case_id.clone(), image: image.id.clone(), problem };
            let picture = images.load(case, index).map_err(failed)?;
            let prepared = pipeline.processor.prepare(&picture).map_err(|error| failed(error.into()))?;
            features.extend(pipeline.image_features(&Arc::new(prepared), pass));
            // Values from 0 to 1.
            thumbnails.extend(thumbnail(&picture).into_iter().map(|value| f32::from(value) / 255.0));
        }
        vectors.push(CaseVectors { features, thumbnail: thumbnails });
        progress.advance(TASK, done, cases.len() as u64);
    }
    let longest = |of: fn(&CaseVectors) -> &Vec<f32>| vectors.iter().map(|each| of(each).len()).max().unwrap_or(0);
    let (features, thumbnail) = (longest(|each| &each.features), longest(|each| &each.thumbnail));
    for each in &mut vectors {
        each.features.resize(features, 0.0);
        each.thumbnail.resize(thumbnail, 0.0);
    }
    Ok(vectors)
}
