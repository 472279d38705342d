//! `stepwise study report FILE`: compares the arms of a study, and writes the report and its tables.

mod tables;

use std::path::PathBuf;
use stepwise_study::Study;
use stepwise_study::collect::collect;
use stepwise_study::manifest::Manifest;
use stepwise_study::report::{StudyInput, render};
use stepwise_study::summary::StudySummary;

use crate::exit::{CommandResult, Failure};
use crate::folder;
use crate::heartbeat::Heartbeat;
use crate::table::Table;

/// Arguments of `study report`.
#[derive(clap::Args)]
pub struct Args {
    /// Study, the TOML file that was run.
    study: PathBuf,
    /// Output folder; by default `report` in the study's folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Print the summary as JSON instead of tables.
    #[arg(long)]
    json: bool,
}

/// Compares the arms of a study. Writes `report.html`, `report.md`, `report.tex` and `summary.json` to the output folder
/// and CSV tables to its subfolder `tables`, and prints the tables, or the summary with `--json`, to stdout.
///
/// # Errors
///
/// [`Failure::Input`] when the study, its manifest or its outcomes cannot be read, or the output folder cannot be
/// created; [`Failure::Run`] when a file cannot be written.
pub fn run(args: &Args) -> CommandResult {
    let _heartbeat = Heartbeat::start("comparing the arms");
    let study = Study::load(&args.study).map_err(Failure::input)?;
    let manifest = Manifest::stored(&study).map_err(Failure::input)?;
    let runs = collect(&study, &manifest).map_err(Failure::input)?;
    let summary = StudySummary::new(&study.suite, &runs);
    let report = render(&StudyInput { summary: &summary, runs: &runs });
    let tables = tables::all(&summary);
    let joined = |of: fn(&Table) -> String| tables.iter().map(of).collect::<Vec<_>>().join("\n");

    let out = args.out.clone().unwrap_or_else(|| study.file.output_dir.join("report"));
    folder::make(&out.join("tables"))?;
    let json = serde_json::to_string_pretty(&summary).map_err(Failure::run)?;
    folder::write(&out.join("report.html"), &report.html)?;
    folder::write(&out.join("report.md"), &joined(Table::markdown))?;
    folder::write(&out.join("report.tex"), &joined(Table::latex))?;
    folder::write(&out.join("summary.json"), &json)?;
    for table in &report.tables {
        folder::write(&out.join("tables").join(&table.name), &table.text)?;
    }
    if args.json {
        say!("{json}");
        return Ok(());
    }
    say!("{}", tables.iter().map(Table::text).collect::<Vec<_>>().join("\n\n"));
    say!("\nreport  {}", out.join("report.html").display());
    say!(
        "tables  {} and {}, CSV in {}",
        out.join("report.md").display(),
        out.join("report.tex").display(),
        out.join("tables").display()
    );
    Ok(())
}
