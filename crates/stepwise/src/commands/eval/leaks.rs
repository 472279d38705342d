//! Comparison of the evaluated cases with what the run, its base and the model were trained on.

use std::path::Path;

use stepwise_data::case::Split;
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::checkpoint::source::ModelSource;
use stepwise_trainer::trained::known::{known_before_training, known_to_model};
use stepwise_trainer::trained::{SeenCases, Trained};

use super::Args;
use crate::exit::Failure;

/// Looks for evaluated cases that show images of a training: the training of the run, an earlier one of its base, or the
/// training of a model without a run. `recipe` is the recipe of the run. Returns sentences for the report where there are
/// such cases.
///
/// # Errors
///
/// [`Failure::Input`] where the run was trained on such cases, and `--allow-leaks` is not given, or where a list of trained
/// images cannot be read.
pub fn check(
    args: &Args,
    source: &ModelSource,
    recipe: Option<&Recipe>,
    cases: &Cases,
) -> Result<Option<String>, Failure> {
    let of_run = match (recipe, &source.recipe) {
        (Some(recipe), Some(path)) => seen_in_run(args, (recipe, path), cases)?,
        _ => None,
    };
    let earlier = match (&source.recipe, source.untouched()) {
        // Nothing else is known about a model or an adapter without a run.
        (None, base) => known_to_model(source.adapter.as_deref().unwrap_or(&source.model), base, cases),
        (Some(_), Some(base)) => {
            let adapter = source.starting_adapter().map_err(Failure::input)?;
            known_before_training(base, adapter.as_deref(), cases)
        }
        (Some(_), None) => Ok(None),
    };
    let earlier = earlier.map_err(Failure::input)?;
    earlier.iter().for_each(|sentence| tell!("warning: {sentence}"));
    Ok([of_run, earlier].into_iter().flatten().reduce(|first, next| format!("{first}. {next}")))
}

/// Looks for evaluated cases that show images of the run's training data, or belong to its patients. `recipe` is the
/// recipe in the folder of the run, and its path. Returns a sentence for the report where there are any and
/// `--allow-leaks` is given. The training split is evaluated without a comparison where the command line asks for it.
///
/// # Errors
///
/// [`Failure::Input`] where there are such cases, and `--allow-leaks` is not given.
fn seen_in_run(args: &Args, (recipe, path): (&Recipe, &Path), cases: &Cases) -> Result<Option<String>, Failure> {
    if args.data.is_none() && args.split.map(Split::from) == Some(Split::Train) {
        return Ok(None);
    }
    let Some(trained) = trained(args, recipe, path, cases) else { return Ok(None) };
    let Some(found) = trained.seen(cases) else { return Ok(None) };
    let SeenCases { count, total, first, trained } = &found;
    if !args.allow_leaks {
        return Err(Failure::input(format!(
            "{count} of {total} evaluated cases share a patient or an image, equal or nearly equal, with the training data, such \
             as {first} with {trained} -> evaluate cases that the run was not trained on, or go on with `--allow-leaks`, \
             which the report then says"
        )));
    }
    tell!("warning: {}, such as {first} with {trained}", found.sentence());
    Ok(Some(found.sentence()))
}

/// What the run was trained on: from the record in its folder, or from its training data where the record lacks
/// fingerprints of images. None, with a warning, where neither can be read.
fn trained(args: &Args, recipe: &Recipe, path: &Path, cases: &Cases) -> Option<Trained> {
    let recorded = match Trained::read(path.parent().unwrap_or(Path::new("."))) {
        Ok(Some(trained)) if trained.is_complete() => return Some(trained),
        Ok(recorded) => recorded,
        Err(error) => {
            tell!("warning: the record of the training images cannot be read: {error}");
            None
        }
    };
    let read = match args.data.is_none() {
        true => return Some(Trained::of_files(cases)),
        false => Cases::open_with_leaks(&recipe.data),
    };
    match read {
        Ok(trained) => Some(Trained::of_files(&trained)),
        Err(error) => {
            tell!("warning: evaluated images are not compared with those of the training: {error}");
            recorded
        }
    }
}
