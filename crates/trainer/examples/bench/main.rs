//! Speed benchmark of Stepwise for `tests/bench`: same arguments and JSON output as `reference.py`. See
//! the README there.
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

use burn::tensor::Device;
use clap::{Parser, Subcommand};

/// Measures the time of the same work as the Python reference.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the input records of both programs: train.jsonl, eval-text.jsonl, eval-image.jsonl.
    Records(records::Args),
    /// Measures optimiser steps.
    Train(train::Args),
    /// Measures the scoring of answer options.
    Eval(evaluate::Args),
    /// Measures the forward pass of the image encoder.
    Vision(vision::Args),
}

/// Arguments of all measurements.
#[derive(clap::Args)]
struct Common {
    /// Work folder created by `make_work.py`.
    #[arg(long)]
    work: PathBuf,
    /// File of records, one JSON object per line.
    #[arg(long)]
    conversations: PathBuf,
    /// File for the result; default: standard output.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Number of compute threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Number of steps, questions or passes before the measurement starts.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Type of the frozen weights: float32, bfloat16 or nf4.
    #[arg(long, value_parser = ["float32", "bfloat16", "nf4"], default_value = "float32")]
    dtype: String,
    /// Device: cpu, cuda or wgpu. The backend of a GPU must be built in (`--features cuda`).
    #[arg(long, value_parser = ["cpu", "cuda", "wgpu"], default_value = "cpu")]
    device: String,
}

/// Error of a measurement.
type Failure = Box<dyn Error + Send + Sync>;

impl Common {
    /// The chosen device.
    fn device(&self) -> Result<Device, Failure> {
        match self.device.as_str() {
            "cpu" => Ok(Device::flex()),
            #[cfg(feature = "cuda")]
            "cuda" => Ok(Device::cuda(0)),
            #[cfg(feature = "wgpu")]
            "wgpu" => Ok(Device::wgpu(burn::tensor::DeviceKind::DefaultDevice)),
            name => Err(format!("--device {name}: build with `--features {name}`").into()),
        }
    }
}

fn main() -> Result<(), Failure> {
    stepwise_vlm::keep_freed_memory();
    match Cli::parse().command {
        Command::Records(args) => records::write(&args),
        Command::Train(args) => measure::run(&args.common, |common| train::run(common, &args)),
        Command::Eval(args) => measure::run(&args.common, evaluate::run),
        Command::Vision(args) => measure::run(&args.common, |common| vision::run(common, &args)),
    }
}
