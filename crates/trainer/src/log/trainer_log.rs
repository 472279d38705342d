//! `trainer_log.jsonl`: one JSON object per line, each with `current_steps`.

use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};
use stepwise_data::io::atomic::write_atomic;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;

use super::append::Appender;

/// The open file `trainer_log.jsonl`.
pub struct TrainerLog {
    file: Appender,
}

/// Log line of the end of an epoch.
#[derive(Deserialize)]
struct EpochEnd {
    current_steps: u64,
    epoch: f64,
    #[serde(rename = "metrics")]
    _metrics: serde_json::Map<String, serde_json::Value>,
}

/// Reads the completed epochs of a run from its log at `path`: number of the epoch and optimiser steps at its end, in
/// order. Epochs without a benchmark are included.
///
/// # Errors
/// When the log cannot be read.
pub fn tested_steps(path: &Path) -> io::Result<Vec<(u32, u64)>> {
    let text = bounded::text(path)?;
    let ends = text.lines().filter_map(|line| serde_json::from_str::<EpochEnd>(line).ok());
    Ok(ends.map(|end| (end.epoch as u32, end.current_steps)).collect())
}

/// Point from which a run is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumed {
    /// Completed optimiser steps.
    pub step: u64,
    /// Whether the epoch that ends at this step still has to be evaluated. Its log line is then dropped
    /// and written again.
    pub untested: bool,
}

/// Keys of a log line that decide whether it stays: `current_steps` is in every line, `metrics` only at the end
/// of an epoch.
#[derive(Deserialize)]
struct Step {
    current_steps: u64,
    metrics: Option<serde::de::IgnoredAny>,
}

impl TrainerLog {
    /// Creates a new log at `path`. If `resumed` is given, continues the existing log: later lines and damaged
    /// lines are removed.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(path: &Path, resumed: Option<Resumed>) -> io::Result<Self> {
        let kept = match (resumed, fs::read(path)) {
            (Some(resumed), Ok(lines)) => up_to(without_mark(&lines), resumed),
            (None, Ok(_)) => Vec::new(),
            (_, Err(error)) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            (_, Err(error)) => return Err(error),
        };
        write_atomic(path, &kept)?;
        let file = OpenOptions::new().write(true).open(path)?;
        Ok(Self { file: Appender::new(file, kept.len() as u64) })
    }

    /// Adds a line, which is written by the next [`TrainerLog::flush`].
    pub fn append(&mut self, line: &impl Serialize) {
        // Serialising fails only for maps with keys that are not strings, which lines do not have.
        if let Ok(mut line) = serde_json::to_vec(line) {
            line.push(b'\n');
            self.file.push(&line);
        }
    }

    /// Writes all added lines. Returns the error of a failed write, but None if the previous flush failed as well;
    /// unwritten lines are kept for the next flush.
    pub fn flush(&mut self) -> Option<io::Error> {
        self.file.flush()
    }
}

/// The complete lines of a log that stay when a run is resumed.
fn up_to(lines: &[u8], Resumed { step, untested }: Resumed) -> Vec<u8> {
    let stays = |line: &Step| match line.metrics {
        Some(_) if untested => line.current_steps < step,
        _ => line.current_steps <= step,
    };
    lines
        .split_inclusive(|byte| *byte == b'\n')
        .filter(|line| line.ends_with(b"\n"))
        .filter(|line| serde_json::from_slice::<Step>(line).is_ok_and(|line| stays(&line)))
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(path: &Path) -> Vec<u64> {
        let text = fs::read_to_string(path).expect("there");
        text.lines().map(|line| serde_json::from_str::<Step>(line).expect("whole").current_steps).collect()
    }

    #[test]
    fn a_resumed_log_has_no_line_twice_and_no_incomplete_line() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("trainer_log.jsonl");
        let log = |resumed: Option<u64>, steps: std::ops::RangeInclusive<u64>| {
            let resumed = resumed.map(|step| Resumed { step, untested: false });
            let mut log = TrainerLog::open(&path, resumed).expect("writable");
            for step in steps {
                log.append(&serde_json::json!({ "current_steps": step }));
                assert!(log.flush().is_none());
            }
        };
        log(None, 1..=5);
        fs::write(&path, [fs::read(&path).expect("there"), b"{\"current_steps\": 6, \"lo".to_vec()].concat())
            .expect("writable");
        log(Some(3), 4..=6);
        assert_eq!(lines(&path), [1, 2, 3, 4, 5, 6]);
        log(None, 1..=2);
        assert_eq!(lines(&path), [1, 2], "a new run begins a new log");
    }

    #[test]
    fn an_incomplete_last_line_is_removed() {
        let resumed = Resumed { step: 9, untested: false };
        assert_eq!(up_to(b"{\"current_steps\":1}\n{\"current_steps\":2}", resumed), b"{\"current_steps\":1}\n");
        assert_eq!(up_to(b"\xff\xfe\n{\"current_steps\":1}\nnull\n", resumed), b"{\"current_steps\":1}\n");
    }

    #[test]
    fn the_end_of_an_epoch_that_is_evaluated_again_is_logged_once() {
        let log =
            b"{\"current_steps\":4,\"metrics\":{}}\n{\"current_steps\":8}\n{\"current_steps\":8,\"metrics\":{}}\n";
        let kept = |untested| up_to(log, Resumed { step: 8, untested }).split(|byte| *byte == b'\n').count() - 1;
        assert_eq!((kept(false), kept(true)), (3, 2));
    }
}
