//! Runs the tasks of a study as processes of this program, and shows their progress.

use stepwise_study::jobs::{self, JobError, JobEvent, JobOptions};
use stepwise_study::{Study, Task};
use stepwise_trainer::interrupt::Interrupt;

use super::clock;
use crate::exit::{CommandResult, Failure};

/// Runs all unfinished tasks, at most `jobs` at the same time, on the `devices` in turn.
///
/// # Errors
///
/// [`Failure::Run`] when runs failed, [`Failure::Held`] when other processes run the rest, [`Failure::Interrupted`]
/// when the user interrupts the command, and any failure to read task states or start processes.
pub fn run(study: &Study, jobs: usize, devices: &[Option<String>]) -> CommandResult {
    let interrupt =
        Interrupt::listen(|| tell!("\nstopping: every run finishes its step and saves; again to leave at once"))
            .map_err(Failure::run)?;
    let program = std::env::current_exe().map_err(Failure::run)?;
    let options = JobOptions { program: &program, jobs, devices };
    let ended =
        jobs::run(study, options, &interrupt, &mut |event| show(study, &event)).map_err(|error| match error {
            JobError::Run(_) => Failure::input(error),
            JobError::File(_) | JobError::Process { .. } => Failure::run(error),
        })?;
    if interrupt.requested() {
        tell!("interrupted: run the same command again to continue the runs");
        return Err(Failure::Interrupted);
    }
    for (task, holder) in &ended.left {
        let holder = holder.as_ref().map_or("another process".to_owned(), ToString::to_string);
        say_of(study, task, &format!("not finished, is being run by {holder}"));
    }
    if !ended.failed.is_empty() {
        let names: Vec<String> = ended.failed.iter().map(|task| study.task_name(task)).collect();
        let (runs, names) = (runs(names.len()), names.join(", "));
        return Err(Failure::run(format!(
            "{runs} failed: {names} -> read the logs, fix the cause, and start the same command again"
        )));
    }
    if !ended.left.is_empty() {
        return Err(Failure::Held(format!(
            "the study is not finished: {} left to other processes -> start the same command again once they have ended",
            runs(ended.left.len())
        )));
    }
    Ok(())
}

fn show(study: &Study, event: &JobEvent<'_>) {
    match event {
        JobEvent::FinishedBefore(task) => say_of(study, task, "finished before"),
        JobEvent::FinishedElsewhere(task) => say_of(study, task, "finished by another process"),
        JobEvent::Held(task, holder) => say_of(study, task, &format!("is being run by {holder}")),
        JobEvent::Started { task, device, pid } => {
            let on = device.map_or_else(String::new, |device| format!(" on {device}"));
            say_of(study, task, &format!("started{on}, process {pid}"));
        }
        JobEvent::Finished { task, took } => say_of(study, task, &format!("finished in {}", clock(*took))),
        JobEvent::Saved { task, took } => say_of(study, task, &format!("saved and stopped after {}", clock(*took))),
        JobEvent::Failed { task, code, took, log, last_line } => {
            let how = code.map_or("was killed".to_owned(), |code| format!("failed with exit code {code}"));
            let last_line = last_line.as_deref().unwrap_or("the log is empty");
            say_of(study, task, &format!("{how} after {}, see {}: {last_line}", clock(*took), log.display()));
        }
        JobEvent::Progress { steps, waiting } => {
            let steps = steps.iter().map(|(task, step)| format!("{} step {step}", study.task_name(task)));
            tell!("running: {}; {waiting} waiting", steps.collect::<Vec<_>>().join(", "));
        }
    }
}

/// Prints a line about one task.
fn say_of(study: &Study, task: &Task, text: &str) {
    tell!("[{}/{}] {}: {text}", task.number + 1, study.tasks.len(), study.task_name(task));
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}
