//! Cases, suite and answer cache that the command line and the recipe of a run select.

use stepwise_benchmark::score::Scoring;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::Split;
use stepwise_recipe::{CaseSource, Data, Recipe, Synth};
use stepwise_trainer::cases::{Cases, CasesError};
use stepwise_trainer::evaluation::cache::{self, AnswerCache};
use stepwise_trainer::evaluation::suite::recipe_suite;

use super::evaluator::NoCache;
use super::{Args, ScoringChoice};
use crate::commands::details;
use crate::exit::Failure;

/// Opens the answer cache that the options select. An unusable folder of `--cache` is an error; a default folder that is
/// unusable or not known only gives a warning on stderr.
///
/// # Errors
///
/// [`Failure::Input`] for an unusable folder of `--cache`.
pub fn cache(args: &Args) -> Result<Result<AnswerCache, NoCache>, Failure> {
    if args.no_cache {
        return Ok(Err(NoCache::Refused));
    }
    if let Some(folder) = &args.cache {
        return AnswerCache::open(folder, cache::LIMIT).map(Ok).map_err(|error| {
            Failure::input(format!("{}: {error} -> name a folder that can be created and written", folder.display()))
        });
    }
    let problem = match AnswerCache::default_folder() {
        None => "the environment names no home folder for the answer cache".to_owned(),
        Some(folder) => match AnswerCache::open(&folder, cache::LIMIT) {
            Ok(cache) => return Ok(Ok(cache)),
            Err(error) => format!("{}: {error}", folder.display()),
        },
    };
    tell!("warning: {problem}: answers are not stored -> name a folder with `--cache DIR`");
    Ok(Err(NoCache::Unusable))
}

/// Loads the cases to evaluate, and returns their source and split too. Where `--data` has cases of one split only,
/// validation or test, and `--split` is not given, this split is evaluated.
///
/// # Errors
///
/// [`Failure::Input`] when the cases cannot be read, or the split has none.
pub fn cases(args: &Args, recipe: Option<&Recipe>) -> Result<(Data, Cases), Failure> {
    let mut data = data(args, recipe);
    let found = match Cases::for_evaluation(&data) {
        Err(CasesError::NoSplit { splits, place, .. }) if args.data.is_some() && args.split.is_none() => {
            if let [split @ (Split::Validation | Split::Test)] = splits.keys().collect::<Vec<_>>()[..] {
                tell!("{place}: all cases are {} cases: this split is evaluated", split.word());
                data.eval_split = *split;
            }
            Cases::for_evaluation(&data)
        }
        found => found,
    };
    let cases = found.map_err(Failure::input)?;
    details::cases(&data);
    cases.warnings.iter().for_each(|line| tell!("warning: {line}"));
    Ok((data, cases))
}

/// Returns source and split of the cases to evaluate: from the command line, the recipe of the run, or 400 synthetic
/// cases. `recipe` is None where the path belongs to no run.
fn data(args: &Args, recipe: Option<&Recipe>) -> Data {
    let mut data = match recipe {
        Some(recipe) => recipe.data.clone(),
        None => Data {
            source: CaseSource::Synth(Synth { cases: 400, seed: 0, image_size: 128 }),
            eval_split: Split::Validation,
            max_samples: None,
            abstain_option: None,
        },
    };
    if let Some(folder) = &args.data {
        data.source = CaseSource::Dataset(vec![folder.clone()]);
    }
    if let Some(split) = args.split {
        data.eval_split = split.into();
    }
    data
}

/// Loads the suite to evaluate, from the command line or the recipe (`fast` without both), with the answer form of the
/// recipe and the scoring and case limit of the command line.
///
/// # Errors
///
/// [`Failure::Input`] when the suite cannot be loaded.
pub fn suite(args: &Args, recipe: Option<&Recipe>) -> Result<Suite, Failure> {
    let own = recipe.map(recipe_suite).transpose().map_err(Failure::input)?.flatten();
    let mut suite = match (&args.suite, own) {
        (Some(path), _) => Suite::named(path).map_err(Failure::input)?,
        (None, own) => own.unwrap_or_else(Suite::fast),
    };
    if let Some(recipe) = recipe {
        suite.answer_form = recipe.train.answer_form;
    }
    if let Some(chosen) = args.scoring {
        suite.scoring = match chosen {
            ScoringChoice::Loglikelihood => Scoring::Loglikelihood,
            ScoringChoice::Letter => Scoring::Letter,
            ScoringChoice::Generate => Scoring::Generate,
        };
        suite.letter_permutations = suite.letter_permutations.filter(|_| suite.scoring == Scoring::Letter);
    }
    suite.max_cases = args.max_cases.or(suite.max_cases);
    detail!("suite: {}, version {}", suite.name, suite.version);
    Ok(suite)
}
