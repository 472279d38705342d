//! Claim of the folder of a run.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::holder::{Holder, SILENCE};
use super::{Claim, Claimed, claim};
use crate::checkpoint::{CheckpointError, RunFolder};

/// Why the folder of a run is not claimed.
#[derive(Debug, thiserror::Error)]
pub enum RunClaimError {
    /// Another process trains in the folder.
    #[error("{}: {}", folder.display(), held(holder, *untouched))]
    Held {
        /// Folder of the run.
        folder: PathBuf,
        /// The other process.
        holder: Box<Holder>,
        /// Time since its claim was last touched.
        untouched: Duration,
    },
    /// The path cannot be the folder of a run.
    #[error(transparent)]
    Folder(#[from] CheckpointError),
    /// The claim cannot be read or written.
    #[error("{}: {error} -> check that the folder is writable and the disk has room, or name another `output_dir`", path.display())]
    File {
        /// Path of the claim.
        path: PathBuf,
        /// The cause.
        error: io::Error,
    },
}

fn held(holder: &Holder, untouched: Duration) -> String {
    let other = "for another run, name another `output_dir`";
    if holder.is_beside(&Holder::here()) {
        let pid = holder.pid;
        return format!(
            "{holder} trains in this folder -> wait until the process has ended, or end it with `kill {pid}`; {other}"
        );
    }
    let (touched, silence) = (untouched.as_secs(), SILENCE.as_secs());
    format!(
        "{holder} trains in this folder, with its last sign of life {touched} s ago -> wait until the process has ended, \
         or end it on its machine: {silence} s after its last sign of life the folder is taken over; {other}"
    )
}

/// Returns the path of the claim of the run in `folder`: `FOLDER.claim`, beside the folder. A link is followed, so that
/// a folder has one claim. The file may be missing.
#[must_use]
pub fn path_of(folder: &Path) -> PathBuf {
    // A folder has one claim, also when links lead to it.
    let whole = match folder.is_symlink() || folder.file_name().is_none() {
        true => fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned()),
        false => folder.to_owned(),
    };
    match whole.file_name() {
        Some(name) => {
            let mut name = name.to_owned();
            name.push(".claim");
            whole.with_file_name(name)
        }
        None => inside(&whole),
    }
}

fn inside(folder: &Path) -> PathBuf {
    folder.join("run.claim")
}

/// Claims the folder of a run at once, or fails. Returns the claim, and the former holder of a stale claim that was
/// taken over. The claim lies inside the folder where this process cannot write beside it. `lost` is called if the
/// claim is lost later, see [`claim`].
///
/// # Errors
/// When another process holds the claim, the path or a parent is a file, or the claim cannot be read or written.
pub fn claim_run(
    folder: &Path,
    lost: impl FnOnce(Option<Holder>) + Clone + Send + 'static,
) -> Result<(Claim, Option<Holder>), RunClaimError> {
    RunFolder::check_path(folder)?;
    let mut path = path_of(folder);
    let mut claimed = claim(&path, lost.clone());
    if claimed.as_ref().is_err_and(is_denied) && path != inside(folder) {
        path = inside(folder);
        claimed = claim(&path, lost);
    }
    match claimed.map_err(|error| RunClaimError::File { path, error })? {
        Claimed::Ours { claim, stale } => Ok((claim, stale)),
        Claimed::Theirs { holder, untouched } => {
            Err(RunClaimError::Held { folder: folder.to_owned(), holder: Box::new(holder), untouched })
        }
    }
}

fn is_denied(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(taker: Option<Holder>) {
        panic!("lost to {taker:?}");
    }

    #[test]
    fn the_claim_lies_beside_the_folder_and_keeps_its_whole_name() {
        for (folder, claim) in
            [("out/run", "out/run.claim"), ("out/run/", "out/run.claim"), ("r.v1", "r.v1.claim"), ("/", "/run.claim")]
        {
            assert_eq!(path_of(Path::new(folder)), Path::new(claim), "{folder}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_to_a_folder_lead_to_its_claim() {
        let place = tempfile::tempdir().expect("writable");
        let place = place.path().canonicalize().expect("there");
        fs::create_dir_all(place.join("disk/run")).expect("writable");
        std::os::unix::fs::symlink(place.join("disk/run"), place.join("link")).expect("writable");
        assert_eq!(path_of(&place.join("link")), place.join("disk/run.claim"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_second_claim_names_the_process_its_time_and_what_to_do() {
        let place = tempfile::tempdir().expect("writable");
        let folder = place.path().join("run");
        let (kept, stale) = claim_run(&folder, lost).expect("free");
        assert_eq!(stale, None);
        let said = claim_run(&folder, lost).expect_err("held").to_string();
        let pid = std::process::id();
        for part in [&format!("process {pid} on "), " (since 20", &format!("`kill {pid}`"), "`output_dir`"] {
            assert!(said.contains(part), "{said}");
        }
        drop(kept);
        let far = Holder { host: "elsewhere".into(), pid: 7, ..Holder::default() };
        fs::write(path_of(&folder), serde_json::to_vec(&far).expect("JSON")).expect("written");
        let said = claim_run(&folder, lost).expect_err("held").to_string();
        for part in ["process 7 on elsewhere trains", "last sign of life 0 s ago", "300 s"] {
            assert!(said.contains(part), "{said}");
        }
        let dead = Holder { pid: i32::MAX as u32, started: Some(1), ..Holder::here() };
        fs::write(path_of(&folder), serde_json::to_vec(&dead).expect("JSON")).expect("written");
        assert_eq!(claim_run(&folder, lost).expect("stale").1, Some(dead));
    }
}
