//! `stepwise schema`: what a recipe, a suite or a study may hold.

use stepwise_benchmark::guide;
use stepwise_trainer::recipe::reference;
use stepwise_trainer::study;

use crate::exit::{Failure, Outcome};

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
pub fn run(args: &Args) -> Outcome {
    if args.suite {
        say!("{}", guide::markdown().trim_end());
        return Ok(());
    }
    if args.study {
        say!("{}", study::markdown().trim_end());
        return Ok(());
    }
    let reference = reference();
    if args.markdown {
        say!("{}", reference.markdown().trim_end());
    } else {
        say!("{}", serde_json::to_string_pretty(&reference.json_schema()).map_err(Failure::run)?);
    }
    Ok(())
}
