//! `stepwise data show`: prints a case, or writes a page of many cases.

use std::path::PathBuf;

use stepwise_data::case::Case;
use stepwise_data::check;
use stepwise_data::prompt::{PromptOptions, prompt};

use super::page;
use crate::exit::{CommandResult, Failure};

/// Arguments of `data show`.
#[derive(clap::Args)]
pub struct Args {
    /// Case file, or a folder that contains `cases.jsonl`.
    pub data: PathBuf,
    /// Id of the only case to show; without `--html` by default the first one.
    #[arg(long)]
    pub case: Option<String>,
    /// Write one HTML page, which needs no other file: numbers of the data set, then images with regions, questions and
    /// right answers.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Show only cases with a question of this category, by its id such as 12.
    #[arg(long, value_name = "ID", requires = "html")]
    pub category: Option<String>,
    /// Show only cases on this side of the split.
    #[arg(long, value_parser = ["train", "validation", "test"], requires = "html")]
    pub split: Option<String>,
    /// Show only cases with a problem or warning of `stepwise check`.
    #[arg(long, requires = "html")]
    pub problems: bool,
    /// Show this many cases, drawn at random; by default all up to 200.
    #[arg(long, value_name = "N", requires = "html", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: Option<u32>,
    /// Also show every prompt as the model of this recipe sees it, and the lengths in tokens.
    #[arg(long, value_name = "RECIPE", requires = "html")]
    pub recipe: Option<PathBuf>,
    /// Show images and texts of credentialed data sets, too; the page must then not be passed on.
    #[arg(long, requires = "html")]
    pub show_credentialed: bool,
    /// File of stages and categories; by default the 31 built-in categories.
    #[arg(long, value_name = "FILE", requires = "html")]
    pub taxonomy: Option<PathBuf>,
}

/// Prints a case, or writes the page with `--html`.
///
/// # Errors
///
/// [`Failure::Input`] when the data set cannot be read, no case is as asked for, or the page exists;
/// [`Failure::Run`] when the page cannot be written.
pub fn run(args: &Args) -> CommandResult {
    if let Some(file) = &args.html {
        return page::write(args, file);
    }
    let dataset = check::load(&args.data).map_err(Failure::input)?;
    let index = match &args.case {
        Some(id) => position(&dataset.cases, id)?,
        None => 0,
    };
    print(&dataset.cases[index]);
    Ok(())
}

/// Returns the index of the case with this id.
///
/// # Errors
///
/// [`Failure::Input`] when no case has it.
pub fn position(cases: &[Case], id: &str) -> Result<usize, Failure> {
    cases.iter().position(|case| case.case_id == *id).ok_or_else(|| {
        let first = &cases[0].case_id;
        Failure::input(format!("--case {id}: no case has this id -> give a `case_id` of the file, such as {first}"))
    })
}

fn print(case: &Case) {
    say!("{} ({}, {}, from {})", case.case_id, case.modality, case.split.word(), case.source.dataset);
    for image in &case.images {
        say!("image {}: {} x {} pixels, {}", image.id, image.width, image.height, image.path);
    }
    for region in &case.regions {
        let [x0, y0, x1, y1] = region.shape.bounds();
        say!("region {}: {} ({}), {x0} {y0} to {x1} {y1}", region.id, region.label, region.role.word());
    }
    for item in &case.chain {
        let answer = prompt(case, item, &PromptOptions::default()).answer;
        say!("{} stage {} category {}: {} -> {answer}", item.id, item.stage, item.category, item.question);
    }
}
