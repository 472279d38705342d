//! Evaluated cases that show an image which a model was trained on earlier, before the run or before it was exported.

use std::path::Path;

use stepwise_data::check::PlacedCase;
use stepwise_data::problem::Problems;

use super::images::TrainedImages;
use crate::cases::Cases;

/// Returns sentences about the evaluation cases of `tested` that show an image, equal by SHA-256, which the base model at
/// `base` was trained on, or else the adapter at `adapter` from which the training starts. None for synthetic cases.
///
/// # Errors
/// When a list of such images cannot be read; see [`TrainedImages::of_model`].
pub fn known_before_training(base: &Path, adapter: Option<&Path>, tested: &Cases) -> Result<Option<String>, Problems> {
    let of_base = of_model((base, None), tested)?;
    let both = "base and fine-tuned model answer questions about a known image";
    let mut sentences: Vec<String> = known(of_base.as_ref(), tested, ["the base model", both]).into_iter().collect();
    if let Some(adapter) = adapter {
        let of_adapter = of_model((adapter, Some(base)), tested)?.map(|images| images.without(of_base.as_ref()));
        let words = ["the adapter, from which the training starts,", TOO_GOOD];
        sentences.extend(known(of_adapter.as_ref(), tested, words));
    }
    Ok((!sentences.is_empty()).then(|| sentences.join(". ")))
}

/// Returns a sentence like those of [`known_before_training`] about a model or an adapter at `model` that is evaluated without a
/// run. `base` overrides the base.
///
/// # Errors
/// When a list of such images cannot be read; see [`TrainedImages::of_model`].
pub fn known_to_model(model: &Path, base: Option<&Path>, tested: &Cases) -> Result<Option<String>, Problems> {
    Ok(known(of_model((model, base), tested)?.as_ref(), tested, ["the model", TOO_GOOD]))
}

const TOO_GOOD: &str = "the results are too good";

/// Images of a model; None for synthetic cases, which have no files to compare with.
fn of_model((path, base): (&Path, Option<&Path>), tested: &Cases) -> Result<Option<TrainedImages>, Problems> {
    match tested.pictures.placed(&tested.eval).is_empty() {
        true => Ok(None),
        false => TrainedImages::of_model(path, base),
    }
}

/// Sentence about the evaluation cases with one of the `images`.
fn known(images: Option<&TrainedImages>, tested: &Cases, [name, effect]: [&str; 2]) -> Option<String> {
    let images = images?;
    let placed = tested.pictures.placed(&tested.eval);
    let is_known = |placed: &&PlacedCase<'_>| placed.case.images.iter().any(|image| images.contains(&image.sha256));
    let known: Vec<&PlacedCase<'_>> = placed.iter().filter(is_known).collect();
    let first = known.first()?;
    Some(format!(
        "{} of {} evaluated cases show an image that {name} was trained on, such as {}:{}, so {effect}",
        known.len(),
        placed.len(),
        first.file.display(),
        first.row
    ))
}
