//! Window of requests under way: it grows while the server keeps up, and shrinks when it does not.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Requests under way at the start.
const START: f64 = 8.0;
/// Share of the window that is left after an overload, as in the congestion control of TCP.
const AFTER_OVERLOAD: f64 = 0.5;
/// Share of the window that is left when answers have become slow.
const AFTER_SLOW: f64 = 0.8;
/// Ratio of the mean latency to the smallest mean latency above which answers are slow.
const SLOW: f64 = 4.0;
/// Weight of the newest latency in the mean.
const NEWEST: f64 = 0.1;
/// Answers before latencies count.
const WARM: u64 = 16;
/// Longest sleep between two looks at the interrupt.
const LOOK: Duration = Duration::from_millis(50);

/// How a request ended, for the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// The server answered in this time.
    Answered(Duration),
    /// The server is overloaded, or did not answer in time. It may ask for a pause of all requests.
    Overload(Option<Duration>),
    /// Another failure, which says nothing about the load.
    Failed,
}

/// Number of requests that may be under way, between 1 and a maximum.
#[derive(Debug)]
pub(super) struct Window {
    most: f64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    limit: f64,
    under_way: usize,
    /// Whether the window has never shrunk, so that it grows by one with every answer.
    is_fresh: bool,
    cut: Option<Instant>,
    paused: Option<Instant>,
    answers: u64,
    mean: f64,
    smallest: f64,
}

impl Window {
    /// Creates a window of at most `most` requests, at least one.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        let state = State {
            limit: START.min(most),
            under_way: 0,
            is_fresh: true,
            cut: None,
            paused: None,
            answers: 0,
            mean: 0.0,
            smallest: f64::INFINITY,
        };
        Self { most, state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits for a place in the window and takes it. Returns false, and takes none, once `is_stopped` returns true.
    pub(super) fn enter(&self, is_stopped: &dyn Fn() -> bool) -> bool {
        let mut state = self.state();
        loop {
            if is_stopped() {
                return false;
            }
            let now = Instant::now();
            state.paused = state.paused.filter(|end| *end > now);
            if state.paused.is_none() && (state.under_way as f64) < state.limit.floor() {
                state.under_way += 1;
                return true;
            }
            let wait = state.paused.map_or(LOOK, |end| (end - now).min(LOOK));
            state = self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Gives the place back and changes the window by how the request ended.
    pub(super) fn leave(&self, ended: Ended) {
        let mut state = self.state();
        state.under_way = state.under_way.saturating_sub(1);
        match ended {
            Ended::Answered(latency) => state.answered(latency.as_secs_f64(), self.most),
            Ended::Overload(pause) => {
                state.cut(AFTER_OVERLOAD);
                let end = pause.map(|pause| Instant::now() + pause);
                state.paused = state.paused.max(end);
            }
            Ended::Failed => {}
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Returns how many requests may be under way now.
    #[cfg(test)]
    pub(super) fn limit(&self) -> usize {
        self.state().limit as usize
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn answered(&mut self, latency: f64, most: f64) {
        self.answers += 1;
        self.mean = if self.answers == 1 { latency } else { (1.0 - NEWEST) * self.mean + NEWEST * latency };
        if self.answers >= WARM {
            self.smallest = self.smallest.min(self.mean);
        }
        if self.answers > WARM && self.mean > SLOW * self.smallest {
            self.cut(AFTER_SLOW);
        } else {
            let growth = if self.is_fresh { 1.0 } else { 1.0 / self.limit };
            self.limit = (self.limit + growth).min(most);
        }
    }

    /// Shrinks the window to a share, at most once in the time of an answer: requests that were sent together fail
    /// together.
    fn cut(&mut self, share: f64) {
        let now = Instant::now();
        let settled = Duration::from_secs_f64(self.mean.clamp(0.01, 10.0));
        if self.cut.is_some_and(|cut| now - cut < settled) {
            return;
        }
        self.cut = Some(now);
        self.is_fresh = false;
        self.limit = (self.limit * share).max(1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Ended = Ended::Answered(Duration::from_millis(1));

    fn answer(window: &Window, ended: Ended) {
        assert!(window.enter(&|| false));
        window.leave(ended);
    }

    #[test]
    fn the_window_grows_with_answers_and_halves_on_overload() {
        let window = Window::new(32);
        assert_eq!(window.limit(), 8);
        (0..40).for_each(|_| answer(&window, FAST));
        assert_eq!(window.limit(), 32, "never above the maximum");
        answer(&window, Ended::Overload(None));
        assert_eq!(window.limit(), 16);
        answer(&window, Ended::Overload(None));
        assert_eq!(window.limit(), 16, "requests that were sent together shrink it once");
        answer(&window, Ended::Failed);
        (0..17).for_each(|_| answer(&window, FAST));
        assert_eq!(window.limit(), 17, "it then grows by one in a round");
    }

    #[test]
    fn slow_answers_shrink_the_window() {
        let window = Window::new(32);
        (0..40).for_each(|_| answer(&window, FAST));
        (0..40).for_each(|_| answer(&window, Ended::Answered(Duration::from_secs(1))));
        assert!(window.limit() < 32, "{}", window.limit());
    }

    #[test]
    fn a_pause_holds_all_requests_back_and_a_stop_ends_the_wait() {
        let window = Window::new(4);
        answer(&window, Ended::Overload(Some(Duration::from_secs(3600))));
        let looks = std::cell::Cell::new(0);
        let is_stopped = || {
            looks.set(looks.get() + 1);
            looks.get() > 3
        };
        assert!(!window.enter(&is_stopped));
    }
}
