//! `stepwise data show --html`: writes the page of a data set.

use std::path::Path;

use stepwise_data::check::{CheckOptions, Files, PlacedCase, check_file_with_fingerprints, near_images, summary};
use stepwise_data::problem::Problems;
use stepwise_data::taxonomy::Taxonomy;
use stepwise_report::cases::{CasesInput, render};

use super::prompts::prompts;
use super::selection::select;
use super::show::Args;
use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::heartbeat::Heartbeat;

/// Checks the data set with all its files and writes the page of the selected cases to `file`.
///
/// # Errors
///
/// [`Failure::Input`] when `file` exists, the data set, taxonomy or recipe cannot be read, or no case is as asked for;
/// [`Failure::Run`] when the page cannot be written.
pub fn write(args: &Args, file: &Path) -> CommandResult {
    if file.exists() {
        return Err(Failure::input(format!("{} already exists -> name a new file, or remove it", file.display())));
    }
    let taxonomy = match &args.taxonomy {
        Some(path) => Taxonomy::load(path).map_err(Failure::input)?,
        None => Taxonomy::default(),
    };
    let _heartbeat = Heartbeat::start(format!("drawing {}", args.data.display()));
    let options = CheckOptions { taxonomy: Some(taxonomy.clone()), files: Files::Contents };
    let (dataset, findings, fingerprints) = check_file_with_fingerprints(&args.data, &options);
    let Some(dataset) = dataset else { return Err(Failure::input(Problems(findings.problems))) };
    let selection = select(args, &dataset, &findings, &fingerprints)?;
    let placed: Vec<PlacedCase<'_>> = PlacedCase::all(&dataset).collect();
    let in_one_side = |one: usize, other: usize| {
        let (one, other) = (&dataset.cases[one], &dataset.cases[other]);
        one.split == other.split && one.group_id != other.group_id
    };
    let near = near_images(&placed, in_one_side, &fingerprints);
    let prompts = match &args.recipe {
        Some(recipe) => Some(prompts(recipe, &dataset, &findings.problems, &selection.shown)?),
        None => None,
    };
    let report = render(&CasesInput {
        title: &args.data.display().to_string(),
        dataset: &dataset,
        summary: &summary(&dataset),
        taxonomy: &taxonomy,
        findings: &findings,
        near: &near,
        shown: &selection.shown,
        prompts: prompts.as_ref(),
        shows_credentialed: args.show_credentialed,
        selection: &selection.words,
    });
    folder::write(file, &report.html)?;
    say!("page    {}: {}", file.display(), selection.words);
    match findings.problems.len() {
        0 => {}
        1 => tell!("warning: 1 problem -> see the page, or run `stepwise check`"),
        count => tell!("warning: {count} problems -> see the page, or run `stepwise check`"),
    }
    Ok(())
}
