//! Runs the tasks of a study as child processes of the program, a few at a time.

mod event;
mod process;
mod queue;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use stepwise_trainer::interrupt::Interrupt;

use crate::{Study, StudyError, Task};
use stepwise_trainer::claim::holder::Holder;

pub use event::JobEvent;
use queue::Queue;

/// Exit code of a process that runs nothing because another process holds the claim of its task; the parent process
/// then lets the task wait.
pub const HELD_EXIT_CODE: u8 = 3;

/// Time between two looks at the child processes.
const TICK: Duration = Duration::from_millis(100);

/// Time between two reports of the steps that the runs have done.
const REPORT: Duration = Duration::from_secs(60);

/// How the tasks are run.
#[derive(Clone, Copy, Debug)]
pub struct JobOptions<'a> {
    /// The program `stepwise`.
    pub program: &'a Path,
    /// Number of processes at the same time, at least 1.
    pub jobs: usize,
    /// Devices that the processes use in turn, with None for the default device. With an empty list all processes use
    /// the default device.
    pub devices: &'a [Option<String>],
}

/// State of the tasks when no process runs any more.
#[derive(Debug)]
pub struct JobsSummary<'a> {
    /// Tasks whose process failed or was killed; empty when none did.
    pub failed: Vec<&'a Task>,
    /// Tasks that are not finished, each with the process that runs it; None where no such process is known.
    pub left: Vec<(&'a Task, Option<Holder>)>,
}

/// Why the tasks cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The folder of a run cannot be read.
    #[error(transparent)]
    Run(StudyError),
    /// The claim of a task cannot be read, or its log cannot be written.
    #[error(transparent)]
    File(StudyError),
    /// A process cannot be started or waited for.
    #[error("{}: {error} -> check that the program can be run and that the system allows more processes", program.display())]
    Process {
        /// The program.
        program: PathBuf,
        /// The cause.
        error: std::io::Error,
    },
}

/// Runs all tasks of `study` that are not finished as child processes, `options.jobs` at the same time, and waits until
/// none runs. The output of a task is appended to its log. Tasks that other processes run are looked at again as long
/// as a child process runs. After `interrupt` was requested, starts no further process and returns when all processes
/// have saved and ended. `report` receives events.
///
/// # Errors
/// When the state of a task cannot be read, its log cannot be written, or a process cannot be started. A failed task is
/// no error; see [`JobsSummary::failed`].
pub fn run<'a>(
    study: &'a Study,
    options: JobOptions<'a>,
    interrupt: &Interrupt,
    report: &mut dyn FnMut(JobEvent<'_>),
) -> Result<JobsSummary<'a>, JobError> {
    let mut queue = Queue::new(study, options, report)?;
    let mut reported = Instant::now();
    loop {
        if interrupt.requested() {
            queue.stop();
        } else {
            queue.start(interrupt, report)?;
        }
        // What still waits is held by other processes, or an end was requested.
        if queue.running.is_empty() {
            return Ok(queue.summary());
        }
        queue.collect(report)?;
        if reported.elapsed() > REPORT && !queue.running.is_empty() {
            reported = Instant::now();
            report(queue.progress());
        }
        std::thread::sleep(TICK);
    }
}
