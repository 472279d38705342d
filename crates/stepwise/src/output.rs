//! Output of all commands: results go to stdout, all other lines to stderr.
//!
//! When stdout is closed, as by `stepwise ... | head`, the program exits quietly with code 0. When stderr is closed,
//! the program continues, so that a run survives the terminal that started it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicU8, Ordering};

use stepwise_vlm::exit_process;

/// Writes one line of results to stdout; takes the arguments of `format!`.
macro_rules! say {
    () => { $crate::output::result(format_args!("")) };
    ($($part:tt)*) => { $crate::output::result(format_args!($($part)*)) };
}

/// Writes one line of progress or remarks to stderr; takes the arguments of `format!`.
macro_rules! tell {
    ($($part:tt)*) => { $crate::output::remark(format_args!($($part)*)) };
}

/// Writes `line` to stdout; the function behind [`say`]. Exits with code 0 when stdout is closed, and with code 1 on
/// any other write error.
pub fn result(line: Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => exit_process(0),
        Err(error) => {
            remark(format_args!(
                "error: the result cannot be written: {error} -> free disk space, or name another file"
            ));
            exit_process(1)
        }
    }
}

/// Writes one line of details to stderr, with `--verbose` only; takes the arguments of `format!`.
macro_rules! detail {
    ($($part:tt)*) => { $crate::output::detailed(format_args!($($part)*)) };
}

/// How much is written to stderr.
static LEVEL: AtomicU8 = AtomicU8::new(NORMAL);

const QUIET: u8 = 0;
const NORMAL: u8 = 1;
const VERBOSE: u8 = 2;

/// Sets how much is written to stderr for the rest of the program: `quiet` warnings and errors only, `verbose` details
/// as well.
pub fn choose(quiet: bool, verbose: bool) {
    let level = if quiet {
        QUIET
    } else if verbose {
        VERBOSE
    } else {
        NORMAL
    };
    LEVEL.store(level, Ordering::Relaxed);
}

/// Returns whether only warnings and errors are written to stderr.
pub fn is_quiet() -> bool {
    LEVEL.load(Ordering::Relaxed) == QUIET
}

/// Writes `line` to stderr and ignores write errors; the function behind [`tell`]. With `--quiet` only warnings and
/// errors are written.
pub fn remark(line: Arguments<'_>) {
    let text = line.to_string();
    let matters = ["error", "warning"].iter().any(|word| text.trim_start().starts_with(word));
    if matters || !is_quiet() {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}

/// Writes `line` to stderr with `--verbose`; the function behind [`detail`].
pub fn detailed(line: Arguments<'_>) {
    if LEVEL.load(Ordering::Relaxed) == VERBOSE {
        remark(line);
    }
}
