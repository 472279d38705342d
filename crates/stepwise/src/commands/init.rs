//! `stepwise init FILE`: writes a commented recipe as a starting point. `stepwise init --quickstart DIR` writes recipe and
//! model of the quickstart.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use stepwise_config::path::quoted;
use stepwise_recipe::{PRESETS, Recipe, commented};

use crate::exit::{CommandResult, Failure};
use crate::quickstart;

/// Arguments of `init`.
#[derive(clap::Args)]
pub struct Args {
    /// Recipe to write; an existing file is never overwritten.
    #[arg(default_value = "recipe.toml")]
    file: PathBuf,
    /// Built-in recipe whose values are used.
    #[arg(long, value_parser = presets(), default_value = PRESETS[0].name)]
    preset: String,
    /// Folder for the quickstart instead: its recipe and its model, which are part of the program. Nothing is
    /// downloaded, and no existing file is overwritten.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["file", "preset"])]
    quickstart: Option<PathBuf>,
}

fn presets() -> clap::builder::PossibleValuesParser {
    PRESETS.iter().map(|preset| PossibleValue::new(preset.name).help(preset.about)).into()
}

/// Writes the recipe, and prints the commands that follow.
///
/// # Errors
///
/// [`Failure::Input`] when the file exists or cannot be created; [`Failure::Run`] when it cannot be written or loaded.
pub fn run(args: &Args) -> CommandResult {
    if let Some(folder) = &args.quickstart {
        return write_quickstart(folder);
    }
    let path = args.file.display();
    let preset = PRESETS.iter().find(|preset| preset.name == args.preset);
    let text = preset.and_then(commented).ok_or_else(|| Failure::run("the preset cannot be read"))?;
    // `create_new` also protects a file that another process creates at this moment.
    let mut file = OpenOptions::new().write(true).create_new(true).open(&args.file).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AlreadyExists => "name another file, or remove this one",
            _ => "check that the folder exists and is writable",
        };
        Failure::input(format!("{path}: {error} -> {advice}"))
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        Failure::run(format!("{path}: {error} -> check that the disk has room, and remove the file"))
    })?;
    say!("recipe  {path}");
    let recipe = Recipe::load(&args.file, &[]).map_err(Failure::run)?;
    let model = recipe.model_name_or_path;
    if !model.is_dir() {
        say!("model   {} does not exist yet -> put the model there, or edit `model_name_or_path`", model.display());
    }
    let quoted = quoted(&args.file);
    say!("next    stepwise check {quoted}\n        stepwise train {quoted}");
    Ok(())
}

fn write_quickstart(folder: &Path) -> CommandResult {
    if let Some(path) = quickstart::occupied(folder) {
        let problem = "the file exists already -> name another folder, or remove the file";
        return Err(Failure::input(format!("{}: {problem}", path.display())));
    }
    quickstart::write(folder).map_err(|error| {
        Failure::input(format!("{}: {error} -> name a folder that can be created and written", folder.display()))
    })?;
    say!("recipe  {}", folder.join(quickstart::RECIPE).display());
    say!("model   {}", folder.join("checkpoints/tiny-base").display());
    say!("next    cd {}\n        stepwise train {}", quoted(folder), quickstart::RECIPE);
    Ok(())
}
