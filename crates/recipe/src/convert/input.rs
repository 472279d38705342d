//! Reads a file of keys or the training command of a script, with the files that the command names.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::arguments::{self, Argument};
use super::detect;
use super::error::{ConvertError, tools};
use super::purpose::{Found, Purpose};
use super::shell::{Command, Program, commands, in_unix_notation, without_heredocs};
use super::tool::Tool;
use super::yaml::{self, Entry, Yaml};

/// Keys of a file or of a script's command, in order, with the tool that reads them. Keys may repeat; the last value
/// counts.
pub(super) struct Input {
    /// Tool that the keys belong to.
    pub tool: Tool,
    /// Keys with their values; keys of nested tables are joined by a dot.
    pub entries: Vec<Entry>,
    /// Environment variables that a script sets for its command.
    pub environment: Vec<(String, String)>,
    /// Number of training processes; None when it is not known.
    pub processes: Option<u64>,
    /// Line of the script's command.
    pub line: usize,
    /// What the user has to know about other commands and stray arguments of a script.
    pub notes: Vec<String>,
}

/// Function that returns the text of a file named in a command; the name is relative to where the script starts.
pub(super) type Read<'a> = &'a dyn Fn(&str) -> io::Result<String>;

const SCRIPTS: &[&str] = &["sh", "bash", "zsh", "slurm", "sbatch", "bat", "cmd", "ps1"];

/// Reads the keys from `text`, the content of the file `path`: YAML, or a shell script with one training command. A
/// file with the ending of a script or with `#!` at its start is read as a script, any other as YAML; where it is not
/// YAML and holds a known command, as a script after all. `from` names the tool; None recognises it by the keys.
/// `files` reads the files that the command names; arguments of the command take precedence over their keys.
///
/// # Errors
/// When the file is neither YAML with keys nor a script with exactly one training command, a quote of a known command
/// is not closed, a file that the command names cannot be read or is not YAML, the keys do not show the tool of a YAML
/// file, or file or command serve another purpose than supervised fine-tuning.
pub(super) fn read(path: &Path, text: &str, from: Option<Tool>, files: Read<'_>) -> Result<Input, ConvertError> {
    let file: Arc<str> = path.display().to_string().into();
    let script = path.extension().is_some_and(|end| SCRIPTS.iter().any(|known| end.eq_ignore_ascii_case(known)));
    if !script && !text.starts_with("#!") {
        match yaml::read(&file, text) {
            Ok(entries) => return of_keys(path, entries, from),
            // A command without the ending of a script.
            Err(error) if !commands(text).is_ok_and(|(found, _)| !found.is_empty()) => {
                return Err(ConvertError::Yaml { file: file.to_string(), line: error.line, problem: error.problem });
            }
            Err(_) => {}
        }
    }
    of_script(path, text, from, files)
}

fn of_keys(path: &Path, entries: Vec<Entry>, from: Option<Tool>) -> Result<Input, ConvertError> {
    let tool = from.or_else(|| Tool::recognise(&entries, &Tool::ALL));
    if let Some(found) = detect::of_no_training_tool(&entries).filter(|_| from.is_none()) {
        return Err(ConvertError::Purpose { path: path.into(), tool: None, found });
    }
    let Some(tool) = tool else {
        // A purpose that every tool of the tie would refuse, such as `rlhf_type`.
        let any = Tool::ALL.into_iter().filter(|tool| Tool::knows(*tool, &entries));
        let found = any.into_iter().find_map(|tool| detect::of_file(tool, "", &entries, true));
        return Err(match found {
            Some(found) => ConvertError::Purpose { path: path.into(), tool: None, found },
            None => ConvertError::Tool { path: path.into() },
        });
    };
    let entries = flattened(tool, entries);
    if let Some(found) = detect::of_file(tool, &path.display().to_string(), &entries, false) {
        return Err(ConvertError::Purpose { path: path.into(), tool: Some(tool), found });
    }
    Ok(Input { tool, entries, environment: Vec::new(), processes: None, line: 1, notes: Vec::new() })
}

fn of_script(path: &Path, text: &str, from: Option<Tool>, files: Read<'_>) -> Result<Input, ConvertError> {
    let wrong = |line: Option<usize>, problem: String, advice: &str| ConvertError::Script {
        path: path.into(),
        line,
        problem,
        advice: advice.to_owned(),
    };
    let text = in_unix_notation(path, text);
    let (text, written) = without_heredocs(&text);
    let (found, strays) = commands(&text).map_err(|broken| wrong(Some(broken.line), broken.problem, broken.advice))?;
    let trains = |command: &&Command| match command.program {
        Program::Training(_) => true,
        Program::Script => from.is_some(),
        Program::Other(_) => false,
    };
    let training: Vec<&Command> = found.iter().filter(trains).collect();
    let others = found.iter().filter_map(|command| match command.program {
        Program::Other(purpose) => Some((command, purpose)),
        _ => None,
    });
    let command = match training.as_slice() {
        [one] => *one,
        [] => {
            if let Some((command, purpose)) = others.clone().next() {
                let evidence = format!("`{}`", command.name);
                let found = Found { line: Some(command.line), evidence, purpose: refined(purpose, command) };
                return Err(ConvertError::Purpose { path: path.into(), tool: None, found });
            }
            return Err(match found.first() {
                Some(command) => wrong(
                    Some(command.line),
                    format!("`{}` is no script of a known tool", command.name),
                    "name the tool with `--from`, if the script reads that tool's arguments",
                ),
                None => wrong(
                    None,
                    format!("no command of {} is in the script", tools()),
                    "give a script with `swift sft`, `llamafactory-cli train`, `trl sft`, `axolotl train` or the like",
                ),
            });
        }
        several => {
            let lines: Vec<String> = several.iter().map(|command| command.line.to_string()).collect();
            return Err(wrong(
                None,
                format!("{} training commands, in lines {}", several.len(), lines.join(", ")),
                "give a file with one of them",
            ));
        }
    };
    let mut notes: Vec<String> = others
        .map(|(command, purpose)| {
            let purpose = refined(purpose, command);
            format!(
                "line {}: `{}` ({}) is not translated: {}",
                command.line,
                command.name,
                purpose.name(),
                purpose.advice()
            )
        })
        .collect();
    notes.extend(strays.iter().map(|line| {
        format!("line {line}: arguments outside of a command are not read, as in the shell: a comment or a missing `\\` ends the command above")
    }));
    let candidates: Vec<Tool> = match (from, &command.program) {
        (Some(tool), _) => vec![tool],
        (None, Program::Training(tools)) => tools.to_vec(),
        (None, _) => Tool::ALL.to_vec(),
    };
    let file: Arc<str> = path.display().to_string().into();
    let tables: Vec<_> = candidates.iter().map(|tool| tool.table()).collect();
    let mut entries = Vec::new();
    for argument in arguments::read(&file, &command.arguments, &tables) {
        match argument {
            Argument::Key(entry) => entries.push(entry),
            Argument::File(line, name) => {
                // A file that the script itself writes before it trains.
                let own = written.iter().rev().find(|file| file.name == name).map(|file| Ok(file.text.clone()));
                let text = own.unwrap_or_else(|| files(&name)).map_err(|error| {
                    wrong(
                        Some(line),
                        format!("`{name}` cannot be read: {error}"),
                        "start where the script starts, or convert that file",
                    )
                })?;
                let name: Arc<str> = name.into();
                let of_file = yaml::read(&name, &text).map_err(|error| ConvertError::Yaml {
                    file: name.to_string(),
                    line: error.line,
                    problem: error.problem,
                })?;
                // Arguments of the command replace values of the file, wherever the file stands.
                entries.splice(0..0, of_file);
            }
        }
    }
    let tool = match candidates.as_slice() {
        [one] => *one,
        several => Tool::recognise(&entries, several).unwrap_or(several[0]),
    };
    let entries = flattened(tool, entries);
    if let Some(found) = detect::of_file(tool, &path.display().to_string(), &entries, true) {
        return Err(ConvertError::Purpose { path: path.into(), tool: Some(tool), found });
    }
    if command.launcher.iter().any(|word| word.starts_with("--config_file") || word.starts_with("--hostfile")) {
        notes.push("the launcher's file may set the number of processes".to_owned());
    }
    Ok(Input {
        tool,
        entries,
        environment: command.environment.clone(),
        processes: command.processes(),
        line: command.line,
        notes,
    })
}

/// The purpose of a command that has several, by its arguments.
fn refined(purpose: Purpose, command: &Command) -> Purpose {
    let has = |key: &str| {
        command.arguments.iter().any(|(_, word)| word.trim_start_matches('-').split('=').next() == Some(key))
    };
    match purpose {
        Purpose::Merge if has("quant_bits") || has("quant_method") || has("export_quantization_bit") => {
            Purpose::Quantisation
        }
        Purpose::Preference => {
            let kind = command.arguments.iter().skip_while(|(_, word)| word != "--rlhf_type").nth(1);
            kind.and_then(|(_, kind)| Purpose::of_word(kind)).unwrap_or(purpose)
        }
        _ => purpose,
    }
}

/// Entries whose nested tables are joined to their keys by a dot.
fn flattened(tool: Tool, entries: Vec<Entry>) -> Vec<Entry> {
    let mut flat = Vec::new();
    for entry in entries {
        let nested = tool.nested().contains(&entry.key.as_str());
        let value = match &entry.value {
            Yaml::Text(text) if nested && text.starts_with('{') => yaml::scalar(text),
            value => value.clone(),
        };
        match value {
            Yaml::Table(inner) if nested && !inner.is_empty() => flat.extend(inner.into_iter().map(|(key, value)| {
                Entry { file: entry.file.clone(), line: entry.line, key: format!("{}.{key}", entry.key), value }
            })),
            value => flat.push(Entry { value, ..entry }),
        }
    }
    flat
}
