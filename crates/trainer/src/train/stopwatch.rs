//! Times since the last line of the log.

use std::time::Instant;

/// Times since the last line of the log.
pub(super) struct Stopwatch {
    /// Start of the first step that the next line covers.
    pub started: Instant,
    /// Seconds spent waiting for data.
    pub waited: f64,
    /// Number of steps.
    pub steps: u64,
    /// Number of tokens of the training examples.
    pub tokens: u64,
}

impl Stopwatch {
    /// Starts a stopwatch now, without steps.
    pub fn start() -> Self {
        Self { started: Instant::now(), waited: 0.0, steps: 0, tokens: 0 }
    }
}
