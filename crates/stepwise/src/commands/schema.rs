//! `stepwise schema`: what a recipe, a suite or a study may hold.

use stepwise_benchmark::suite_reference;
use stepwise_recipe::{reference, reference_page, study_file};

use crate::exit::{CommandResult, Failure};

/// Arguments of `schema`.
#[derive(clap::Args)]
pub struct Args {
    /// The reference page instead, in Markdown.
    #[arg(long)]
    markdown: bool,
    /// The reference page of suites: their keys, kinds of conditions, parameters and metrics.
    #[arg(long, conflicts_with = "markdown")]
    suite: bool,
    /// The reference page of studies.
    #[arg(long, conflicts_with_all = ["markdown", "suite"])]
    study: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> CommandResult {
    if args.suite {
        say!("{}", suite_reference::markdown().trim_end());
        return Ok(());
    }
    if args.study {
        say!("{}", study_file::markdown().trim_end());
        return Ok(());
    }
    if args.markdown {
        say!("{}", reference_page::markdown().trim_end());
    } else {
        say!("{}", serde_json::to_string_pretty(&reference().json_schema()).map_err(Failure::run)?);
    }
    Ok(())
}
