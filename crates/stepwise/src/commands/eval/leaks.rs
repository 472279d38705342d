//! Warning about evaluated cases that the run was trained on.

use stepwise_data::case::Split;
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::preflight::leaks::{SeenCases, seen};

use super::Args;

/// Warns when evaluated cases show images of the run's training data, or belong to its patients. The training split is
/// evaluated without a warning where the command line asks for it.
pub fn warn(args: &Args, recipe: &Recipe, cases: &Cases) {
    let found = match &args.data {
        None if args.split.map(Split::from) == Some(Split::Train) => None,
        None => seen(cases, cases),
        Some(_) => match Cases::open(&recipe.data) {
            Ok(trained) => seen(&trained, cases),
            Err(error) => {
                return tell!("warning: evaluated images are not compared with those of the training: {error}");
            }
        },
    };
    if let Some(SeenCases { count, first, trained }) = found {
        tell!(
            "warning: {count} of {} evaluated cases share a patient or an image, equal or nearly equal, with the training \
             data, such as {first} with {trained} -> evaluate cases that the run was not trained on",
            cases.eval.len()
        );
    }
}
