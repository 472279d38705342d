//! Writing of output folders and files, with advice in the errors.

use std::path::Path;

use stepwise_data::io::atomic::write_atomic;

use crate::exit::{CommandResult, Failure};

/// Checks that nothing exists at `path`.
///
/// # Errors
///
/// [`Failure::Input`] when `path` exists.
pub fn must_be_new(path: &Path) -> CommandResult {
    match path.exists() {
        true => Err(Failure::input(format!("{} already exists -> name a new folder", path.display()))),
        false => Ok(()),
    }
}

/// Creates the folder `path` and its missing parents.
///
/// # Errors
///
/// [`Failure::Input`] when the folder cannot be created.
pub fn make(path: &Path) -> CommandResult {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::input(format!("{}: {error} -> name a folder that can be created and written", path.display()))
    })
}

/// Writes `text` to the file `path` atomically: after an error, no half-written file is left.
///
/// # Errors
///
/// [`Failure::Run`] when the file cannot be written.
pub fn write(path: &Path, text: &str) -> CommandResult {
    write_atomic(path, text.as_bytes()).map_err(|error| {
        Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
    })
}
