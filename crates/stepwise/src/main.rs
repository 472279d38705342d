#![doc = include_str!("../README.md")]

mod preflight;
mod table_markup;

#[macro_use]
mod output;

mod commands;
mod device;
mod exit;
mod folder;
mod progress;
mod table;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Stepwise fine-tuning of vision-language models, with an adversarial benchmark after every epoch.
#[derive(Parser)]
#[command(version, about, propagate_version = true, max_term_width = 120)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write a commented recipe to start from.
    Init(commands::init::Args),
    /// Translate a recipe of LLaMA-Factory, ms-swift or TRL.
    Convert(commands::convert::Args),
    /// Fine-tune as a recipe says, and benchmark against the untouched base after every epoch.
    Train(commands::train::Args),
    /// Benchmark a run, a checkpoint, a PEFT folder or a model, against its base.
    Eval(commands::eval::Args),
    /// Compare two runs, checkpoints or files of outcomes on the questions both answered.
    Compare(commands::compare::Args),
    /// Run the arms of a study, here or on a cluster, and compare them.
    #[command(subcommand)]
    Study(commands::study::Command),
    /// Ask a model one question.
    Ask(commands::ask::Args),
    /// Check a case file: every problem at once, and what it holds.
    Check(commands::check::Args),
    /// Show what a recipe's model will be taught, token by token.
    Preview(commands::preview::Args),
    /// Import a data set, draw synthetic cases, or look at cases.
    #[command(subcommand)]
    Data(commands::data::Command),
    /// Write an adapter as a PEFT folder or merged into its model.
    Export(commands::export::Args),
    /// Say what this program runs on, and test itself there.
    Doctor(commands::doctor::Args),
    /// Print the JSON Schema of recipes, or their reference page.
    Schema(commands::schema::Args),
    /// Make a small model from nothing: its own tokenizer, random weights.
    NewModel(commands::new_model::Args),
}

fn main() -> ExitCode {
    stepwise_vlm::keep_freed_memory();
    let result = match Cli::parse().command {
        Command::Init(args) => commands::init::run(&args),
        Command::Convert(args) => commands::convert::run(&args),
        Command::Train(args) => commands::train::run(&args),
        Command::Eval(args) => commands::eval::run(&args),
        Command::Compare(args) => commands::compare::run(&args),
        Command::Study(command) => commands::study::run(&command),
        Command::Ask(args) => commands::ask::run(&args),
        Command::Check(args) => commands::check::run(&args),
        Command::Doctor(args) => commands::doctor::run(&args),
        Command::Preview(args) => commands::preview::run(&args),
        Command::Data(command) => commands::data::run(&command),
        Command::Export(args) => commands::export::run(&args),
        Command::Schema(args) => commands::schema::run(&args),
        Command::NewModel(args) => commands::new_model::run(&args),
    };
    exit::code(result)
}
