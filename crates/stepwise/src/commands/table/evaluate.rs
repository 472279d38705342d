//! Evaluation of the models of a table file whose results are missing, one after the other, each in a process of its own:
//! the memory of a model is free before the next one is loaded.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::UNIX_EPOCH;

use serde_json::json;
use stepwise_recipe::table_file::{ModelSource, NamedModel, TableFile};
use stepwise_trainer::interrupt::EXIT_CODE;

use crate::exit::{CommandResult, Failure};
use crate::{folder, output};

/// File in the folder of a model's results that says how it was evaluated.
const RECORD: &str = "evaluated.json";

/// Evaluates the models that have no results of this evaluation yet, and returns the name and the results of every model.
/// A model is evaluated again when its entry, the evaluation, the suite file or the files of the model have changed;
/// answers that still hold are reused.
///
/// # Errors
///
/// [`Failure::Input`] when an evaluation refuses its input; [`Failure::Run`] when one fails or cannot be started;
/// [`Failure::Interrupted`] when one is interrupted.
pub fn missing(file: &TableFile, device: Option<&str>) -> Result<Vec<(String, PathBuf)>, Failure> {
    let mut results = Vec::new();
    for (model, number) in file.models.iter().zip(1..) {
        let place = format!("[{number}/{}] {}", file.models.len(), model.name);
        let out = match &model.source {
            ModelSource::Outcomes(path) => path.clone(),
            ModelSource::Local(_) | ModelSource::Served { .. } => {
                let out = file.output_dir.join(model.folder());
                evaluate(file, model, device, &out, &place)?;
                out
            }
        };
        results.push((model.name.clone(), out));
    }
    Ok(results)
}

fn evaluate(file: &TableFile, model: &NamedModel, device: Option<&str>, out: &Path, place: &str) -> CommandResult {
    let words = arguments(file, model, out);
    let record = record(file, model, &words);
    let stored = out.join(RECORD);
    if fs::read_to_string(&stored).is_ok_and(|stored| stored == record) {
        tell!("{place}: evaluated before, {}", out.display());
        return Ok(());
    }
    tell!("{place}: evaluating into {}", out.display());
    let mut command = Command::new(std::env::current_exe().map_err(Failure::run)?);
    command.args(&words).stdin(Stdio::null()).stdout(Stdio::null());
    if let (Some(device), ModelSource::Local(_)) = (device, &model.source) {
        command.args(["--device", device]);
    }
    if output::is_quiet() {
        command.arg("--quiet");
    }
    // Last, because a path may begin like an option.
    if let ModelSource::Local(path) = &model.source {
        command.arg("--").arg(path);
    }
    let status =
        command.status().map_err(|error| Failure::run(format!("{place}: {error} -> start the command again")))?;
    match status.code() {
        Some(0) => folder::write(&stored, &record),
        Some(2) => Err(Failure::input(format!(
            "{place}: the evaluation refused its input, see the error above -> correct the entry `{}` of the table file",
            model.name
        ))),
        Some(code) if code == EXIT_CODE => {
            tell!("{place}: stopped; the same command goes on");
            Err(Failure::Interrupted)
        }
        _ => Err(Failure::run(format!(
            "{place}: the evaluation failed, see the error above -> correct the cause, and start the same command again"
        ))),
    }
}

/// Arguments of the evaluation, without the path of a local model.
fn arguments(file: &TableFile, model: &NamedModel, out: &Path) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["eval".into()];
    let mut add = |option: &str, value: OsString| words.extend([option.into(), value]);
    add("--out", out.into());
    let options = [
        ("--data", file.data.clone().map(OsString::from)),
        ("--split", file.split.map(|split| split.word().into())),
        ("--suite", file.suite.clone().map(OsString::from)),
        ("--scoring", file.scoring.map(|scoring| scoring.word().into())),
        ("--max-cases", file.max_cases.map(|most| most.to_string().into())),
    ];
    for (option, value) in options {
        value.into_iter().for_each(|value| add(option, value));
    }
    if let ModelSource::Served { endpoint, model, api_key_env } = &model.source {
        add("--endpoint", endpoint.into());
        add("--model", model.into());
        api_key_env.iter().for_each(|variable| add("--api-key-env", variable.into()));
    }
    words
}

/// Text of the record: the arguments, and sizes and times of the files of model, cases and suite.
fn record(file: &TableFile, model: &NamedModel, words: &[OsString]) -> String {
    let words: Vec<String> = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    let path = match &model.source {
        ModelSource::Local(path) => Some(path.as_path()),
        ModelSource::Served { .. } | ModelSource::Outcomes(_) => None,
    };
    let files = [path, file.data.as_deref(), file.suite.as_deref()].into_iter().flatten().flat_map(stamps);
    let record = json!({
        "schema": "evaluated/1",
        "version": env!("CARGO_PKG_VERSION"),
        "arguments": words,
        "path": path,
        "files": files.collect::<Vec<_>>(),
    });
    format!("{record:#}\n")
}

/// Name, size and time of change of a file, or of the files directly in a folder, in the order of names; empty where
/// nothing can be read, as for the name of a built-in suite.
fn stamps(path: &Path) -> Vec<String> {
    let Ok(about) = fs::metadata(path) else { return Vec::new() };
    let mut files = match about.is_dir() {
        true => fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect(),
        false => vec![path.to_owned()],
    };
    files.sort_unstable();
    let stamp = |file: &PathBuf| {
        let about = fs::metadata(file).ok().filter(fs::Metadata::is_file)?;
        let time = about.modified().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(format!("{} {} {time}", file.display(), about.len()))
    };
    files.iter().filter_map(stamp).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_changes_with_the_files_of_the_model_and_with_the_evaluation() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model");
        fs::create_dir(&path).expect("made");
        fs::write(path.join("weights"), "1").expect("written");
        let text = format!("[[models]]\nname = \"a\"\npath = {path:?}\n");
        let file = TableFile::parse(Path::new("t.toml"), text).expect("valid");
        let of = |file: &TableFile| record(file, &file.models[0], &arguments(file, &file.models[0], Path::new("o")));
        let first = of(&file);
        assert_eq!(of(&file), first);
        assert_ne!(of(&TableFile { max_cases: Some(3), ..file.clone() }), first);
        fs::write(path.join("weights"), "12").expect("written");
        assert_ne!(of(&file), first);
    }
}
