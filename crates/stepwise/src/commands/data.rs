//! `stepwise data`: imports data sets, generates synthetic cases, and prints cases.

use std::path::PathBuf;

use stepwise_data::check;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_data::synth::{self, Rate, SynthOptions};
use stepwise_datasets::{IMPORTERS, ImportOptions, importer};
use stepwise_trainer::progress::Progress;

use crate::exit::{CommandResult, Failure};
use crate::heartbeat::Heartbeat;
use crate::progress::ConsoleProgress;

/// Subcommands of `data`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Convert a public data set into four-stage cases.
    Import(ImportArgs),
    /// Generate synthetic cases, and print the accuracy that is possible without the images.
    Synth(SynthArgs),
    /// Print the images, regions, questions and answers of a case.
    Show(ShowArgs),
}

/// Arguments of `data import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Data set: cxr (chest X-rays with masks), brain-mri (tumour slices with YOLO boxes), bccd (blood smears).
    #[arg(value_parser = IMPORTERS.iter().map(|importer| importer.name).collect::<Vec<_>>())]
    name: String,
    /// Folder of the data set, as published.
    src: PathBuf,
    /// The folder to write.
    out: PathBuf,
    /// Seed of the splits, the order of options, and the choice of questions where there are many.
    #[arg(long, default_value_t = 0)]
    seed: u64,
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

/// Arguments of `data show`.
#[derive(clap::Args)]
pub struct ShowArgs {
    /// Case file, or a folder that contains `cases.jsonl`.
    data: PathBuf,
    /// Id of the case; by default the first one.
    #[arg(long)]
    case: Option<String>,
}

/// Runs a subcommand of `data`, which prints its results and, except for `show`, writes a data set.
///
/// # Errors
///
/// [`Failure::Input`] when the data set cannot be read or written, or the case does not exist.
pub fn run(command: &Command) -> CommandResult {
    match command {
        Command::Import(args) => import(args),
        Command::Synth(args) => draw(args),
        Command::Show(args) => show(args),
    }
}

fn import(args: &ImportArgs) -> CommandResult {
    let unknown = || {
        Failure::input(format!(
            "{}: no importer has this name -> name one of the importers in `stepwise data import --help`",
            args.name
        ))
    };
    let importer = importer(&args.name).ok_or_else(unknown)?;
    let _heartbeat = Heartbeat::start(format!("importing {} from {}", args.name, args.src.display()));
    let report = (importer.run)(&args.src, &args.out, &ImportOptions { seed: args.seed }).map_err(Failure::input)?;
    report.skipped.iter().for_each(|reason| tell!("note: {reason}"));
    report.warnings.iter().for_each(|line| tell!("warning: {line}"));
    say!("{} cases, {} questions, {} regions in {}", report.cases, report.items, report.regions, args.out.display());
    Ok(())
}

fn draw(args: &SynthArgs) -> CommandResult {
    let options =
        SynthOptions { cases: args.cases, seed: args.seed, image_size: args.image_size, ..SynthOptions::default() };
    let mut progress = ConsoleProgress::new("generating cases");
    let total = args.cases as u64;
    let report = synth::write(&args.out, &options, &mut |done| progress.advance("generating", done as u64, total));
    let report = report.map_err(Failure::input)?;
    say!("{} cases, {} questions in {}", report.cases, report.items, args.out.display());
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

fn show(args: &ShowArgs) -> CommandResult {
    let dataset = check::load(&args.data).map_err(Failure::input)?;
    let wanted = |id: &String| dataset.cases.iter().find(|case| case.case_id == *id);
    let case = match &args.case {
        Some(id) => wanted(id).ok_or_else(|| {
            let first = &dataset.cases[0].case_id;
            Failure::input(format!("--case {id}: no case has this id -> give a `case_id` of the file, such as {first}"))
        })?,
        None => &dataset.cases[0],
    };
    say!("{} ({}, {:?}, from {})", case.case_id, case.modality, case.split, case.source.dataset);
    for image in &case.images {
        say!("image {}: {} x {} pixels, {}", image.id, image.width, image.height, image.path);
    }
    for region in &case.regions {
        let [x0, y0, x1, y1] = region.shape.bounds();
        say!("region {}: {} ({:?}), {x0} {y0} to {x1} {y1}", region.id, region.label, region.role);
    }
    for item in &case.chain {
        let answer = prompt(case, item, &PromptOptions::default()).answer;
        say!("{} stage {} category {}: {} -> {answer}", item.id, item.stage, item.category, item.question);
    }
    Ok(())
}
