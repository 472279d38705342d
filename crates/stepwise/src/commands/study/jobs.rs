//! Runs the tasks of a study as processes of this same program, a few at a time.

use std::collections::VecDeque;
use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use stepwise_trainer::interrupt::{self, Interrupt};
use stepwise_trainer::study::task::Stage;
use stepwise_trainer::study::{Study, Task};

use super::{held, holder_name};
use crate::exit::{Failure, Outcome};

/// How often the processes are looked after.
const TICK: Duration = Duration::from_millis(100);

/// How often a line says how far they are.
const LINE: Duration = Duration::from_secs(60);

/// A process under way.
struct Running<'a> {
    task: &'a Task,
    child: Child,
    slot: usize,
    began: Instant,
}

/// How a task is called: its arm and its seed.
pub fn name(study: &Study, task: &Task) -> String {
    format!("{} seed-{}", study.arms[task.arm].name, task.seed)
}

/// Runs all tasks that are not finished, `jobs` at once; slot n uses device n, counted round.
pub fn run(study: &Study, file: &Path, jobs: usize, devices: &[Option<String>]) -> Outcome {
    let interrupt = Interrupt::listen(|| tell!("\nstopping: every run finishes its step and saves; again to leave"))
        .map_err(Failure::run)?;
    let total = study.tasks.len();
    let mut waiting: VecDeque<&Task> = VecDeque::new();
    for task in &study.tasks {
        let say = |what: &str| tell!("[{}/{total}] {}: {what}", task.number + 1, name(study, task));
        match (task.stage()?, held(task)?) {
            (Stage::Finished, _) => say("finished before"),
            (_, Some(holder)) => say(&format!("is being run by {}", holder_name(&holder))),
            _ => waiting.push_back(task),
        }
    }
    let mut running: Vec<Running<'_>> = Vec::new();
    let mut failed: Vec<String> = Vec::new();
    let (mut stopping, mut said) = (false, Instant::now());
    while !running.is_empty() || (!waiting.is_empty() && !interrupt.requested()) {
        if interrupt.requested() && !stopping {
            stopping = true;
            running.iter_mut().for_each(stop);
        }
        while !interrupt.requested() && running.len() < jobs {
            let Some(task) = waiting.pop_front() else { break };
            let slot = (0..jobs).find(|slot| running.iter().all(|other| other.slot != *slot)).unwrap_or_default();
            let device = devices[slot % devices.len()].as_deref();
            let child = start(study, file, task, jobs, device)?;
            let on = device.map_or_else(String::new, |device| format!(" on {device}"));
            tell!("[{}/{total}] {}: started{on}, process {}", task.number + 1, name(study, task), child.id());
            running.push(Running { task, child, slot, began: Instant::now() });
        }
        let mut still = Vec::new();
        for mut process in running {
            match process.child.try_wait().map_err(Failure::run)? {
                None => still.push(process),
                Some(status) => {
                    let label = name(study, process.task);
                    let took = clock(process.began.elapsed());
                    let log = process.task.log();
                    let what = match status.code() {
                        Some(0) => format!("finished in {took}"),
                        Some(interrupt::EXIT_CODE) if stopping => format!("saved and stopped after {took}"),
                        code => {
                            failed.push(label.clone());
                            let how =
                                code.map_or("was killed".to_owned(), |code| format!("failed with exit code {code}"));
                            format!("{how} after {took}, see {}: {}", log.display(), last_words(&log))
                        }
                    };
                    tell!("[{}/{total}] {label}: {what}", process.task.number + 1);
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
        tell!("interrupted: the same command goes on where the runs were left");
        return Err(Failure::Interrupted);
    }
    if failed.is_empty() {
        return Ok(());
    }
    let many = if failed.len() == 1 { "1 run".to_owned() } else { format!("{} runs", failed.len()) };
    let names = failed.join(", ");
    Err(Failure::run(format!(
        "{many} failed: {names} -> read the logs, mend the cause, and start the same command again"
    )))
}

/// Starts the process of a task. It stands in a process group of its own, so that a Ctrl-C reaches it once, from here.
fn start(study: &Study, file: &Path, task: &Task, jobs: usize, device: Option<&str>) -> Result<Child, Failure> {
    let path = task.log();
    let unwritable = |error| {
        Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
    };
    fs::create_dir_all(path.parent().unwrap_or(&study.file.output_dir)).map_err(unwritable)?;
    let log = OpenOptions::new().create(true).append(true).open(&path).map_err(unwritable)?;
    let mut command = Command::new(std::env::current_exe().map_err(Failure::run)?);
    command.arg("study").arg(file).args(["--task", &task.number.to_string()]);
    command.args(device.into_iter().flat_map(|device| ["--device", device]));
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(unwritable)?).stderr(log);
    // Runs side by side share the processor's cores instead of each taking all of them.
    const THREADS: &str = "RAYON_NUM_THREADS";
    if jobs > 1 && std::env::var_os(THREADS).is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        command.env(THREADS, (cores / jobs).max(1).to_string());
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command.spawn().map_err(Failure::run)
}

/// Asks a process to finish its step and save.
fn stop(process: &mut Running<'_>) {
    #[cfg(unix)]
    let asked = Command::new("kill").args(["-TERM", &process.child.id().to_string()]).status().is_ok();
    #[cfg(not(unix))]
    let asked = false;
    if !asked {
        let _ = process.child.kill(); // It is resumed from its last checkpoint.
    }
}

/// The task's name and its last logged step.
fn how_far(study: &Study, task: &Task) -> String {
    let step = fs::read_to_string(task.folder().join("trainer_log.jsonl")).ok().and_then(|log| {
        let last = serde_json::from_str::<serde_json::Value>(log.lines().last()?).ok()?;
        last["current_steps"].as_u64()
    });
    format!("{} step {}", name(study, task), step.unwrap_or_default())
}

/// The last line of a log that says something.
fn last_words(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it says nothing").to_owned()
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
