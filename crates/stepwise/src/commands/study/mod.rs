//! `stepwise study`: runs the arms of a study, compares them, and writes scripts for clusters.

mod emit;
mod jobs;
mod report;
mod run;
mod task;

use std::time::Duration;

use crate::exit::CommandResult;

/// Subcommands of `study`.
#[derive(clap::Subcommand)]
pub enum Command {
    /// Run every arm of a study with every seed, each as a run of its own.
    Run(run::Args),
    /// Compare the arms of a study: tables for a paper, tests, and one page with all charts.
    Report(report::Args),
    /// Print a script that runs the study on a cluster or in a shell, one task at a time.
    Emit(emit::Args),
}

/// Runs a subcommand of `study`.
///
/// # Errors
///
/// The failures of the subcommand.
pub fn run(command: &Command) -> CommandResult {
    match command {
        Command::Run(args) => run::run(args),
        Command::Report(args) => report::run(args),
        Command::Emit(args) => emit::run(args),
    }
}

/// Formats a duration as `h:mm:ss`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
