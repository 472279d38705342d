//! Runs the tasks of a study as processes of this same program, a few at a time.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stepwise_study::holder::Holder;
use stepwise_study::task::TaskStatus;
use stepwise_study::{Study, Task};
use stepwise_trainer::interrupt::{self, Interrupt};

use super::{clock, held, holder_name, name};
use crate::exit::{self, CommandResult, Failure};

/// Interval between checks of the running processes.
const TICK: Duration = Duration::from_millis(100);

/// Interval between checks of tasks that other processes run.
const LOOK: Duration = Duration::from_secs(5);

/// Interval between progress lines.
const LINE: Duration = Duration::from_secs(60);

/// A running process of a task.
struct Running<'a> {
    task: &'a Task,
    child: Child,
    slot: usize,
    began: Instant,
}

/// Runs all unfinished tasks, at most `jobs` at the same time. Slot n uses device n modulo the number of `devices`.
/// Tasks that other processes run are checked again while own tasks run.
///
/// # Errors
///
/// [`Failure::Run`] when runs failed, [`Failure::Held`] when other processes run the rest, [`Failure::Interrupted`]
/// when the user interrupts the command, and any failure to read task states or start processes.
pub fn run(study: &Study, file: &Path, jobs: usize, devices: &[Option<String>]) -> CommandResult {
    let interrupt =
        Interrupt::listen(|| tell!("\nstopping: every run finishes its step and saves; again to leave at once"))
            .map_err(Failure::run)?;
    let say = |task: &Task, what: &str| {
        tell!("[{}/{}] {}: {what}", task.number + 1, study.tasks.len(), name(study, task));
    };
    let mut waiting: VecDeque<&Task> = VecDeque::new();
    for task in &study.tasks {
        match task.stage()? {
            TaskStatus::Finished => say(task, "finished before"),
            _ => waiting.push_back(task),
        }
    }
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut elsewhere: BTreeMap<usize, Holder> = BTreeMap::new();
    let mut failed: Vec<String> = Vec::new();
    let (mut stopping, mut said, mut looked) = (false, Instant::now(), None::<Instant>);
    loop {
        if interrupt.requested() && !stopping {
            stopping = true;
            running.iter_mut().for_each(stop);
        }
        // Each waiting task is checked once per round; a task that another process runs waits for the next round.
        let mut left = if looked.is_none_or(|at| at.elapsed() > LOOK) { waiting.len() } else { 0 };
        while left > 0 && running.len() < jobs && !interrupt.requested() {
            let Some(task) = waiting.pop_front() else { break };
            (left, looked) = (left - 1, Some(Instant::now()));
            // The claim is checked before the state, because a process records the end of a task before it
            // releases the claim.
            if let Some(holder) = held(task)? {
                if elsewhere.get(&task.number) != Some(&holder) {
                    say(task, &format!("is being run by {}", holder_name(&holder)));
                    elsewhere.insert(task.number, holder);
                }
                waiting.push_back(task);
                continue;
            }
            if task.stage()? == TaskStatus::Finished {
                say(task, "finished by another process");
                continue;
            }
            let slot = (0..jobs).find(|slot| running.iter().all(|other| other.slot != *slot)).unwrap_or_default();
            let device = devices[slot % devices.len()].as_deref();
            let child = start(study, file, task, jobs, device)?;
            let on = device.map_or_else(String::new, |device| format!(" on {device}"));
            say(task, &format!("started{on}, process {}", child.id()));
            running.push(Running { task, child, slot, began: Instant::now() });
        }
        // With no own process left, the waiting tasks are run by other processes, or must not start because
        // of the interrupt.
        if running.is_empty() {
            break;
        }
        let mut still = Vec::new();
        for mut process in running {
            let Some(status) = process.child.try_wait().map_err(Failure::run)? else {
                still.push(process);
                continue;
            };
            looked = None;
            let (task, took) = (process.task, clock(process.began.elapsed()));
            match status.code() {
                Some(0) => say(task, &format!("finished in {took}")),
                Some(interrupt::EXIT_CODE) if stopping => say(task, &format!("saved and stopped after {took}")),
                // Another process claimed the task first.
                Some(code) if code == i32::from(exit::HELD) => waiting.push_back(task),
                code => {
                    failed.push(name(study, task));
                    let how = code.map_or("was killed".to_owned(), |code| format!("failed with exit code {code}"));
                    let log = task.log();
                    say(task, &format!("{how} after {took}, see {}: {}", log.display(), last_words(&log)));
                }
            }
        }
        running = still;
        if said.elapsed() > LINE && !running.is_empty() {
            said = Instant::now();
            let done: Vec<String> = running.iter().map(|process| how_far(study, process.task)).collect();
            tell!("running: {}; {} waiting", done.join(", "), waiting.len());
        }
        std::thread::sleep(TICK);
    }
    if interrupt.requested() {
        tell!("interrupted: run the same command again to continue the runs");
        return Err(Failure::Interrupted);
    }
    for task in &waiting {
        let who = elsewhere.get(&task.number).map_or("another process".to_owned(), holder_name);
        say(task, &format!("not finished, is being run by {who}"));
    }
    if !failed.is_empty() {
        let (many, names) = (runs(failed.len()), failed.join(", "));
        return Err(Failure::run(format!(
            "{many} failed: {names} -> read the logs, fix the cause, and start the same command again"
        )));
    }
    if !waiting.is_empty() {
        return Err(Failure::Held(format!(
            "the study is not finished: {} left to other processes -> start the same command again once they have ended",
            runs(waiting.len())
        )));
    }
    Ok(())
}

fn runs(count: usize) -> String {
    if count == 1 { "1 run".to_owned() } else { format!("{count} runs") }
}

/// Starts the process of a task in a process group of its own, so that Ctrl-C stops it only through [`stop`].
fn start(study: &Study, file: &Path, task: &Task, jobs: usize, device: Option<&str>) -> Result<Child, Failure> {
    let path = task.log();
    let unwritable = |error| {
        Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
    };
    fs::create_dir_all(path.parent().unwrap_or(&study.file.output_dir)).map_err(unwritable)?;
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(unwritable)?;
    let mut command = Command::new(std::env::current_exe().map_err(Failure::run)?);
    command.args(["study", "run"]).arg(file).args(["--task", &task.number.to_string(), "--no-wait"]);
    command.args(device.into_iter().flat_map(|device| ["--device", device]));
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(unwritable)?).stderr(log);
    // Concurrent runs share the processor's cores; otherwise each would use all of them.
    const THREADS: &str = "RAYON_NUM_THREADS";
    if jobs > 1 && std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        command.env(THREADS, (cores / jobs).max(1).to_string());
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(Failure::run)
}

/// Sends SIGTERM, after which the process finishes its step and saves. Where no signal can be sent, the
/// process is killed.
fn stop(process: &mut Running<'_>) {
    #[cfg(unix)]
    let asked = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().is_ok();
    #[cfg(not(unix))]
    let asked = false;
    if !asked {
        let _ = process.child.kill(); // The run resumes from its last checkpoint.
    }
}

/// Formats the name of a task and its last logged step.
fn how_far(study: &Study, task: &Task) -> String {
    let step = fs::read_to_string(task.folder().join("trainer_log.jsonl")).ok().and_then(|log| {
        let last = serde_json::from_str::<serde_json::Value>(log.lines().last()?).ok()?;
        last["current_steps"].as_u64()
    });
    format!("{} step {}", name(study, task), step.unwrap_or_default())
}

/// Returns the last line of a log that is not blank.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("the log is empty").to_owned()
}
