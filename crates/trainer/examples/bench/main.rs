//! Our side of `tests/bench`: takes the arguments of `reference.py` there and writes the same JSON. See the README there.
//!
//!     cargo run --release -p stepwise-trainer --example bench -- records DATA --out FOLDER
//!     cargo run --release -p stepwise-trainer --example bench -- train --mode plain --work WORK --conversations FILE

#![allow(clippy::print_stdout, clippy::print_stderr)] // A program for people, not a library.

mod evaluate;
mod measure;
mod records;
mod train;
mod vision;

use std::error::Error;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Timings of the same work as the reference.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the records both sides read: train.jsonl, eval-text.jsonl, eval-image.jsonl.
    Records(records::Args),
    /// Optimiser steps.
    Train(train::Args),
    /// Option log-likelihoods.
    Eval(evaluate::Args),
    /// The image encoder's forward pass.
    Vision(vision::Args),
}

/// What every measurement is given.
#[derive(clap::Args)]
struct Common {
    /// Folder that `make_work.py` made.
    #[arg(long)]
    work: PathBuf,
    /// Records, one JSON a line.
    #[arg(long)]
    conversations: PathBuf,
    /// Where the result goes; standard output when left out.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Threads to compute on.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Steps, questions or passes done first and not counted.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// How frozen weights are held and multiplied: float32 or bfloat16.
    #[arg(long, value_parser = ["float32", "bfloat16"], default_value = "float32")]
    dtype: String,
}

/// Anything that ends a measurement.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    stepwise_vlm::keep_freed_memory();
    match Cli::parse().command {
        Command::Records(args) => records::write(&args),
        Command::Train(args) => measure::run(&args.common, |common| train::run(common, &args)),
        Command::Eval(args) => measure::run(&args.common, evaluate::run),
        Command::Vision(args) => measure::run(&args.common, |common| vision::run(common, &args)),
    }
}
