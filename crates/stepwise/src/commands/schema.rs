//! `stepwise schema`: JSON Schema of recipes and cases, and reference pages of recipes, cases, suites and studies.

use stepwise_benchmark::suite_reference;
use stepwise_data::case_schema;
use stepwise_data::taxonomy::Taxonomy;
use stepwise_recipe::{reference, reference_page, study_file};

use crate::exit::{CommandResult, Failure};

/// Arguments of `schema`.
#[derive(clap::Args)]
pub struct Args {
    /// Print the reference page in Markdown instead of the JSON Schema.
    #[arg(long)]
    markdown: bool,
    /// Print the JSON Schema of cases or, with `--markdown`, the tables of their keys.
    #[arg(long)]
    cases: bool,
    /// Print the clinical stages and the categories of questions.
    #[arg(long, conflicts_with_all = ["markdown", "cases"])]
    taxonomy: bool,
    /// Print the reference page of suites: keys, kinds of conditions, parameters and metrics.
    #[arg(long, conflicts_with_all = ["markdown", "cases", "taxonomy"])]
    suite: bool,
    /// Print the reference page of studies.
    #[arg(long, conflicts_with_all = ["markdown", "cases", "taxonomy", "suite"])]
    study: bool,
}

/// Prints the chosen reference: the JSON Schema of recipes or cases, or a page in Markdown.
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
    if args.taxonomy {
        say!("{}", Taxonomy::default().markdown());
        return Ok(());
    }
    match (args.cases, args.markdown) {
        (true, true) => say!("{}", case_schema::markdown()),
        (false, true) => say!("{}", reference_page::markdown().trim_end()),
        (true, false) => print(&case_schema::json_schema())?,
        (false, false) => print(&reference().json_schema())?,
    }
    Ok(())
}

fn print(schema: &serde_json::Value) -> CommandResult {
    say!("{}", serde_json::to_string_pretty(schema).map_err(Failure::run)?);
    Ok(())
}
