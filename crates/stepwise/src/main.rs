#![doc = include_str!("../README.md")]

#[macro_use]
mod output;

mod commands;
mod device;
mod exit;
mod folder;
mod gains;
mod heartbeat;
mod lost_claim;
mod path_arguments;
mod preflight_tables;
mod progress;
mod quickstart;
mod source;
mod standings_table;
mod surrogate;
mod table;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use stepwise_trainer::device::{caught, remedy};

use crate::exit::{CommandResult, Failure};

/// Stepwise fine-tuning of vision-language models, with an adversarial benchmark after every epoch.
#[derive(Parser)]
#[command(version, propagate_version = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Write results, warnings and errors only: no progress and no remarks.
    #[arg(short, long, global = true)]
    quiet: bool,
    /// Write what is read and chosen as well.
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    verbose: bool,
}

#[derive(Subcommand)]
enum Command {
    /// Write a commented recipe to start from.
    Init(commands::init::Args),
    /// Translate a recipe or training command of Axolotl, LLaMA-Factory, ms-swift or TRL.
    Convert(commands::convert::Args),
    /// Fine-tune with a recipe, and benchmark the model against its base after every epoch.
    Train(commands::train::Args),
    /// Benchmark a run, a checkpoint, a PEFT folder or a model against its base, or a served model.
    Eval(commands::eval::Args),
    /// Write the questions of a suite as a pack of requests, which any model can answer elsewhere.
    Questions(commands::questions::Args),
    /// Make outcomes from the replies to a pack of questions.
    Score(commands::score::Args),
    /// Compare two runs, checkpoints or outcome files on the questions that both answered.
    Compare(commands::compare::Args),
    /// Make the table of several models: values, intervals, and ranks where differences are sure.
    Table(commands::table::Args),
    /// Run the arms of a study, here or on a cluster, and compare them.
    #[command(subcommand)]
    Study(commands::study::Command),
    /// Ask a model one question.
    Ask(commands::ask::Args),
    /// Check a case file or a recipe, list all problems at once, and summarise the contents.
    Check(commands::check::Args),
    /// Show the training examples of a case token by token, with the supervised tokens marked.
    Preview(commands::preview::Args),
    /// Import a data set, generate synthetic cases, or show cases; docs/data.md describes the case format.
    #[command(subcommand)]
    Data(commands::data::Command),
    /// Write an adapter as a PEFT folder, or merge it into its model.
    Export(commands::export::Args),
    /// Show devices and processor, and run a self-test on the devices and on a model folder.
    Doctor(commands::doctor::Args),
    /// Print the JSON Schema of recipes or cases, or a reference page of recipes, cases, suites or studies.
    Schema(commands::schema::Args),
    /// Create a small model with random weights and a new tokenizer.
    NewModel(commands::new_model::Args),
    /// Print the completion script of a shell.
    Completions(commands::completions::Args),
    /// Print the manual page, or write the manual pages of all commands.
    Man(commands::man::Args),
}

fn main() {
    device::prepare();
    stepwise_vlm::keep_freed_memory();
    let matches = path_arguments::resolving(Cli::command()).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    output::choose(cli.quiet, cli.verbose);
    // The failures of a device that no command handles itself.
    let result = caught(|| run(cli.command)).unwrap_or_else(|failure| {
        let advice = remedy(&failure);
        Err(Failure::run(format!("{failure} -> {advice}")))
    });
    exit::end(result)
}

fn run(command: Command) -> CommandResult {
    match command {
        Command::Init(args) => commands::init::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Questions(args) => commands::questions::run(&args),
        Command::Score(args) => commands::score::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Table(args) => commands::table::run(&args),
        Command::Study(command) => commands::study::run(&command),
        Command::Ask(args) => commands::ask::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Preview(args) => commands::preview::run(&args),
        Command::Data(command) => commands::data::run(&command),
        Command::Export(args) => commands::export::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::NewModel(args) => commands::new_model::run(&args),
        Command::Completions(args) => commands::completions::run(&args, Cli::command()),
        Command::Man(args) => commands::man::run(&args, Cli::command()),
    }
}
