//! Ctrl-C handling: the first signal requests an orderly end, the second ends the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a process that an interrupt ended: 128 plus the number of SIGINT, as shells use it.
pub const EXIT_CODE: i32 = 130;

/// Request to stop in an orderly way, shared by all clones.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Creates an interrupt that is not requested and not connected to signals.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Handles Ctrl-C and the signals with which schedulers end a job (SIGTERM, SIGHUP). The first signal requests
    /// an orderly end and calls `first`. The second signal ends the process at once with [`EXIT_CODE`]. Checkpoints
    /// are renamed into place when complete, so no checkpoint is damaged. To be called once, by the program and not
    /// by a library.
    ///
    /// # Errors
    /// When the process already has a handler.
    pub fn listen(first: impl Fn() + Send + 'static) -> Result<Self, ctrlc::Error> {
        let interrupt = Self::new();
        let shared = interrupt.clone();
        ctrlc::set_handler(move || {
            if shared.0.swap(true, Ordering::SeqCst) {
                stepwise_vlm::exit_process(EXIT_CODE);
            }
            first();
        })?;
        Ok(interrupt)
    }

    /// Requests an orderly end, on all clones.
    pub fn request(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Returns whether an end was requested. The run then finishes its step, saves and returns.
    #[must_use]
    pub fn requested(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::*;

    const CHILD: &str = "STEPWISE_TEST_INTERRUPT_CHILD";

    /// Runs in a separate process, started by [`one_request_stops_the_run_and_two_end_the_process`].
    #[test]
    #[ignore = "started by another test"]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let say = |word: &str| {
            let mut out = std::io::stdout().lock();
            writeln!(out, "\n{word}").and_then(|()| out.flush()).expect("a pipe");
        };
        let interrupt = Interrupt::listen(move || say("asked")).expect("the first to listen");
        assert!(Interrupt::listen(|| ()).is_err(), "a second listener is refused");
        say("ready");
        std::thread::sleep(Duration::from_secs(60));
        assert!(interrupt.requested());
    }

    #[test]
    fn one_request_stops_the_run_and_two_end_the_process() {
        for signal in ["-INT", "-TERM"] {
            let mut child = Command::new(std::env::current_exe().expect("this test"))
                .args(["--exact", "interrupt::tests::child", "--ignored", "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .spawn()
                .expect("started");
            let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
            let mut wait_for = |word: &str| assert!(lines.any(|line| line.expect("text") == word), "no {word}");
            let send = || {
                let status = Command::new("kill").args([signal, &child.id().to_string()]).status();
                assert!(status.expect("kill exists").success());
            };
            wait_for("ready");
            send();
            wait_for("asked");
            send();
            assert_eq!(child.wait().expect("ended").code(), Some(EXIT_CODE));
        }
    }

    #[test]
    fn clones_share_the_request() {
        let interrupt = Interrupt::new();
        let other = interrupt.clone();
        assert!(!other.requested());
        interrupt.request();
        assert!(other.requested());
    }
}
