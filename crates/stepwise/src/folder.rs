//! Folders and files that commands write.

use std::path::Path;

use stepwise_data::io::atomic::write_atomic;

use crate::exit::{CommandResult, Failure};

/// Refuses a place where something is already.
pub fn must_be_new(path: &Path) -> CommandResult {
    match path.exists() {
        true => Err(Failure::input(format!("{} exists already -> name a new folder", path.display()))),
        false => Ok(()),
    }
}

/// Makes a folder and those above it.
pub fn make(path: &Path) -> CommandResult {
    std::fs::create_dir_all(path).map_err(|error| {
        Failure::input(format!("{}: {error} -> name a folder that can be made and written", path.display()))
    })
}

/// Writes a file, whole or not at all.
pub fn write(path: &Path, text: &str) -> CommandResult {
    write_atomic(path, text.as_bytes()).map_err(|error| {
        Failure::run(format!("{}: {error} -> check that the folder is writable and the disk has room", path.display()))
    })
}
