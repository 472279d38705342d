//! Reading of the outcomes of several sides: the suite that was evaluated, its cases, and outcomes with few missing answers.

use std::path::Path;

use stepwise_benchmark::compare::foreign;
use stepwise_benchmark::outcome::Outcome;
use stepwise_benchmark::plan::Plan;
use stepwise_benchmark::suite::Suite;
use stepwise_data::case::{Case, Split};
use stepwise_data::check;
use stepwise_trainer::cases::Cases;
use stepwise_trainer::evaluation::suite::recipe_suite;

use super::side::SideSource;
use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};

/// Says how many questions have no answer, and refuses sides where these are too many, unless `is_allowed`.
///
/// # Errors
///
/// [`Failure::Input`] with every side that has too many.
pub fn check_missing(is_allowed: bool, sides: &[&SideSource]) -> CommandResult {
    let mut refused = Vec::new();
    for side in sides {
        let Some(evaluated) = &side.evaluated_suite else { continue };
        let Some(what) = evaluated.missing(&side.name) else { continue };
        if evaluated.misses_too_many() && !is_allowed {
            let advice = "evaluate it again, which asks these questions only, or go on with `--allow-missing`";
            refused.push(format!("{what} -> {advice}"));
            continue;
        }
        tell!("warning: {what}");
    }
    refused.dedup();
    if refused.is_empty() { Ok(()) } else { Err(Failure::input(refused.join("\n"))) }
}

/// Finds the suite that produced the outcomes: the one that the command line names, else the suite of a run, or a
/// built-in one. If a summary next to the outcomes names a suite, the digests must agree, because another suite has other
/// controls, endpoints and test families.
///
/// # Errors
///
/// [`Failure::Input`] when the suite cannot be read or found, or another version of Stepwise scored the answers.
pub fn suite(named: Option<&Path>, sides: &[&SideSource]) -> Result<Suite, Failure> {
    let mut candidates = Vec::new();
    match named {
        Some(path) => candidates.push(Suite::named(path).map_err(Failure::input)?),
        None => {
            for recipe in sides.iter().filter_map(|side| side.recipe.as_ref()) {
                candidates.extend(recipe_suite(recipe).map_err(Failure::input)?);
            }
            // A suite file that was moved is not an error here: the advice below is to name it.
            let runs = sides.iter().filter_map(|side| side.recipe_of_benchmark());
            candidates.extend(runs.filter_map(|recipe| recipe_suite(&recipe).ok().flatten()));
            candidates.extend([Suite::fast(), Suite::full()]);
        }
    }
    let Some((side, evaluated)) = sides.iter().find_map(|side| Some((side, side.evaluated_suite.as_ref()?))) else {
        return Ok(candidates.swap_remove(0));
    };
    candidates.iter().find_map(|suite| evaluated.recognised(suite)).ok_or_else(|| {
        let (side, name) = (&side.name, &evaluated.suite.name);
        if let Some(what) = evaluated.other_version() {
            return Failure::input(format!("{side}: {what}"));
        }
        Failure::input(match named {
            Some(path) => format!(
                "--suite {}: {side} was evaluated with another suite, `{name}` -> name the unchanged file of that suite",
                path.display()
            ),
            None => format!("{side}: was evaluated with the suite `{name}`, which is not found -> name it with `--suite FILE`"),
        })
    })
}

/// Loads the cases for scoring responses from another tool: from the file `named`, or else from the recipe of a run. None
/// without such a file if no side is a file or no side has a recipe.
///
/// # Errors
///
/// [`Failure::Input`] when the cases cannot be read, or the split has none.
pub fn cases(
    named: Option<&Path>,
    split: Option<SplitChoice>,
    sides: &[&SideSource],
) -> Result<Option<Vec<Case>>, Failure> {
    let Some(path) = named else {
        if sides.iter().all(|side| !side.is_file) {
            return Ok(None);
        }
        let recipe = sides.iter().find_map(|side| side.recipe.as_ref());
        return recipe.map(|recipe| Ok(Cases::for_evaluation(&recipe.data).map_err(Failure::input)?.eval)).transpose();
    };
    let split = split.map(Split::from);
    let cases = check::load(path).map_err(Failure::input)?.cases;
    let selected: Vec<Case> = cases.into_iter().filter(|case| split.is_none_or(|split| case.split == split)).collect();
    if selected.is_empty() {
        return Err(Failure::input(format!("{}: no cases in this split -> name another split", path.display())));
    }
    Ok(Some(selected))
}

/// Reads the outcomes of a side. Responses of another tool are judged against the cases of `plan`, a plan of `suite`
/// without caps; with None they need verdicts.
///
/// # Errors
///
/// [`Failure::Input`] when the file cannot be read, has invalid lines, or holds no outcomes.
pub fn outcomes(side: &SideSource, suite: &Suite, plan: Option<&Plan<'_>>) -> Result<Vec<Outcome>, Failure> {
    match foreign::read(&side.outcomes, suite, plan) {
        Ok(outcomes) if outcomes.is_empty() => {
            let advice = "evaluate again, or name a file with outcomes";
            Err(Failure::input(format!("{}: holds no outcomes -> {advice}", side.outcomes.display())))
        }
        outcomes => outcomes.map_err(Failure::input),
    }
}
