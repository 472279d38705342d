//! `stepwise data`: imports data sets, generates synthetic cases, shows cases, and divides them anew.

mod page;
mod prompts;
mod selection;
mod show;
pub mod split;

use std::path::PathBuf;

use stepwise_data::synth::{self, Rate, SynthOptions};
use stepwise_trainer::progress::Progress;

use crate::commands::data_import::{self, ImportArgs};
use crate::exit::{CommandResult, Failure};
use crate::progress::ConsoleProgress;

/// Subcommands of `data`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Convert a data set into cases: a public layout, or a table of your own.
    Import(Box<ImportArgs>),
    /// Generate synthetic cases, and print the accuracy that is possible without the images.
    Synth(SynthArgs),
    /// Print a case, or write a page with images, regions, questions and right answers of many cases.
    Show(show::Args),
    /// Divide the cases into train, validation and test anew, so that answers common in training are rare in the test side.
    Split(split::Args),
}

/// Arguments of `data synth`.
#[derive(clap::Args)]
pub struct SynthArgs {
    /// The folder to write.
    out: PathBuf,
    /// Number of cases.
    #[arg(long, default_value_t = 1000)]
    cases: usize,
    /// Seed; equal seeds give byte-identical files.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Side length of the square images, in pixels.
    #[arg(long, default_value_t = 128)]
    image_size: u32,
}

/// Runs a subcommand of `data`, which prints its results and writes a data set or, for `show --html`, a page.
///
/// # Errors
///
/// [`Failure::Input`] when the data set cannot be read or written, or no case is as asked for; [`Failure::Run`] when the
/// page cannot be written.
pub fn run(command: &Command) -> CommandResult {
    match command {
        Command::Import(args) => data_import::run(args),
        Command::Synth(args) => draw(args),
        Command::Show(args) => show::run(args),
        Command::Split(args) => split::run(args),
    }
}

fn draw(args: &SynthArgs) -> CommandResult {
    let options =
        SynthOptions { cases: args.cases, seed: args.seed, image_size: args.image_size, ..SynthOptions::default() };
    let mut progress = ConsoleProgress::new("generating cases");
    let total = args.cases as u64;
    let report = synth::write(&args.out, &options, &mut |done| progress.advance("generating", done as u64, total));
    let report = report.map_err(Failure::input)?;
    say!("{} cases, {} questions in {}", report.cases, report.items, args.out.display());
    if report.moved > 0 {
        say!("{} cases moved to the side of a case with a near-duplicate image", report.moved);
    }
    say!("\nAccuracy without the images, by guessing or by always giving the most common answer to a question:");
    say!("{:<10}{:>10}{:>10}{:>10}", "", "questions", "guessing", "majority");
    let line = |name: &str, rate: &Rate| {
        say!("{name:<10}{:>10}{:>10.3}{:>10.3}", rate.items, rate.chance, rate.majority);
    };
    line("all", &report.baselines.overall);
    for (stage, rate) in report.baselines.stages.iter().enumerate() {
        line(&format!("stage {}", stage + 1), rate);
    }
    Ok(())
}
