//! `stepwise schema`: JSON Schema of recipes, and reference pages of recipes, suites and studies.

use stepwise_benchmark::suite_reference;
use stepwise_recipe::{reference, reference_page, study_file};

use crate::exit::{CommandResult, Failure};

/// Arguments of `schema`.
#[derive(clap::Args)]
pub struct Args {
    /// Print the reference page of recipes in Markdown instead of the JSON Schema.
    #[arg(long)]
    markdown: bool,
    /// Print the reference page of suites: keys, kinds of conditions, parameters and metrics.
    #[arg(long, conflicts_with = "markdown")]
    suite: bool,
    /// Print the reference page of studies.
    #[arg(long, conflicts_with_all = ["markdown", "suite"])]
    study: bool,
}

/// Prints the chosen reference: the JSON Schema of recipes, or a page in Markdown.
///
/// # Errors
///
/// [`Failure::Run`] when the schema cannot be formatted as JSON.
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
