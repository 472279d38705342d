//! `stepwise convert FILE`: translates a recipe of another tool.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_recipe::{Left, Tool, convert};

use crate::exit::{CommandResult, Failure};

/// Size limit of the input file in bytes, so that a wrong path cannot load a huge file.
const MOST_BYTES: u64 = 1 << 20;

/// Arguments of `convert`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe of LLaMA-Factory, ms-swift or TRL, in YAML.
    file: PathBuf,
    /// Tool that the recipe is written for; by default detected from its keys.
    #[arg(long, value_name = "TOOL", value_parser = tools())]
    from: Option<String>,
    /// Output file; by default stdout. An existing file is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn tools() -> clap::builder::PossibleValuesParser {
    Tool::ALL.map(|tool| PossibleValue::new(tool.id()).help(tool.name())).into()
}

/// Translates the recipe, and lists every key that is not carried over.
///
/// # Errors
///
/// [`Failure::Input`] when the recipe cannot be read or translated, or the output file exists; [`Failure::Run`] when
/// the output cannot be written.
pub fn run(args: &Args) -> CommandResult {
    let path = args.file.display();
    let unreadable = |problem: String| Failure::input(format!("{path}: {problem} -> check the path of the recipe"));
    let bytes = std::fs::metadata(&args.file).map_err(|error| unreadable(error.to_string()))?.len();
    if bytes > MOST_BYTES {
        return Err(unreadable(format!("{bytes} bytes are too many for a recipe")));
    }
    let text = bounded::text(&args.file).map_err(|error| unreadable(error.to_string()))?;
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Failure::input(format!(
            "{} already exists -> name another file, or remove this one",
            out.display()
        )));
    }
    let from = Tool::ALL.into_iter().find(|tool| Some(tool.id()) == args.from.as_deref());
    let converted = convert(&args.file, &text, from).map_err(Failure::input)?;
    tell!("recipe of {}", converted.tool.name());
    for Left { line, key, why } in &converted.left {
        tell!("{path}:{line}: {key}: not carried over: {why}");
    }
    tell!("{} keys carried over, {} not", converted.carried, converted.left.len());
    match &args.out {
        None => say!("{}", converted.recipe.trim_end()),
        Some(out) => {
            write_atomic(out, converted.recipe.as_bytes()).map_err(|error| {
                Failure::run(format!(
                    "{}: {error} -> check that the folder is writable and the disk has room",
                    out.display()
                ))
            })?;
            say!("recipe  {}", out.display());
        }
    }
    Ok(())
}
