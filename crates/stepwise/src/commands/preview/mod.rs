//! `stepwise preview RECIPE`: prints the training examples of a case as text, with the supervised tokens marked, or,
//! with `--suite` and the options beside it, the questions of an evaluation.

mod evaluation;
mod question;
pub mod tokens;
mod training;

use std::path::PathBuf;

use stepwise_recipe::Recipe;
use stepwise_trainer::cases::Cases;

use crate::commands::details;
use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;

/// Arguments of `preview`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe, a TOML file.
    recipe: PathBuf,
    /// Overrides a value of the recipe, such as `lora.r=32`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    overrides: Vec<String>,
    /// Index of the case, from 0: the training case, 0 by default, or the evaluation case, all cases by default.
    #[arg(long)]
    case: Option<usize>,
    /// Prints the training examples as one JSON object: token ids, and labels with -100 where a token is not supervised.
    #[arg(long, conflicts_with_all = ["suite", "conditions", "count", "images"])]
    json: bool,
    #[command(flatten)]
    evaluation: evaluation::Choice,
}

/// Prints the training examples of the chosen case or, with an option of [`evaluation::Choice`], questions of a suite.
///
/// # Errors
///
/// [`Failure::Input`] when the recipe, the cases, the suite or the model cannot be loaded, the case or the condition
/// does not exist, or an example cannot be made; [`Failure::Run`] when an image cannot be written.
pub fn run(args: &Args) -> CommandResult {
    let recipe = Recipe::load(&args.recipe, &args.overrides).map_err(Failure::input)?;
    details::recipe(&args.recipe, &recipe);
    let _heartbeat = Heartbeat::start("loading cases and processor");
    if args.evaluation.is_wanted() {
        evaluation::print(&recipe, &args.evaluation, args.case)
    } else {
        let mut cases = Cases::open(&recipe.data).map_err(Failure::input)?;
        training::print(&recipe, &mut cases, args.case.unwrap_or(0), args.json)
    }
}
