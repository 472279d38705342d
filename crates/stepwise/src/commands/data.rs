//! `stepwise data`: importing, drawing and looking at cases.

use std::path::PathBuf;

use stepwise_data::check;
use stepwise_data::prompt::{PromptOptions, prompt};
use stepwise_data::synth::{self, Rate, SynthOptions};
use stepwise_datasets::{IMPORTERS, ImportOptions, importer};
use stepwise_trainer::progress::Progress;

use crate::exit::{CommandResult, Failure};
use crate::progress::Shown;

/// What to do with cases.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Turn a public data set into four-stage cases.
    Import(ImportArgs),
    /// Draw synthetic cases, and say how well a blind reader would do.
    Synth(SynthArgs),
    /// Print the questions of a case.
    Show(ShowArgs),
}

/// Arguments of `data import`.
#[derive(clap::Args)]
pub struct ImportArgs {
    /// Which data set: cxr (chest X-rays with masks), brain-mri (tumour slices with YOLO boxes), bccd (blood smears).
    #[arg(value_parser = IMPORTERS.iter().map(|importer| importer.name).collect::<Vec<_>>())]
    name: String,
    /// Its folder, as published.
    src: PathBuf,
    /// The folder to write.
    out: PathBuf,
    /// Decides splits, the order of options, and which of many questions are asked.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Arguments of `data synth`.
#[derive(clap::Args)]
pub struct SynthArgs {
    /// The folder to write.
    out: PathBuf,
    /// How many.
    #[arg(long, default_value_t = 1000)]
    cases: usize,
    /// Equal seeds give equal bytes.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Side of the square images, in pixels.
    #[arg(long, default_value_t = 128)]
    image_size: u32,
}

/// Arguments of `data show`.
#[derive(clap::Args)]
pub struct ShowArgs {
    /// A case file, or a folder that holds `cases.jsonl`.
    data: PathBuf,
    /// Id of the case; the first one when left out.
    #[arg(long)]
    case: Option<String>,
}

/// Runs the command.
pub fn run(command: &Command) -> CommandResult {
    match command {
        Command::Import(args) => import(args),
        Command::Synth(args) => draw(args),
        Command::Show(args) => show(args),
    }
}

fn import(args: &ImportArgs) -> CommandResult {
    let unknown = || Failure::input(format!("{}: no importer has this name", args.name));
    let importer = importer(&args.name).ok_or_else(unknown)?;
    let report = (importer.run)(&args.src, &args.out, &ImportOptions { seed: args.seed }).map_err(Failure::input)?;
    report.skipped.iter().for_each(|reason| tell!("note: {reason}"));
    say!("{} cases, {} questions, {} regions in {}", report.cases, report.items, report.regions, args.out.display());
    Ok(())
}

fn draw(args: &SynthArgs) -> CommandResult {
    let options =
        SynthOptions { cases: args.cases, seed: args.seed, image_size: args.image_size, ..SynthOptions::default() };
    let mut shown = Shown::new();
    let total = args.cases as u64;
    let report = synth::write(&args.out, &options, &mut |done| shown.advance("drawing", done as u64, total));
    let report = report.map_err(Failure::input)?;
    say!("{} cases, {} questions in {}", report.cases, report.items, args.out.display());
    say!("\nA reader who does not look is right this often, guessing or always giving the commonest answer:");
    say!("{:<10}{:>10}{:>10}{:>10}", "", "questions", "guessing", "commonest");
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
