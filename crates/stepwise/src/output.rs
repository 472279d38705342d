//! Output of all commands: results go to stdout, all other lines to stderr.
//!
//! When stdout is closed, as by `stepwise ... | head`, the program exits quietly with code 0. When stderr is closed,
//! the program continues, so that a run survives the terminal that started it.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

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
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            remark(format_args!(
                "error: the result cannot be written: {error} -> free disk space, or name another file"
            ));
            process::exit(1)
        }
    }
}

/// Writes `line` to stderr and ignores write errors; the function behind [`tell`].
pub fn remark(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
