//! Plain lines about long work: when nothing was written for ten seconds, a line says what is being done and how far it
//! is.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stepwise_trainer::log::clock;

/// Longest silence.
const INTERVAL: Duration = Duration::from_secs(10);

/// Writes a line whenever the work was silent for an interval, until it is dropped.
pub struct Heartbeat {
    shared: Arc<Shared>,
}

struct Shared {
    work: Mutex<Work>,
    ended: Condvar,
}

/// What is being done.
struct Work {
    task: String,
    /// Units of work done and in total; a total of 0 is unknown.
    done: u64,
    total: u64,
    /// Units that were done when the task began.
    first: u64,
    began: Instant,
    /// Time of the last line, of this heartbeat or another part of the program.
    spoken: Instant,
    is_paused: bool,
    has_ended: bool,
}

impl Heartbeat {
    /// Starts with `task`, such as `importing cxr`, whose length is unknown.
    pub fn start(task: impl Into<String>) -> Self {
        Self::every(INTERVAL, task.into(), |line| tell!("{line}"))
    }

    fn every(interval: Duration, task: String, write: impl Fn(&str) + Send + 'static) -> Self {
        let now = Instant::now();
        let work =
            Work { task, done: 0, total: 0, first: 0, began: now, spoken: now, is_paused: false, has_ended: false };
        let shared = Arc::new(Shared { work: Mutex::new(work), ended: Condvar::new() });
        let own = Arc::clone(&shared);
        // Without a thread the work goes on in silence.
        let _ = thread::Builder::new().name("heartbeat".to_owned()).spawn(move || own.beat(interval, write));
        Self { shared }
    }

    /// Reports `done` of `total` units of `task`; with a total of 0, `done` rows of an unknown number.
    pub fn advance(&self, task: &str, done: u64, total: u64) {
        let mut work = self.shared.lock();
        if work.task != task {
            (work.task, work.first, work.began) = (task.to_owned(), done, Instant::now());
        }
        (work.done, work.total) = (done, total);
    }

    /// Reports that a line was written, so that the next silence begins now.
    pub fn spoken(&self) {
        self.shared.lock().spoken = Instant::now();
    }

    /// Writes no more lines, because a progress bar shows the work.
    pub fn pause(&self) {
        self.shared.lock().is_paused = true;
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        self.shared.lock().has_ended = true;
        self.shared.ended.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Work> {
        // The fields are valid after every assignment, also where another thread panicked.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn beat(&self, interval: Duration, write: impl Fn(&str)) {
        let mut work = self.lock();
        while !work.has_ended {
            let silence = work.spoken.elapsed();
            if silence >= interval {
                work.spoken = Instant::now();
                if !work.is_paused {
                    write(&work.line());
                }
                continue;
            }
            let waited = self.ended.wait_timeout(work, interval - silence);
            work = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Work {
    fn line(&self) -> String {
        let Self { task, done, total, first, began, .. } = self;
        let time = began.elapsed();
        if *total == 0 && *done > 0 {
            return format!("working: {task}, {done} rows read, {} so far", clock(time));
        }
        if *total == 0 {
            return format!("working: {task}, {} so far", clock(time));
        }
        if done >= total {
            return format!("working: {task}, all {total} done, completing, {} so far", clock(time));
        }
        let share = 100.0 * *done as f64 / *total as f64;
        let left = match done.saturating_sub(*first) {
            0 => String::new(),
            own => format!(", about {} left", clock(time.mul_f64((total - done) as f64 / own as f64))),
        };
        format!("working: {task}  {done}/{total}  {share:.0} %, {} so far{left}", clock(time))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn silence_is_broken_at_every_interval_until_the_work_ends() {
        let (lines, written) = mpsc::channel();
        let beat = Heartbeat::every(Duration::from_millis(20), "importing".into(), move |line| {
            let _ = lines.send(line.to_owned());
        });
        let next = || written.recv_timeout(Duration::from_secs(20)).expect("a line");
        assert_eq!(next(), "working: importing, 0:00:00 so far");
        beat.advance("importing", 7, 0);
        while !next().starts_with("working: importing, 7 rows read, 0:0") {}
        beat.advance("benchmark base", 100, 400);
        while next().contains("importing") {}
        beat.advance("benchmark base", 200, 400);
        let line = std::iter::repeat_with(next).find(|line| line.contains("200/400")).expect("a line");
        assert!(line.starts_with("working: benchmark base  200/400  50 %, 0:00:0"), "{line}");
        assert!(line.contains(" left"), "{line}");
        drop(beat);
        // The thread ends, and with it the sender.
        while written.recv_timeout(Duration::from_secs(20)).is_ok() {}
        assert_eq!(written.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }

    #[test]
    fn other_lines_put_a_line_off_and_a_bar_replaces_it() {
        let (lines, written) = mpsc::channel();
        let beat = Heartbeat::every(Duration::from_millis(400), "training".into(), move |line| {
            let _ = lines.send(line.to_owned());
        });
        for _ in 0..10 {
            thread::sleep(Duration::from_millis(50));
            beat.spoken();
        }
        assert!(written.try_recv().is_err(), "a line was written although others were");
        beat.pause();
        assert!(written.recv_timeout(Duration::from_millis(900)).is_err());
    }
}
