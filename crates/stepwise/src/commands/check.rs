//! `stepwise check DATA`: checks a case file, lists all problems and summarises the contents. `stepwise check RECIPE`:
//! makes the checks of `stepwise train` before its first step.

use std::path::PathBuf;

use serde_json::json;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::Split;
use stepwise_data::check::{CheckOptions, CheckSummary, Files, OneAnswerQuestion, check_file, summary};
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::taxonomy::Taxonomy;
use stepwise_recipe::Recipe;
use stepwise_trainer::cases::{Cases, word};
use stepwise_trainer::evaluation::suite::{check_rules, recipe_suite};
use stepwise_trainer::learner::Learner;
use stepwise_trainer::preflight::{Preflight, images};

use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::progress::ConsoleProgress;
use crate::table::Table;
use crate::{device, preflight_tables};

/// Arguments of `check`.
#[derive(clap::Args)]
pub struct Args {
    /// Case file, folder that contains `cases.jsonl`, or recipe (a TOML file).
    #[arg(value_name = "DATA|RECIPE")]
    path: PathBuf,
    /// File of stages and categories to check against; by default the 31 built-in categories.
    #[arg(long, value_name = "FILE")]
    taxonomy: Option<PathBuf>,
    /// Check of images and masks: none, their size, or their full contents.
    #[arg(long, value_parser = ["skip", "headers", "contents"], default_value = "contents")]
    files: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Overrides a value of the recipe, such as `lora.r=32`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
}

/// Checks cases or a recipe.
///
/// # Errors
///
/// [`Failure::Input`] when the input has problems, cannot be read, or does not fit the options.
pub fn run(args: &Args) -> CommandResult {
    if args.path.extension().is_some_and(|extension| extension == "toml") {
        return recipe(args);
    }
    if !args.overrides.is_empty() {
        return Err(Failure::input(
            "--set applies to recipes only, and this is a case file -> leave it out, or name a TOML file",
        ));
    }
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
    let _heartbeat = Heartbeat::start(format!("checking {}", args.path.display()));
    let (dataset, problems) = check_file(&args.path, &CheckOptions { taxonomy, files });
    let found = dataset.as_ref().map(summary);
    if args.json {
        let listed: Vec<_> = problems.iter().map(as_json).collect();
        say!("{}", json!({ "summary": found, "problems": listed }));
    } else {
        if let Some(found) = &found {
            print_summary(found);
        }
        if !problems.is_empty() {
            say!("{}", Problems(problems.clone()));
        }
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::input(format!("{}: 1 problem", args.path.display()))),
        count => Err(Failure::input(format!("{}: {count} problems", args.path.display()))),
    }
}

/// Loads the recipe, its cases and its model, and prints the preflight tables. Runs no training step and
/// writes no file.
fn recipe(args: &Args) -> CommandResult {
    if args.taxonomy.is_some() {
        let problem = "--taxonomy applies to case files only, and this is a recipe -> leave it out";
        return Err(Failure::input(problem));
    }
    let recipe = Recipe::load(&args.path, &args.overrides).map_err(Failure::input)?;
    let mut progress = ConsoleProgress::new("loading cases and model");
    let cases = Cases::open(&recipe.data).map_err(Failure::input)?;
    let run_plan = RunPlan::new(&recipe, &cases.train).map_err(Failure::input)?;
    let suite = recipe_suite(&recipe).map_err(Failure::input)?;
    check_rules(&recipe, suite.as_ref()).map_err(Failure::input)?;
    let chosen = device::choose(Some("cpu"))?;
    images::check(&cases, &mut progress).map_err(Failure::input)?;
    let mut learner = Learner::new(&recipe, &chosen.device, &mut progress).map_err(Failure::input)?;
    let preflight = Preflight::new(&recipe, &cases, &run_plan, &mut learner, &mut progress).map_err(Failure::input)?;
    let warning = preflight_tables::warning(&preflight.memory);
    if args.json {
        let tables: Vec<_> = preflight_tables::all(&preflight).iter().map(Table::json).collect();
        say!("{}", json!({ "recipe": args.path, "tables": tables, "memory_warning": warning }));
        return Ok(());
    }
    say!("{}", preflight_tables::text(&preflight));
    if let Some(warning) = warning {
        tell!("warning: {warning}");
    }
    Ok(())
}

fn as_json(problem: &Problem) -> serde_json::Value {
    json!({
        "file": problem.file, "row": problem.row, "column": problem.column, "field": problem.field,
        "problem": problem.what, "advice": problem.advice,
    })
}

fn print_summary(found: &CheckSummary) {
    say!(
        "{} cases in {} groups, {} images, {} regions, {} questions",
        found.cases,
        found.groups,
        found.images,
        found.regions,
        found.items
    );
    for (split, cases) in &found.cases_by_split {
        let items = found.items_by_split.get(split).copied().unwrap_or(0);
        say!("  {:<12}{cases:>6} cases {items:>7} questions", word(*split));
    }
    for (stage, items) in &found.items_by_stage {
        say!("  stage {stage}     {items:>6} questions");
    }
    say!("  {} cases have no question for some stage", found.incomplete_chains);
    say!(
        "  blind baselines: guessing {:.3}, always the most common answer to a question {:.3}",
        found.chance,
        found.majority
    );
    for (split, items) in &found.items_by_split {
        one_answer(found, *split, *items);
    }
}

/// Largest number of questions that are named for each side of the split.
const NAMED: usize = 8;

/// Prints the questions that have one right answer in all cases of a side of the split, those with most items first.
/// `items` is the number of questions on this side.
fn one_answer(found: &CheckSummary, split: Split, items: usize) {
    let of_split = found.one_answer_questions.iter().filter(|question| question.split == split);
    let mut questions: Vec<&OneAnswerQuestion> = of_split.collect();
    if questions.is_empty() {
        return;
    }
    questions.sort_by_key(|question| std::cmp::Reverse(question.items));
    let all: usize = questions.iter().map(|question| question.items).sum();
    say!(
        "  {}: {all} of {items} questions ({:.1} %) need no image, because they have one right answer in all cases:",
        word(split),
        100.0 * all as f64 / items as f64
    );
    for question in questions.iter().take(NAMED) {
        say!(
            "    {:>6} {:>5.1} %  {:?}: always {:?}",
            question.items,
            100.0 * question.share,
            question.question,
            question.gold
        );
    }
    if questions.len() > NAMED {
        say!("    and {} more questions; --json lists all", questions.len() - NAMED);
    }
}
