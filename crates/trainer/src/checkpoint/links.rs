//! Symbolic links `best` and `last` to checkpoints, replaced atomically.

use std::fs;
use std::io;
use std::path::Path;

use stepwise_data::io::atomic::{beside, sync_folder};

use super::{CheckpointError, name, step_of};

/// Name of the link, in the folder of a run, to the checkpoint of the best epoch.
pub const BEST: &str = "best";
/// Name of the link, in the folder of a run, to the newest checkpoint.
pub const LAST: &str = "last";

/// Makes the link `link_name` in the folder `run` point to the checkpoint of `step`. An existing link is replaced
/// atomically. The checkpoint need not exist.
///
/// # Errors
/// When the link cannot be created, for example because a folder with this name exists.
pub fn link(run: &Path, link_name: &str, step: u64) -> Result<(), CheckpointError> {
    let path = run.join(link_name);
    let fresh = beside(&path, "tmp");
    // A killed process with the same process id may have left this file.
    let _ = fs::remove_file(&fresh);
    let made = symlink(Path::new(&name(step)), &fresh).and_then(|()| fs::rename(&fresh, &path));
    if let Err(source) = made {
        let _ = fs::remove_file(&fresh);
        return Err(CheckpointError::Io { path, source });
    }
    sync_folder(run).map_err(CheckpointError::io(run))
}

/// Removes the link `link_name` in the folder `run`, if there is one.
///
/// # Errors
/// When the link cannot be removed.
pub fn unlink(run: &Path, link_name: &str) -> Result<(), CheckpointError> {
    let path = run.join(link_name);
    match fs::read_link(&path).and_then(|_| fs::remove_file(&path)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed.map_err(CheckpointError::io(&path)),
    }
}

/// Returns the step of the checkpoint to which the link `link_name` in the folder `run` points. None if there is no
/// such link or its target is no checkpoint name. The checkpoint itself is not looked at.
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
