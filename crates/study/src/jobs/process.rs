//! One child process that runs a task.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use stepwise_trainer::cases::LeakRule;

use super::{JobError, JobOptions};
use crate::{Study, StudyError, Task};

/// Environment variable with the number of threads of a process.
const THREADS: &str = "RAYON_NUM_THREADS";

/// A running child process.
pub(super) struct Process<'a> {
    pub task: &'a Task,
    pub child: Child,
    /// Number of its place among the processes, below `jobs`.
    pub slot: usize,
    pub began: Instant,
}

impl<'a> Process<'a> {
    /// Starts the process of `task` on `device` (None for the default). Its output is appended to the log of the task.
    /// The process is in a process group of its own, so that a Ctrl-C reaches it only once, through [`Process::stop`].
    ///
    /// # Errors
    /// When the log cannot be written, or the process cannot be started.
    pub fn start(
        task: &'a Task,
        study: &Study,
        options: JobOptions<'_>,
        slot: usize,
        device: Option<&str>,
    ) -> Result<Self, JobError> {
        let path = task.log();
        let unwritable = |error| JobError::File(StudyError::file(&path)(error));
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).map_err(unwritable)?;
        let log = OpenOptions::new().create(true).append(true).open(&path).map_err(unwritable)?;
        let mut command = Command::new(options.program);
        command.args(["study", "run"]).arg(&study.path).args(["--task", &task.number.to_string(), "--no-wait"]);
        if study.leaks == LeakRule::Allow {
            command.arg("--allow-leaks");
        }
        command.args(device.into_iter().flat_map(|device| ["--device", device]));
        command.stdin(Stdio::null()).stdout(log.try_clone().map_err(unwritable)?).stderr(log);
        // Processes at the same time share the cores; otherwise each would use all of them.
        if options.jobs > 1 && std::env::var_os(THREADS).is_none() {
            let cores = std::thread::available_parallelism().map_or(1, usize::from);
            command.env(THREADS, (cores / options.jobs).max(1).to_string());
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let child = command.spawn().map_err(|error| JobError::Process { program: options.program.into(), error })?;
        Ok(Self { task, child, slot, began: Instant::now() })
    }

    /// Requests that the process finishes its step, saves and ends. Where a signal cannot be sent, kills the process;
    /// the run is then resumed from its last checkpoint.
    pub fn stop(&mut self) {
        #[cfg(unix)]
        let requested = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().is_ok();
        #[cfg(not(unix))]
        let requested = false;
        if !requested {
            let _ = self.child.kill();
        }
    }

    /// Returns the last logged optimiser step of the run; 0 before the first, or where the log cannot be read.
    pub fn step(&self) -> u64 {
        let step = fs::read_to_string(self.task.folder().join("trainer_log.jsonl")).ok().and_then(|log| {
            let last = serde_json::from_str::<serde_json::Value>(log.lines().last()?).ok()?;
            last["current_steps"].as_u64()
        });
        step.unwrap_or_default()
    }
}

/// Returns the last line of a log that is not blank, without blanks at its ends. None when there is none or the log
/// cannot be read.
pub(super) fn last_line(log: &Path) -> Option<String> {
    let text = String::from_utf8_lossy(&fs::read(log).ok()?).into_owned();
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned)
}
