//! Claims: only one process at a time, on any machine, trains in the folder of a run.
//!
//! A claim is a file that names its holder. The holder touches it regularly. A claim is stale when its holder's process
//! has ended, or when that process cannot be checked from here and the file was not touched for [`SILENCE`](holder::SILENCE). Another
//! process may take over a stale claim. A holder that lost its claim in this way must stop its work at once.

pub mod holder;
pub mod run;
#[cfg(test)]
mod tests;
mod utc;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use holder::Holder;
use stepwise_data::io::bounded;
use stepwise_data::io::encoding::without_mark;

/// Time between two touches of a claim by its holder; well below [`SILENCE`](holder::SILENCE), so that a few
/// missed touches do no harm.
pub const BEAT: Duration = Duration::from_secs(20);

/// A claim that this process holds. Dropping it releases the claim.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    holder: Holder,
    beat: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Result of an attempt to claim a run.
#[derive(Debug)]
pub enum Claimed {
    /// This process now holds the claim.
    Ours {
        /// The claim, held until it is dropped.
        claim: Claim,
        /// Former holder of a stale claim that was taken over; None when there was no claim.
        stale: Option<Holder>,
    },
    /// Another process holds the claim.
    Theirs {
        /// The holder.
        holder: Holder,
        /// Time since the claim was last touched.
        untouched: Duration,
    },
}

/// Tries to take the claim at `path`; its folder is created, and a guard file beside it. A stale claim is taken over. A
/// thread of the claim calls `lost` if the claim is later found to belong to another holder, with that holder, or to be
/// removed, with None. The caller must then stop at once the work that the claim protects.
///
/// # Errors
/// When the folder or the claim cannot be read or written.
pub fn claim(path: &Path, lost: impl FnOnce(Option<Holder>) + Send + 'static) -> io::Result<Claimed> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let guard = locked(path)?;
    let here = Holder::here();
    let mut stale = None;
    loop {
        match create(path, &here) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let Some(holder) = holder(path)? else { continue };
        // The file decides: a network file system may report our own new file as already existing.
        if holder == here {
            return Ok(Claimed::Ours { claim: Claim::held(path, here, BEAT, lost), stale });
        }
        let untouched = untouched(path, now(&guard)?);
        if !holder.is_gone(untouched) {
            return Ok(Claimed::Theirs { holder, untouched });
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => stale = Some(holder),
        }
    }
}

/// Returns the holder of the claim at `path`. None when there is no claim or it is stale. The claim is not changed.
///
/// # Errors
/// When the claim cannot be read.
pub fn held(path: &Path) -> io::Result<Option<Holder>> {
    let Some(holder) = holder(path)? else { return Ok(None) };
    // A process without write access uses the clock of this machine.
    let guard = OpenOptions::new().write(true).open(guard(path));
    let now = guard.and_then(|guard| now(&guard)).unwrap_or_else(|_| SystemTime::now());
    Ok((!holder.is_gone(untouched(path, now))).then_some(holder))
}

fn guard(path: &Path) -> PathBuf {
    path.with_extension("claim-guard")
}

/// Opens and locks the guard file of a claim, so that no other process acts between reading a claim and removing it.
/// Without file locks, two processes that find the same stale claim at the same moment both take it, and one of them
/// loses it at its next touch. Creating a claim is atomic on every file system.
fn locked(path: &Path) -> io::Result<File> {
    loop {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(guard(path))?;
        match file.lock() {
            Err(error) if !is_without_locks(&error) => return Err(error),
            _ if is_at(&file, &guard(path)) => return Ok(file),
            // Another process removed the guard when it gave its claim back: a lock on it no longer protects.
            _ => {}
        }
    }
}

/// Whether `path` still names the open file.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let number = |found: &fs::Metadata| (found.dev(), found.ino());
    matches!((file.metadata(), fs::metadata(path)), (Ok(file), Ok(at)) if number(&file) == number(&at))
}

/// Whether `path` still names the open file: always, because the guard is not removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Whether the error means that the file system has no locks, as is common on clusters.
fn is_without_locks(error: &io::Error) -> bool {
    const NO_LOCKS: i32 = if cfg!(target_os = "linux") { 37 } else { 77 };
    error.kind() == io::ErrorKind::Unsupported || cfg!(unix) && error.raw_os_error() == Some(NO_LOCKS)
}

/// Writes the claim to a temporary file and links it to `path`; fails if `path` already exists.
fn create(path: &Path, holder: &Holder) -> io::Result<()> {
    let json = serde_json::to_vec(holder)?;
    let beside = stepwise_data::io::atomic::beside(path, "new");
    let mut file = File::create(&beside)?;
    file.write_all(&json).and_then(|()| file.sync_all())?;
    drop(file);
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    match linked {
        // Without hard links the file is created under its name and written directly.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).create_new(true).open(path)?.write_all(&json)
        }
        linked => linked,
    }
}

/// Holder named in a claim file; None when the file does not exist.
fn holder(path: &Path) -> io::Result<Option<Holder>> {
    match bounded::bytes(path) {
        Ok(json) => Ok(Some(named(&json))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Holder named in the text of a claim; the default holder when the text cannot be parsed.
fn named(json: &[u8]) -> Holder {
    serde_json::from_slice(without_mark(json)).unwrap_or_default()
}

/// Current time by the clock of the file system, which all hosts share.
fn now(guard: &File) -> io::Result<SystemTime> {
    guard.set_len(0)?;
    (&*guard).write_all(b"now")?;
    guard.metadata()?.modified()
}

/// Time since a claim was last touched; zero when it cannot be read.
fn untouched(path: &Path, now: SystemTime) -> Duration {
    let then = fs::metadata(path).and_then(|found| found.modified());
    then.ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default()
}

/// Touches a claim if `holder` still holds it. Otherwise the inner error is the present holder, or None when the claim
/// is gone.
fn touch(path: &Path, holder: &Holder) -> io::Result<Result<(), Option<Holder>>> {
    let mut file = match OpenOptions::new().read(true).write(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Err(None)),
        opened => opened?,
    };
    let mut json = Vec::new();
    (&mut file).take(bounded::LARGEST).read_to_end(&mut json)?;
    let found = named(&json);
    if found != *holder {
        return Ok(Err(Some(found)));
    }
    // Rewriting the same text updates the modification time by the file system's clock. A process that takes the claim
    // at this moment makes a new file, which this write does not change.
    file.rewind()?;
    file.write_all(&json)?;
    file.sync_all()?;
    Ok(Ok(()))
}

impl Claim {
    fn held(path: &Path, holder: Holder, every: Duration, lost: impl FnOnce(Option<Holder>) + Send + 'static) -> Self {
        let (sender, asked_to_end) = channel::<()>();
        let (claim, of) = (path.to_owned(), holder.clone());
        let thread = std::thread::spawn(move || {
            while asked_to_end.recv_timeout(every) == Err(RecvTimeoutError::Timeout) {
                // An I/O error is ignored: if the claim becomes stale and is taken meanwhile, a later touch detects it.
                if let Ok(Err(taker)) = touch(&claim, &of) {
                    return lost(taker);
                }
            }
        });
        Self { path: path.to_owned(), holder, beat: Some((sender, thread)) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.beat.take() {
            drop(sender);
            let _ = thread.join();
        }
        // A claim that cannot be checked, or that another process holds, stays. Ours becomes stale when this
        // process ends.
        let Ok(_guard) = locked(&self.path) else { return };
        if holder(&self.path).is_ok_and(|found| found.as_ref() == Some(&self.holder)) {
            let _ = fs::remove_file(&self.path);
            if cfg!(unix) {
                let _ = fs::remove_file(guard(&self.path));
            }
        }
    }
}
