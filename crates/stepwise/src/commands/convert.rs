//! `stepwise convert FILE`: a recipe of another tool, translated.

use std::path::PathBuf;

use clap::builder::PossibleValue;
use stepwise_data::io::atomic::write_atomic;
use stepwise_recipe::{Left, Tool, convert};

use crate::exit::{CommandResult, Failure};

/// No recipe is as long.
const MOST_BYTES: u64 = 1 << 20;

/// Arguments of `convert`.
#[derive(clap::Args)]
pub struct Args {
    /// A recipe of LLaMA-Factory, ms-swift or TRL, in YAML.
    file: PathBuf,
    /// The tool it is for; its keys tell when left out.
    #[arg(long, value_name = "TOOL", value_parser = tools())]
    from: Option<String>,
    /// Where to write ours; stdout when left out. A file that is there is not written over.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn tools() -> clap::builder::PossibleValuesParser {
    Tool::ALL.map(|tool| PossibleValue::new(tool.id()).help(tool.name())).into()
}

/// Runs the command.
pub fn run(args: &Args) -> CommandResult {
    let path = args.file.display();
    let unreadable = |problem: String| Failure::input(format!("{path}: {problem} -> check the path of the recipe"));
    let bytes = std::fs::metadata(&args.file).map_err(|error| unreadable(error.to_string()))?.len();
    if bytes > MOST_BYTES {
        return Err(unreadable(format!("{bytes} bytes are no recipe")));
    }
    let text = std::fs::read_to_string(&args.file).map_err(|error| unreadable(error.to_string()))?;
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Failure::input(format!("{}: it exists -> name another file, or remove this one", out.display())));
    }
    let from = Tool::ALL.into_iter().find(|tool| Some(tool.id()) == args.from.as_deref());
    let converted = convert(&args.file, &text, from).map_err(Failure::input)?;
    tell!("a recipe of {}", converted.tool.name());
    for Left { line, key, why } in &converted.left {
        tell!("{path}:{line}: {key}: not carried over: {why}");
    }
    tell!("{} keys carried over, {} not", converted.carried, converted.left.len());
    match &args.out {
        None => say!("{}", converted.recipe.trim_end()),
        Some(out) => {
            write_atomic(out, converted.recipe.as_bytes())
                .map_err(|error| Failure::run(format!("{}: {error} -> check the folder", out.display())))?;
            say!("recipe  {}", out.display());
        }
    }
    Ok(())
}
