//! `stepwise study`: runs the arms of a study, compares them, and writes scripts for clusters.

mod emit;
mod jobs;
mod report;
mod run;
mod task;

use std::time::Duration;

use stepwise_study::claim;
use stepwise_study::holder::Holder;
use stepwise_study::{Study, StudyError, Task};

use crate::exit::{CommandResult, Failure};

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
pub fn run(command: &Command) -> CommandResult {
    match command {
        Command::Run(args) => run::run(args),
        Command::Report(args) => report::run(args),
        Command::Emit(args) => emit::run(args),
    }
}

/// Name of a task in messages: arm and seed.
fn name(study: &Study, task: &Task) -> String {
    format!("{} seed-{}", study.arms[task.arm].name, task.seed)
}

/// Failure for a claim file that cannot be read or written.
fn claim_failed(task: &Task, error: &std::io::Error) -> Failure {
    let path = task.claim();
    Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
}

/// Process and host of a holder, for messages.
fn holder_name(holder: &Holder) -> String {
    format!("process {} on {}", holder.pid, if holder.host.is_empty() { "an unknown host" } else { &holder.host })
}

/// Formats a duration as `h:mm:ss`.
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// Process that runs the task now; None if no process does.
fn held(task: &Task) -> Result<Option<Holder>, Failure> {
    claim::held(&task.claim()).map_err(|error| claim_failed(task, &error))
}

impl From<StudyError> for Failure {
    fn from(error: StudyError) -> Self {
        Self::input(error)
    }
}
