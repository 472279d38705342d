//! A run that is killed twenty times, at random moments of every kind of work, and resumed each time.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use stepwise_data::random::stream;
use stepwise_trainer::checkpoint::newest_complete;

use crate::common::Workplace;

/// Work at whose start the delay before the kill begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// Any work: the process was just started.
    Starting,
    /// Training steps.
    Stepping,
    /// Writing a checkpoint.
    Saving,
    /// Benchmark after an epoch.
    Testing,
}

/// Kinds of work, with the longest delay before the kill in milliseconds.
const MOMENTS: [(Work, u64); 4] =
    [(Work::Starting, 1500), (Work::Stepping, 40), (Work::Saving, 8), (Work::Testing, 60)];

const LINE: &str =
    "train recipe.toml --set train.save_steps=1 --set train.logging_steps=1 --set train.save_total_limit=3";

/// Kills a run twenty times, with a new run when one finishes earlier, and compares each run with an undisturbed one.
pub fn twenty_times() {
    let whole = Workplace::new();
    whole.done(LINE);
    let expected = left(&whole.path("run"));
    assert!(expected.len() > 20, "{:?}", expected.keys());

    let mut place = Workplace::new();
    let mut killed: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = 0;
    while count < 20 {
        let (work, within) = MOMENTS[count % MOMENTS.len()];
        let delay = rand::Rng::random_range(&mut stream(11, &["kill", &count.to_string()]), 0..within * 1000);
        if kill(&place, work, Duration::from_micros(delay)) {
            *killed.entry(format!("{work:?}")).or_default() += 1;
            count += 1;
        } else {
            compare(&place.path("run"), &expected);
            place = Workplace::new();
        }
    }
    place.done(&format!("{LINE} --resume"));
    compare(&place.path("run"), &expected);
    assert_eq!(killed.values().copied().collect::<Vec<_>>(), [5; 4], "{killed:?}");
}

/// Starts or resumes the run, and kills it `delay` after it has begun `work`. Returns false if the run finished before.
fn kill(place: &Workplace, work: Work, delay: Duration) -> bool {
    let run = place.path("run");
    let before = Before::of(&run);
    let mut child = place
        .command(&format!("{LINE} --resume").split(' ').collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the command starts");
    let ended = |child: &mut Child| match child.try_wait().expect("known") {
        Some(status) => {
            assert!(status.success(), "ended by itself with {status}");
            true
        }
        None => false,
    };
    while !before.has_begun(work, &run) {
        if ended(&mut child) {
            return false;
        }
        std::thread::sleep(Duration::from_micros(200));
    }
    std::thread::sleep(delay);
    if ended(&mut child) {
        return false;
    }
    child.kill().expect("alive");
    child.wait().expect("ended");
    true
}

/// State of a run before it is started again.
struct Before {
    step: u64,
    answers: u64,
}

impl Before {
    fn of(run: &Path) -> Self {
        Self { step: newest_complete(run).map_or(0, |(newest, _)| newest.unwrap_or(0)), answers: answers(run) }
    }

    fn has_begun(&self, work: Work, run: &Path) -> bool {
        match work {
            Work::Starting => true,
            Work::Stepping => logged(run) > self.step,
            Work::Testing => answers(run) > self.answers,
            Work::Saving => names(run).iter().any(|name| name.starts_with("checkpoint-") && name.contains(".tmp-")),
        }
    }
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// Total length of the answer journals, in bytes.
fn answers(run: &Path) -> u64 {
    let tested = run.join("benchmark");
    let journals = names(&tested).into_iter().map(|name| tested.join(name).join("outcomes.part.jsonl"));
    journals.filter_map(|path| std::fs::metadata(path).ok()).map(|about| about.len()).sum()
}

/// Last step in the log; 0 without one.
fn logged(run: &Path) -> u64 {
    let log = std::fs::read_to_string(run.join("trainer_log.jsonl")).unwrap_or_default();
    let steps = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["current_steps"].as_u64());
    steps.max().unwrap_or(0)
}

/// Content of every file and target of every link of a run, without the times in the log and without files of times.
fn left(run: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![run.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for name in names(&folder) {
            let path = folder.join(&name);
            let about = path.strip_prefix(run).expect("below").to_path_buf();
            if path.is_symlink() {
                found.insert(
                    about,
                    std::fs::read_link(&path).expect("a link").to_string_lossy().into_owned().into_bytes(),
                );
            } else if path.is_dir() && name != "runs" {
                folders.push(path);
            } else if name == "trainer_log.jsonl" {
                found.insert(about, timeless(&path).into_bytes());
            } else if path.is_file() && name != "environment.json" {
                found.insert(about, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

fn timeless(log: &Path) -> String {
    let text = std::fs::read_to_string(log).expect("a log");
    let lines = text.lines().map(|line| {
        let mut line: Value = serde_json::from_str(line).expect("JSON");
        let line = line.as_object_mut().expect("an object");
        for key in [
            "elapsed_time",
            "remaining_time",
            "wait_for_data",
            "seconds_per_step",
            "tokens_per_second",
            "peak_memory_mib",
        ] {
            line.remove(key);
        }
        format!("{}\n", Value::Object(line.clone()))
    });
    lines.collect()
}

fn compare(run: &Path, expected: &BTreeMap<PathBuf, Vec<u8>>) {
    let found = left(run);
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, bytes) in expected {
        assert!(found[name] == *bytes, "{} differs", name.display());
    }
}
