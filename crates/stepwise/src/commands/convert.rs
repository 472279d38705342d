//! `stepwise convert FILE`: translates a recipe or a training command of another tool.

use std::io;
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use stepwise_data::case::Split;
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_recipe::{Converted, Fate, Questions, Request, Tool, Translated, convert};

use crate::exit::{CommandResult, Failure};

/// Size limit of an input file in bytes, so that a wrong path cannot load a huge file.
const MOST_BYTES: u64 = 1 << 20;

/// Arguments of `convert`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe of Axolotl, LLaMA-Factory, ms-swift or TRL, in YAML, or a shell script with its training command.
    file: PathBuf,
    /// Tool that the recipe is written for; by default detected from its keys or its command.
    #[arg(long, value_name = "TOOL", value_parser = tools())]
    from: Option<String>,
    /// Folder of cases to train on: other tools count conversations in a step, and the questions of these cases turn them
    /// into numbers of cases.
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// Output file; by default stdout. An existing file is never overwritten.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

fn tools() -> clap::builder::PossibleValuesParser {
    Tool::ALL.map(|tool| PossibleValue::new(tool.id()).help(tool.name())).into()
}

/// Translates the recipe, and names every key that is not carried over.
///
/// # Errors
///
/// [`Failure::Input`] when the recipe cannot be read or translated, the cases cannot be read, or the output file exists;
/// [`Failure::Run`] when the output cannot be written.
pub fn run(args: &Args) -> CommandResult {
    let path = args.file.display();
    let unreadable = |error: io::Error| {
        Failure::input(format!("{path}: {error} -> {}", bounded::advice(&error, "check the path of the recipe")))
    };
    let text = text(&args.file).map_err(unreadable)?;
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        return Err(Failure::input(format!(
            "{} already exists -> name another file, or remove this one",
            out.display()
        )));
    }
    let folder = args.data.as_ref().map(|folder| folder.display().to_string());
    let counted = args.data.as_deref().map(questions).transpose()?;
    let read = |name: &str| self::text(Path::new(name)).or_else(|error| beside(&args.file, name).unwrap_or(Err(error)));
    let request = Request {
        from: Tool::ALL.into_iter().find(|tool| Some(tool.id()) == args.from.as_deref()),
        data: folder.as_deref().zip(counted),
        read: &read,
    };
    let converted = convert(&args.file, &text, &request).map_err(Failure::input)?;
    tell(&converted);
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

/// Reads a file of at most [`MOST_BYTES`].
fn text(path: &Path) -> io::Result<String> {
    let bytes = std::fs::metadata(path)?.len();
    if bytes > MOST_BYTES {
        return Err(io::Error::other(format!("{bytes} bytes are too many for a recipe")));
    }
    bounded::text(path)
}

/// Reads the file `name` beside the script that names it. None when the script has no folder.
fn beside(script: &Path, name: &str) -> Option<io::Result<String>> {
    script.parent().map(|folder| text(&folder.join(name)))
}

/// Counts the training cases and their questions in a folder of cases.
fn questions(folder: &Path) -> Result<Questions, Failure> {
    let dataset = stepwise_data::check::load(folder).map_err(Failure::input)?;
    let train = dataset.cases.iter().filter(|case| case.split == Split::Train);
    let (cases, questions) =
        train.fold((0, 0), |(cases, questions), case| (cases + 1, questions + case.chain.len() as u64));
    if cases == 0 || questions == 0 {
        return Err(Failure::input(format!(
            "{}: no training cases -> set `split = \"train\"` in some cases",
            folder.display()
        )));
    }
    Ok(Questions { cases, questions })
}

/// Names every key that is not carried over: one by one if it changes what is trained, else together by reason.
fn tell(converted: &Converted) {
    tell!("recipe of {}", converted.tool.name());
    let mut ignored: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut unset: Vec<&str> = Vec::new();
    let (mut carried, mut left, mut unknown) = (0, 0, 0);
    for Translated { place, key, fate } in &converted.keys {
        match fate {
            Fate::Carried => carried += 1,
            Fate::Left(why) => {
                left += 1;
                tell!("{place}: {key}: not carried over: {why}");
            }
            Fate::Unknown(why) => {
                unknown += 1;
                tell!("{place}: {key}: unknown: {why}");
            }
            Fate::Ignored(why) => match ignored.iter_mut().find(|(known, _)| known == why) {
                Some((_, keys)) => keys.push(key),
                None => ignored.push((why, vec![key])),
            },
            Fate::Unset => unset.push(key),
        }
    }
    let none = ignored.iter().map(|(_, keys)| keys.len()).sum::<usize>();
    for (why, keys) in ignored {
        tell!("ignored: {}: {why}", keys.join(", "));
    }
    if !unset.is_empty() {
        tell!("without a value: {}", unset.join(", "));
    }
    for note in &converted.notes {
        tell!("note: {note}");
    }
    tell!(
        "{carried} keys carried over, {left} not, {unknown} unknown, {none} ignored, {} without a value",
        unset.len()
    );
}
