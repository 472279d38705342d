//! `stepwise table PATH...`: the table of several models, from their results or from a table file that names them.

mod csv;
mod entries;
mod evaluate;
mod groups;
mod page;
mod tables;

use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use stepwise_data::io::bounded;
use stepwise_recipe::table_file::TableFile;

use crate::commands::split::SplitChoice;
use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::heartbeat::Heartbeat;
use crate::table::Table;
use groups::{Found, Group};

/// Arguments of `table`.
#[derive(clap::Args)]
pub struct Args {
    /// Results of two or more models: runs, checkpoints, folders written by `eval --out` or `score`, or outcome files; or
    /// one table file (`.toml`), whose models are evaluated where results are missing.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Case file, or folder with `cases.jsonl`, for scoring responses from another tool; by default the cases
    /// of a run.
    #[arg(long, value_name = "FILE")]
    cases: Option<PathBuf>,
    /// Split of these cases that was evaluated; by default all cases.
    #[arg(long, value_enum)]
    split: Option<SplitChoice>,
    /// Suite that was evaluated: `fast`, `full` or a file; by default the suite of a run, or a built-in one.
    #[arg(long, value_name = "SUITE")]
    suite: Option<PathBuf>,
    /// Keep models although more than 2 % of their questions have no answer.
    #[arg(long)]
    allow_missing: bool,
    /// Device of the evaluations of a table file: `cpu`, `cuda[:n]` or `wgpu[:n]`; by default the best one that is usable.
    #[arg(long)]
    device: Option<String>,
    /// Format; by default the one of the ending of `--out` (`.md`, `.tex`, `.csv`, `.html`), else text.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Write the table to this file instead of stdout.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print everything as JSON: values, ranks, and the tests of all pairs.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

/// Format of the table.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Text,
    Markdown,
    Latex,
    Csv,
    /// One page with charts.
    Html,
}

/// Evaluates what is missing of a table file, and prints the table.
///
/// # Errors
///
/// [`Failure::Input`] when a path has no outcomes, fewer than two models are named, a model is named twice, the suite is
/// not found, or the outcomes do not fit it; [`Failure::Run`] when an evaluation fails or a file cannot be written;
/// [`Failure::Interrupted`] when an evaluation is interrupted.
pub fn run(args: &Args) -> CommandResult {
    let file = match args.paths.as_slice() {
        [path] if path.extension().is_some_and(|ending| ending == "toml") => Some(read(path)?),
        _ => None,
    };
    let entries = match &file {
        Some(file) => entries::named(evaluate::missing(file, args.device.as_deref())?)?,
        None => entries::of_paths(&args.paths)?,
    };
    let _heartbeat = Heartbeat::start("comparing");
    let suite = args.suite.as_deref().or(file.as_ref().and_then(|file| file.suite.as_deref()));
    let reading =
        groups::Reading { suite, cases: args.cases.as_deref(), split: args.split, allow_missing: args.allow_missing };
    let found = groups::all(&reading, &entries)?;
    entries.iter().filter_map(|entry| entry.side.note.as_ref()).for_each(|note| tell!("{note}"));
    found.remarks().iter().for_each(|remark| tell!("warning: {remark}"));
    let title = match &file {
        Some(_) => args.paths[0].file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        None => "models".to_owned(),
    };
    let text = text(args, &title, &found)?;
    match &args.out {
        Some(out) => {
            folder::write(out, &format!("{}\n", text.trim_end()))?;
            say!("table   {}", out.display());
        }
        None => say!("{}", text.trim_end()),
    }
    Ok(())
}

fn read(path: &Path) -> Result<TableFile, Failure> {
    let unread = |error: io::Error| {
        let advice = bounded::advice(&error, "check the path of the table file, a TOML file in UTF-8");
        Failure::input(format!("{}: {error} -> {advice}", path.display()))
    };
    TableFile::parse(path, bounded::text(path).map_err(unread)?).map_err(Failure::input)
}

/// Returns the format that the command line asks for.
fn format(args: &Args) -> Format {
    let ending = args.out.as_deref().and_then(Path::extension).and_then(|ending| ending.to_str());
    args.format.unwrap_or(match ending {
        Some("md") => Format::Markdown,
        Some("tex") => Format::Latex,
        Some("csv") => Format::Csv,
        Some("html" | "htm") => Format::Html,
        _ => Format::Text,
    })
}

/// Writes all groups in the format that the command line asks for.
fn text(args: &Args, title: &str, found: &Found) -> Result<String, Failure> {
    if args.json {
        return serde_json::to_string_pretty(&found.json()?).map_err(Failure::run);
    }
    let each = |write: fn(&Table) -> String, make: fn(&Group, usize) -> Vec<Table>| {
        let tables = found.groups.iter().enumerate().flat_map(|(place, group)| make(group, place));
        tables.map(|table| write(&table)).collect::<Vec<_>>().join("\n")
    };
    Ok(match format(args) {
        Format::Text => each(|table| format!("{}\n", table.text()), tables::all),
        Format::Markdown => each(Table::markdown, tables::all),
        Format::Latex => each(Table::latex, tables::narrow),
        Format::Csv => csv::all(&found.groups),
        Format::Html => page::html(title, found),
    })
}
