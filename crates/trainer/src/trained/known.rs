//! Evaluated cases that show an image which a model was trained on earlier, before the run or before it was exported.

use std::path::Path;

use stepwise_data::check::PlacedCase;
use stepwise_data::problem::Problems;

use super::images::TrainedImages;
use crate::cases::Cases;

/// Returns a sentence about the evaluation cases of `tested` that show an image which the base model at `base` was trained
/// on, equal by SHA-256. None where there are none, and for synthetic cases.
///
/// # Errors
/// When a list of such images cannot be read; see [`TrainedImages::of_model`].
pub fn known_to_base(base: &Path, tested: &Cases) -> Result<Option<String>, Problems> {
    known((base, None), tested, ["the base model", "base and fine-tuned model are judged on a known image"])
}

/// Returns a sentence like [`known_to_base`] about a model or an adapter at `model` that is evaluated without a run. `base`
/// overrides the base.
///
/// # Errors
/// When a list of such images cannot be read; see [`TrainedImages::of_model`].
pub fn known_to_model(model: &Path, base: Option<&Path>, tested: &Cases) -> Result<Option<String>, Problems> {
    known((model, base), tested, ["the model", "the results are too good"])
}

fn known(
    (path, base): (&Path, Option<&Path>),
    tested: &Cases,
    [name, effect]: [&str; 2],
) -> Result<Option<String>, Problems> {
    let placed = tested.pictures.placed(&tested.eval);
    if placed.is_empty() {
        return Ok(None);
    }
    let Some(images) = TrainedImages::of_model(path, base)? else { return Ok(None) };
    let is_known = |placed: &&PlacedCase<'_>| placed.case.images.iter().any(|image| images.contains(&image.sha256));
    let known: Vec<&PlacedCase<'_>> = placed.iter().filter(is_known).collect();
    let sentence = |first: &&PlacedCase<'_>| {
        format!(
            "{} of {} evaluated cases show an image that {name} was trained on, such as {}:{}, so {effect}",
            known.len(),
            placed.len(),
            first.file.display(),
            first.row
        )
    };
    Ok(known.first().map(sentence))
}
