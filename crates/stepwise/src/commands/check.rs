//! `stepwise check DATA`: every rule of a case file, all problems at once; and what it holds.

use std::path::PathBuf;

use serde_json::json;
use stepwise_curriculum::check::{CheckOptions, Files, Summary, check_file, summary};
use stepwise_curriculum::problem::Problem;
use stepwise_curriculum::taxonomy::Taxonomy;

use crate::exit::{Failure, Outcome};

/// Arguments of `check`.
#[derive(clap::Args)]
pub struct Args {
    /// A case file, or a folder that holds `cases.jsonl`.
    data: PathBuf,
    /// Stages and categories to check against; the 31 built-in ones when left out.
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// How far images and masks are looked into: not at all, their size, or every byte.
    #[arg(long, value_parser = ["skip", "headers", "contents"], default_value = "contents")]
    files: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let taxonomy = match &args.taxonomy {
        Some(path) => Taxonomy::load(path).map_err(Failure::input)?,
        None => Taxonomy::default(),
    };
    let taxonomy = Some(taxonomy);
    let files = match args.files.as_str() {
        "skip" => Files::Skip,
        "headers" => Files::Headers,
        _ => Files::Contents,
    };
    let (dataset, problems) = check_file(&args.data, &CheckOptions { taxonomy, files });
    let found = dataset.as_ref().map(summary);
    if args.json {
        let listed: Vec<_> = problems.iter().map(as_json).collect();
        say!("{}", json!({ "summary": found, "problems": listed }));
    } else {
        if let Some(found) = &found {
            print_summary(found);
        }
        problems.iter().for_each(|problem| say!("{problem}"));
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::input(format!("{}: 1 problem", args.data.display()))),
        count => Err(Failure::input(format!("{}: {count} problems", args.data.display()))),
    }
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file, "row": problem.row, "column": problem.column, "field": problem.field,
        "problem": problem.what, "advice": problem.advice,
    })
}

fn print_summary(found: &Summary) {
    say!(
        "{} cases in {} groups, {} images, {} regions, {} questions",
        found.cases, found.groups, found.images, found.regions, found.items
    );
    for (split, cases) in &found.cases_by_split {
        let items = found.items_by_split.get(split).copied().unwrap_or(0);
        say!("  {:<12}{cases:>6} cases {items:>7} questions", format!("{split:?}").to_lowercase());
    }
    for (stage, items) in &found.items_by_stage {
        say!("  stage {stage}     {items:>6} questions");
    }
    say!("  {} cases lack a stage", found.incomplete_chains);
    say!(
        "  blind baselines: guessing {:.3}, always the commonest answer to a question {:.3}",
        found.chance, found.majority
    );
}
