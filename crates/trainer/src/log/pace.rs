//! Pace of a run: elapsed time, and remaining time from the pace of each kind of work.

use std::time::{Duration, Instant};

/// Work of one kind that this process has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Time spent on this work alone.
    pub time: Duration,
    /// Units of work done: optimiser steps, or questions asked.
    pub done: u64,
}

impl Work {
    /// Adds work.
    pub fn add(&mut self, time: Duration, done: u64) {
        self.time += time;
        self.done += done;
    }

    /// Returns the time for `left` units at the same pace; zero before the first unit.
    #[must_use]
    pub fn remaining(&self, left: u64) -> Duration {
        let seconds = if self.done == 0 { 0.0 } else { self.time.as_secs_f64() * left as f64 / self.done as f64 };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Pace of a run in this process. Optimiser steps and benchmark questions have a pace each: a long benchmark does not
/// make the steps look slow.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    began: Instant,
    /// Optimiser steps.
    pub steps: Work,
}

impl Pace {
    /// Starts the clock.
    #[must_use]
    pub fn start() -> Self {
        Self { began: Instant::now(), steps: Work::default() }
    }

    /// Returns the elapsed time since the start, and remaining time for `steps_left` optimiser steps and
    /// `questions_left` questions at the pace of `questions`, both as `h:mm:ss`.
    #[must_use]
    pub fn times(&self, steps_left: u64, questions: Work, questions_left: u64) -> (String, String) {
        let left = self.steps.remaining(steps_left).saturating_add(questions.remaining(questions_left));
        (clock(self.began.elapsed()), clock(left))
    }
}

/// Returns the text of a duration in whole seconds like Python's `timedelta`: `0:00:10`, `2 days, 3:04:05`.
#[must_use]
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let clock = format!("{}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    match days {
        0 => clock,
        1 => format!("1 day, {clock}"),
        _ => format!("{days} days, {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_like_in_python() {
        // str(timedelta(seconds=...))
        for (seconds, written) in
            [(0, "0:00:00"), (3_661, "1:01:01"), (86_400, "1 day, 0:00:00"), (183_845, "2 days, 3:04:05")]
        {
            assert_eq!(clock(Duration::from_secs(seconds)), written);
        }
    }

    #[test]
    fn the_remaining_time_follows_from_the_pace_of_each_kind_of_work() {
        let work = |seconds, done| Work { time: Duration::from_secs(seconds), done };
        assert_eq!(work(20, 4).remaining(10), Duration::from_secs(50));
        assert_eq!(work(20, 0).remaining(10), Duration::ZERO);
        assert_eq!(work(u64::MAX, 1).remaining(u64::MAX), Duration::MAX);
        // A benchmark of an hour before the first step does not slow down the steps.
        let mut pace = Pace::start();
        pace.steps.add(Duration::from_secs(10), 5);
        assert_eq!(pace.times(30, work(3600, 3600), 0).1, "0:01:00");
        assert_eq!(pace.times(30, work(3600, 3600), 120).1, "0:03:00");
    }
}
