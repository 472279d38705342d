//! Models of a table: their results, and names that tell them apart.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use stepwise_data::io::bounded;

use crate::commands::answered::ANSWERED;
use crate::commands::compare::side::SideSource;
use crate::exit::Failure;

/// One model of a table.
pub struct Entry {
    /// Name in the table.
    pub name: String,
    /// Results of the model.
    pub side: SideSource,
}

/// Finds the results at `paths`. A model is named by its results, by the last part of its path or, where another model
/// has the same name then, by its path.
///
/// # Errors
///
/// [`Failure::Input`] for every path without outcomes; when fewer than two paths are given; when two name the same
/// outcomes.
pub fn of_paths(paths: &[PathBuf]) -> Result<Vec<Entry>, Failure> {
    let sides = found(paths.iter().map(|path| SideSource::at(path)))?;
    let short: Vec<String> = sides.iter().zip(paths).map(|(side, path)| short_name(side, path)).collect();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    short.iter().for_each(|name| *counts.entry(name).or_default() += 1);
    let name = |(short, side): (&String, &SideSource)| match counts[short.as_str()] {
        1 => short.clone(),
        _ => side.name.clone(),
    };
    let names: Vec<String> = short.iter().zip(&sides).map(name).collect();
    checked(names.into_iter().zip(sides).map(|(name, side)| Entry { name, side }).collect())
}

/// Finds the results of models with their names.
///
/// # Errors
///
/// [`Failure::Input`] as for [`of_paths`].
pub fn named(models: Vec<(String, PathBuf)>) -> Result<Vec<Entry>, Failure> {
    let sides = found(models.iter().map(|(_, path)| SideSource::at(path)))?;
    checked(models.into_iter().zip(sides).map(|((name, _), side)| Entry { name, side }).collect())
}

/// Returns all results, or the errors of all together.
fn found(sides: impl Iterator<Item = Result<SideSource, Failure>>) -> Result<Vec<SideSource>, Failure> {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    for side in sides {
        match side {
            Ok(side) => found.push(side),
            Err(Failure::Input(problem)) => problems.push(problem),
            Err(failure) => return Err(failure),
        }
    }
    if problems.is_empty() { Ok(found) } else { Err(Failure::Input(problems.join("\n"))) }
}

fn checked(entries: Vec<Entry>) -> Result<Vec<Entry>, Failure> {
    let mut seen: HashMap<PathBuf, &str> = HashMap::new();
    for Entry { side, .. } in &entries {
        let outcomes = side.outcomes.canonicalize().unwrap_or_else(|_| side.outcomes.clone());
        if let Some(other) = seen.insert(outcomes, &side.name) {
            let (name, outcomes) = (&side.name, side.outcomes.display());
            let advice = "name each model once";
            return Err(Failure::input(format!("{other} and {name} are one model, with {outcomes} -> {advice}")));
        }
    }
    if entries.len() < 2 {
        return Err(Failure::input("a table needs two models -> name the results of two or more, or a table file"));
    }
    Ok(entries)
}

/// Name that the results of a served model or a pack give, else the last part of the path; for a file `outcomes.jsonl`
/// the folder.
fn short_name(side: &SideSource, path: &Path) -> String {
    let of_results = side.outcomes.parent().and_then(|folder| answered_by(&folder.join(ANSWERED)));
    let is_default = side.is_file && path.file_name().is_some_and(|name| name == "outcomes.jsonl");
    let shown = if is_default { path.parent().unwrap_or(path) } else { path };
    let last = if side.is_file && !is_default { shown.file_stem() } else { shown.file_name() };
    of_results.unwrap_or_else(|| last.map_or_else(|| side.name.clone(), |last| last.to_string_lossy().into_owned()))
}

/// Reads the name of the model from the record of its results; None where there is none.
fn answered_by(record: &Path) -> Option<String> {
    let bytes = bounded::bytes(record).ok()?;
    let json: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    Some(json["model"].as_str()?.to_owned())
}
