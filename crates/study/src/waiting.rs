//! Waiting for the claim of a task that another process holds.

use std::time::{Duration, Instant};

use stepwise_trainer::claim::holder::{Holder, SILENCE};
use stepwise_trainer::claim::{BEAT, Claim, Claimed, claim};
use stepwise_trainer::interrupt::Interrupt;

use crate::{StudyError, Task};

/// Time between two attempts to claim a task that another process holds.
const RETRY: Duration = Duration::from_secs(1);

/// Time between two reports that the task is still waited for.
const REPORT: Duration = Duration::from_secs(60);

/// Event while a task is claimed.
#[derive(Debug)]
pub enum WaitEvent<'a> {
    /// Another process holds the claim. Reported at once, and then every minute.
    Held {
        /// The other process.
        holder: &'a Holder,
        /// Time waited so far.
        waited: Duration,
        /// Time until the claim is stale, if the holder does not touch it.
        left: Duration,
    },
    /// A stale claim was taken over.
    TakenOver {
        /// Former holder.
        holder: &'a Holder,
    },
}

/// Why a task was not claimed.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// The claim or its folder cannot be read or written.
    #[error(transparent)]
    Claim(#[from] StudyError),
    /// Another process runs the task: it is known to live or, with `no_wait`, may live.
    #[error("is being run by {0} -> wait for that process, or end it first")]
    Held(Box<Holder>),
    /// An end was requested during the wait.
    #[error("interrupted while another process ran the task -> start the same command again")]
    Interrupted,
}

/// Claims `task`. If another process holds the claim, waits until the claim is released or stale, until the process is
/// known to live, or until `interrupt` is requested. A node that failed leaves a claim that nobody touches, and the
/// scheduler starts its task again at once.
///
/// With `no_wait`, a claim of another process is an error at once. `report` receives events. `lost` is called if the
/// claim is lost later, see [`claim`].
///
/// # Errors
/// When the claim cannot be read or written, another process runs the task, or an end was requested.
pub fn wait_for_claim(
    task: &Task,
    no_wait: bool,
    interrupt: &Interrupt,
    report: &mut dyn FnMut(WaitEvent<'_>),
    lost: impl FnOnce(Option<Holder>) + Clone + Send + 'static,
) -> Result<Claim, WaitError> {
    let path = task.claim();
    let (began, mut reported) = (Instant::now(), None::<Instant>);
    loop {
        match claim(&path, lost.clone()).map_err(StudyError::file(&path))? {
            Claimed::Ours { claim, stale } => {
                if let Some(holder) = &stale {
                    report(WaitEvent::TakenOver { holder });
                }
                return Ok(claim);
            }
            Claimed::Theirs { holder, untouched } => {
                let waited = began.elapsed();
                if no_wait || is_known_to_live(waited, untouched) {
                    return Err(WaitError::Held(Box::new(holder)));
                }
                if reported.is_none_or(|reported| reported.elapsed() > REPORT) {
                    reported = Some(Instant::now());
                    report(WaitEvent::Held { holder: &holder, waited, left: SILENCE.saturating_sub(untouched) });
                }
            }
        }
        std::thread::sleep(RETRY);
        if interrupt.requested() {
            return Err(WaitError::Interrupted);
        }
    }
}

/// Whether the holder is known to live: after the time that makes a claim stale, it still touches its claim. The process of
/// a holder may also exist but be stopped; then it never touches its claim, and the wait ends after twice that time.
fn is_known_to_live(waited: Duration, untouched: Duration) -> bool {
    (waited > SILENCE && untouched < 3 * BEAT) || waited > 2 * SILENCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silent_holders_are_waited_for_and_living_ones_not_for_ever() {
        let second = Duration::from_secs(1);
        assert!(!is_known_to_live(Duration::ZERO, Duration::ZERO), "it may be about to end");
        assert!(!is_known_to_live(SILENCE, second));
        assert!(is_known_to_live(SILENCE + second, BEAT));
        // A holder that was killed during the wait is silent, but not yet long enough.
        assert!(!is_known_to_live(SILENCE + second, SILENCE / 2));
        assert!(is_known_to_live(2 * SILENCE + second, SILENCE * 2));
    }
}
