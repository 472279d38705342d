//! `best` and `last`: symbolic links to checkpoints, replaced in one step.

use std::fs;
use std::io;
use std::path::Path;

use stepwise_data::io::atomic::{beside, sync_folder};

use super::{CheckpointError, name, step_of};

/// The checkpoint chosen by its metric.
pub const BEST: &str = "best";
/// The newest checkpoint.
pub const LAST: &str = "last";

/// Points the link `link_name` of a run at the checkpoint of `step`.
///
/// # Errors
/// When the file system refuses, among other things because a folder of that name is in the way.
pub fn link(run: &Path, link_name: &str, step: u64) -> Result<(), CheckpointError> {
    let path = run.join(link_name);
    let fresh = beside(&path, "tmp");
    // Left by a process that was killed and had the same number.
    let _ = fs::remove_file(&fresh);
    let made = symlink(Path::new(&name(step)), &fresh).and_then(|()| fs::rename(&fresh, &path));
    if let Err(source) = made {
        let _ = fs::remove_file(&fresh);
        return Err(CheckpointError::Io { path, source });
    }
    sync_folder(run).map_err(CheckpointError::io(run))
}

/// Removes the link `link_name` of a run, if there is one.
///
/// # Errors
/// When the file system refuses.
pub fn unlink(run: &Path, link_name: &str) -> Result<(), CheckpointError> {
    let path = run.join(link_name);
    match fs::read_link(&path).and_then(|_| fs::remove_file(&path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(CheckpointError::io(&path)),
    }
}

/// The step the link points at; nothing when there is no such link.
#[must_use]
pub fn linked(run: &Path, link_name: &str) -> Option<u64> {
    fs::read_link(run.join(link_name)).ok().and_then(|target| step_of(&target.to_string_lossy()))
}

#[cfg(unix)]
fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, at)
}

#[cfg(windows)]
fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_dir(target, at)
}
