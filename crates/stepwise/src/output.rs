//! The one place that writes: results go to stdout, all else to stderr.
//!
//! Whoever reads may stop reading, as `stepwise ... | head` does. Once nobody reads results the program ends quietly; nobody
//! reading the rest ends nothing, so that a run outlives the terminal it was started from.

use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::process;

/// Writes a line of results; takes what `format!` takes.
macro_rules! say {
    () => { $crate::output::result(format_args!("")) };
    ($($part:tt)*) => { $crate::output::result(format_args!($($part)*)) };
}

/// Writes a line about what happens; takes what `format!` takes.
macro_rules! tell {
    ($($part:tt)*) => { $crate::output::remark(format_args!($($part)*)) };
}

/// See [`say`].
pub fn result(line: Arguments<'_>) {
    match writeln!(io::stdout().lock(), "{line}") {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => process::exit(0),
        Err(error) => {
            remark(format_args!("error: the result cannot be written: {error} -> make room, or name another file"));
            process::exit(1)
        }
    }
}

/// See [`tell`].
pub fn remark(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
