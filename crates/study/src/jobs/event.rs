//! Events of the processes that run the tasks of a study.

use std::path::PathBuf;
use std::time::Duration;

use crate::Task;
use stepwise_trainer::claim::holder::Holder;

/// Event of one task, or of all.
#[derive(Debug)]
pub enum JobEvent<'a> {
    /// The task was finished before.
    FinishedBefore(&'a Task),
    /// Another process finished the task while it waited.
    FinishedElsewhere(&'a Task),
    /// Another process runs the task: its holder. Reported when the holder is first seen.
    Held(&'a Task, &'a Holder),
    /// A process was started.
    Started {
        /// Its task.
        task: &'a Task,
        /// Its device; None for the default.
        device: Option<&'a str>,
        /// Its process id.
        pid: u32,
    },
    /// A process finished its task.
    Finished {
        /// The task.
        task: &'a Task,
        /// Running time of the process.
        took: Duration,
    },
    /// A process saved its run and ended, because an end was requested.
    Saved {
        /// Its task.
        task: &'a Task,
        /// Running time of the process.
        took: Duration,
    },
    /// A process failed or was killed.
    Failed {
        /// Its task.
        task: &'a Task,
        /// Its exit code; None if it was killed.
        code: Option<i32>,
        /// Running time of the process.
        took: Duration,
        /// File with its output.
        log: PathBuf,
        /// Last line of its output that is not empty; None if there is none.
        last_line: Option<String>,
    },
    /// Progress of all processes, about once a minute.
    Progress {
        /// Running tasks, each with its last logged optimiser step; 0 before the first.
        steps: Vec<(&'a Task, u64)>,
        /// Number of tasks that wait.
        waiting: usize,
    },
}
