//! `stepwise schema`: what a recipe may hold.

use stepwise_trainer::recipe::reference;

use crate::exit::{Failure, Outcome};

/// Arguments of `schema`.
#[derive(clap::Args)]
pub struct Args {
    /// The reference page instead, in Markdown.
    #[arg(long)]
    markdown: bool,
}

/// Runs the command.
pub fn run(args: &Args) -> Outcome {
    let reference = reference();
    if args.markdown {
        say!("{}", reference.markdown().trim_end());
    } else {
        say!("{}", serde_json::to_string_pretty(&reference.json_schema()).map_err(Failure::run)?);
    }
    Ok(())
}
