//! `stepwise check DATA`: checks a case file, lists all problems and summarises the contents. `stepwise check RECIPE`:
//! makes the checks of `stepwise train` before its first step.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::json;
use stepwise_curriculum::run_plan::RunPlan;
use stepwise_data::case::Split;
use stepwise_data::check::{CheckOptions, CheckSummary, Files, Findings, OneAnswerQuestion, check_file, summary};
use stepwise_data::io::encoding::without_mark;
use stepwise_data::problem::{Problem, Problems};
use stepwise_data::taxonomy::Taxonomy;
use stepwise_recipe::{Recipe, RecipeError};
use stepwise_trainer::cases::{Cases, LeakRule};
use stepwise_trainer::evaluation::suite::{check_rules, recipe_suite};
use stepwise_trainer::learner::Learner;
use stepwise_trainer::preflight::Preflight;
use stepwise_trainer::preflight::images::{self, LookedAt};
use stepwise_trainer::progress::Progress as _;
use stepwise_trainer::trained::known::known_before_training;

use crate::commands::details;
use crate::commands::split::leak_rule;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::progress::ConsoleProgress;
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
    /// Only warn where a patient or an image is on two sides of the split.
    #[arg(long)]
    allow_leaks: bool,
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
    if is_recipe(&args.path) {
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
    detail!("cases: {}", args.path.display());
    detail!("taxonomy: {}", args.taxonomy.as_ref().map_or("built in".to_owned(), |path| path.display().to_string()));
    detail!("check of images and masks: {}", args.files);
    let _heartbeat = Heartbeat::start(format!("checking {}", args.path.display()));
    let (dataset, Findings { problems, mut warnings }) = check_file(&args.path, &CheckOptions { taxonomy, files });
    let (leaks, problems): (Vec<Problem>, Vec<Problem>) =
        problems.into_iter().partition(|problem| args.allow_leaks && problem.is_leak);
    if !leaks.is_empty() {
        warnings.extend(Problems(leaks).to_string().lines().map(str::to_owned));
    }
    let found = dataset.as_ref().map(summary);
    if args.json {
        let listed: Vec<_> = problems.iter().map(as_json).collect();
        say!("{}", json!({ "summary": found, "warnings": warnings, "problems": listed }));
    } else {
        if let Some(found) = &found {
            print_summary(found);
        }
        if !problems.is_empty() {
            say!("{}", Problems(problems.clone()));
        }
        warnings.iter().for_each(|line| tell!("warning: {line}"));
    }
    match problems.len() {
        0 => Ok(()),
        1 => Err(Failure::input(format!("{}: 1 problem", args.path.display()))),
        count => Err(Failure::input(format!("{}: {count} problems", args.path.display()))),
    }
}

/// Whether a path names a recipe: its name ends in `.toml`, or it is a file whose first line, apart from comments, is a
/// table or a key of TOML. Lines of a case file begin with `{`.
fn is_recipe(path: &Path) -> bool {
    if path.extension().is_some_and(|extension| extension == "toml") {
        return true;
    }
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(START).read_to_end(&mut start));
    if !path.is_file() || read.is_err() {
        return false;
    }
    let text = String::from_utf8_lossy(without_mark(&start)).into_owned();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let Some(line) = lines.next() else { return false };
    let name = |text: &str| {
        let bare = |letter: char| letter.is_ascii_alphanumeric() || "_-.\"' ".contains(letter);
        !text.trim().is_empty() && text.chars().all(bare)
    };
    let table = line.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    table.is_some_and(|(text, _)| name(text.trim_start_matches('[')))
        || line.split_once('=').is_some_and(|(key, _)| name(key))
}

/// Bytes of a file that are read to tell a recipe from cases.
const START: u64 = 1 << 16;

/// Checks a recipe and prints the preflight tables, or JSON that also lists the warnings and problems. Runs no training
/// step and writes no file.
fn recipe(args: &Args) -> CommandResult {
    if args.taxonomy.is_some() {
        let problem = "--taxonomy applies to case files only, and this is a recipe -> leave it out";
        return Err(Failure::input(problem));
    }
    let mut progress = ConsoleProgress::new("loading cases and model");
    let found = match Recipe::load(&args.path, &args.overrides) {
        Ok(recipe) => {
            details::recipe(&args.path, &recipe);
            preflight(&recipe, leak_rule(args.allow_leaks), &mut progress)
                .map_err(|failure| (told(args, &failure), failure))
        }
        Err(error) => Err((unread(args, &error), Failure::input(error))),
    };
    let memory_warning = found.as_ref().ok().and_then(preflight_tables::warning);
    if args.json {
        let tables: Vec<_> = found.iter().flat_map(preflight_tables::all).map(|table| table.json()).collect();
        let problems = found.as_ref().err().map(|(problems, _)| problems.as_slice()).unwrap_or_default();
        say!(
            "{}",
            json!({
                "recipe": args.path, "tables": tables, "memory_warning": memory_warning,
                "warnings": progress.warnings(), "problems": problems,
            })
        );
    }
    let preflight = found.map_err(|(_, failure)| failure)?;
    if !args.json {
        say!("{}", preflight_tables::text(&preflight));
        if let Some(warning) = memory_warning {
            tell!("warning: {warning}");
        }
    }
    Ok(())
}

/// Loads the cases and the model of a recipe, and measures the run.
fn preflight(recipe: &Recipe, rule: LeakRule, progress: &mut ConsoleProgress) -> Result<Preflight, Failure> {
    let mut cases = Cases::open_with_leaks(&recipe.data).map_err(Failure::input)?;
    cases.warnings.iter().for_each(|line| progress.warning(line));
    let run_plan = RunPlan::new(recipe, &cases.train).map_err(Failure::input)?;
    let suite = recipe_suite(recipe).map_err(Failure::input)?;
    check_rules(recipe, suite.as_ref()).map_err(Failure::input)?;
    let chosen = device::choose(Some("cpu"))?;
    let LookedAt { leaks, .. } = images::check(&cases, rule, progress).map_err(Failure::input)?;
    if !leaks.problems.is_empty() {
        Problems(leaks.problems).to_string().lines().for_each(|line| progress.warning(line));
    }
    let adapter = recipe.adapter_name_or_path.as_deref();
    let known = known_before_training(&recipe.model_name_or_path, adapter, &cases).map_err(Failure::input)?;
    known.iter().for_each(|sentence| progress.warning(sentence));
    let mut learner = Learner::new(recipe, &chosen.device, progress).map_err(Failure::input)?;
    cases.set_box_grids(&learner.pipeline.processor).iter().for_each(|line| progress.warning(line));
    Preflight::new(recipe, &cases, &run_plan, &mut learner, None, progress).map_err(Failure::input)
}

/// Problems of a recipe file as JSON, each with its place.
fn unread(args: &Args, error: &RecipeError) -> Vec<serde_json::Value> {
    let RecipeError::Invalid { problems, .. } = error else { return told(args, &Failure::input(error)) };
    let as_json = |problem: &stepwise_config::problem::Problem| {
        let place = problem.excerpt.as_ref();
        json!({
            "file": place.map_or_else(|| args.path.display().to_string(), |place| place.source.clone()),
            "row": place.map(|place| place.line), "column": place.map(|place| place.column), "field": "",
            "problem": problem.message, "advice": problem.help,
        })
    };
    problems.iter().map(as_json).collect()
}

/// Lines of a failure as problems in JSON, without a place in the recipe.
fn told(args: &Args, failure: &Failure) -> Vec<serde_json::Value> {
    let (Failure::Input(text) | Failure::Run(text) | Failure::Held(text)) = failure else { return Vec::new() };
    let as_json = |line: &str| {
        let (problem, advice) = line.split_once(" -> ").map_or((line, None), |(what, advice)| (what, Some(advice)));
        json!({
            "file": args.path, "row": null, "column": null, "field": "", "problem": problem, "advice": advice,
        })
    };
    text.lines().filter(|line| !line.trim().is_empty()).map(as_json).collect()
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
        say!("  {:<12}{cases:>6} cases {items:>7} questions", split.word());
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
        split.word(),
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
