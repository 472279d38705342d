//! Claims: only one process at a time, on any machine, runs a task.
//!
//! A claim is a file that names its holder. The holder touches it regularly. A claim is stale when its holder's process
//! has ended, or when that process cannot be checked from here and the file was not touched for [`SILENCE`](crate::holder::SILENCE). Another
//! process may take over a stale claim. A holder that lost its claim in this way must stop its work at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use super::holder::Holder;

/// Time between two touches of a claim by its holder; well below [`SILENCE`](crate::holder::SILENCE), so that a few
/// missed touches do no harm.
pub const BEAT: Duration = Duration::from_secs(20);

/// A claim that this process holds. Dropping it releases the claim.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    holder: Holder,
    beat: Option<(Sender<()>, JoinHandle<()>)>,
}

/// Result of an attempt to claim a task.
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
    let guard = OpenOptions::new().create(true).truncate(false).write(true).open(guard(path))?;
    match guard.lock() {
        Err(error) if !is_without_locks(&error) => Err(error),
        _ => Ok(guard),
    }
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
    match fs::read(path) {
        Ok(json) => Ok(Some(named(&json))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Holder named in the text of a claim; the default holder when the text cannot be parsed.
fn named(json: &[u8]) -> Holder {
    serde_json::from_slice(json).unwrap_or_default()
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
    file.read_to_end(&mut json)?;
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
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::holder::SILENCE;

    const SHORT: Duration = Duration::from_millis(5);

    fn ask(path: &Path) -> Claimed {
        claim(path, |taker| panic!("lost to {taker:?}")).expect("writable")
    }

    fn ours(path: &Path) -> (Claim, Option<Holder>) {
        match ask(path) {
            Claimed::Ours { claim, stale } => (claim, stale),
            Claimed::Theirs { holder, .. } => panic!("held by {holder:?}"),
        }
    }

    /// Writes a claim of a holder on another machine; it becomes stale only by silence.
    fn write(path: &Path) -> Holder {
        let far = Holder { host: "elsewhere".into(), pid: 1, started: Some(1), ..Holder::here() };
        fs::write(path, serde_json::to_vec(&far).expect("JSON")).expect("written");
        far
    }

    fn set_age(path: &Path, age: Duration) {
        let file = OpenOptions::new().write(true).open(path).expect("there");
        file.set_modified(SystemTime::now() - age).expect("touched");
    }

    #[test]
    fn a_claim_is_given_back_and_leaves_nothing_but_the_guard() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("run/seed-1.claim");
        let (held_now, stale) = ours(&path);
        assert!(stale.is_none() && path.is_file());
        drop(held_now);
        assert!(!path.exists());
        let left: Vec<_> = fs::read_dir(folder.path().join("run")).expect("there").flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_this_process_holds_it_does_not_get_again() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let (kept, _) = ours(&path);
        assert!(matches!(ask(&path), Claimed::Theirs { holder, .. } if holder == kept.holder));
        assert_eq!(held(&path).expect("readable").as_ref(), Some(&kept.holder));
        drop(kept);
        assert_eq!(held(&path).expect("readable"), None);
    }

    #[test]
    fn another_hosts_claim_is_stale_after_silence_alone() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let far = write(&path);
        set_age(&path, SILENCE / 2);
        let Claimed::Theirs { holder, untouched } = ask(&path) else { panic!("not stale yet") };
        assert_eq!(holder, far);
        assert!(untouched >= SILENCE / 2 && untouched < SILENCE, "{untouched:?}");
        assert_eq!(held(&path).expect("readable"), Some(far.clone()));
        set_age(&path, SILENCE + Duration::from_secs(60));
        assert_eq!(held(&path).expect("readable"), None);
        assert_eq!(ours(&path).1, Some(far));
    }

    #[test]
    fn a_claim_that_nobody_can_read_is_stale_after_silence() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        fs::write(&path, "{").expect("written");
        assert!(matches!(ask(&path), Claimed::Theirs { holder, .. } if holder == Holder::default()));
        set_age(&path, SILENCE + Duration::from_secs(60));
        assert_eq!(ours(&path).1, Some(Holder::default()));
    }

    #[test]
    fn a_beat_touches_by_the_clock_of_the_file_system() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let here = Holder::here();
        create(&path, &here).expect("written");
        set_age(&path, SILENCE);
        touch(&path, &here).expect("writable").expect("ours");
        let guard = locked(&path).expect("writable");
        assert!(untouched(&path, now(&guard).expect("writable")) < SILENCE / 2);
        assert_eq!(holder(&path).expect("readable"), Some(here), "the text is unchanged");
    }

    #[test]
    fn who_lost_a_claim_is_told_and_leaves_it_to_its_taker() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        for taken in [false, true] {
            let here = Holder::here();
            create(&path, &here).expect("written");
            let (sender, lost) = channel();
            let kept = Claim::held(&path, here, SHORT, move |taker| sender.send(taker).expect("heard"));
            assert!(lost.recv_timeout(10 * SHORT).is_err(), "the claim is still held");
            fs::remove_file(&path).expect("there");
            // A holder with another token is another holder, even in the same process.
            let taker = taken.then(Holder::here);
            if let Some(taker) = &taker {
                create(&path, taker).expect("written");
            }
            let told = lost.recv_timeout(Duration::from_secs(10)).expect("told");
            assert!(told == taker || told.is_none(), "{told:?}"); // The claim was briefly absent.
            drop(kept);
            assert_eq!(holder(&path).expect("readable"), taker);
        }
    }

    #[test]
    fn a_claim_taken_between_two_beats_is_left_to_its_taker() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let (kept, _) = ours(&path);
        let taker = write(&path);
        drop(kept);
        assert_eq!(holder(&path).expect("readable"), Some(taker));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn where_there_are_no_locks_there_are_claims() {
        let of = |code| is_without_locks(&io::Error::from_raw_os_error(code));
        let (enolck, enosys, eopnotsupp, eio) = (37, 38, 95, 5);
        assert!(of(enolck) && of(enosys) && of(eopnotsupp) && !of(eio));
    }

    const CHILD: &str = "STEPWISE_TEST_CLAIM_CHILD";

    /// Not a test of its own: [`of_many_who_find_a_stale_claim_one_gets_it`] runs it in child processes.
    #[test]
    fn child() {
        let Some(path) = std::env::var_os(CHILD) else { return };
        let claimed = ask(Path::new(&path));
        let word = if matches!(claimed, Claimed::Ours { .. }) { "ours" } else { "theirs" };
        let mut out = io::stdout().lock();
        writeln!(out, "\n{word}").and_then(|()| out.flush()).expect("a pipe");
        // Held until the test has read the output of all children.
        let _ = io::stdin().read_line(&mut String::new());
        drop(claimed);
        std::process::exit(0); // Skips the output of the test runner, which nobody reads.
    }

    #[test]
    fn of_many_who_find_a_stale_claim_one_gets_it() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let dead = Holder { pid: i32::MAX as u32, started: Some(1), ..Holder::here() };
        fs::write(&path, serde_json::to_vec(&dead).expect("JSON")).expect("written");
        let mut children: Vec<_> = (0..6)
            .map(|_| {
                let mut command = Command::new(std::env::current_exe().expect("this test"));
                command.args(["--exact", "claim::tests::child", "--nocapture"]).env(CHILD, &path);
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("started")
            })
            .collect();
        let said: Vec<String> = children
            .iter_mut()
            .map(|child| {
                let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
                lines.find_map(|line| line.ok().filter(|line| line == "ours" || line == "theirs")).expect("a word")
            })
            .collect();
        for mut child in children {
            drop(child.stdin.take());
            child.wait().expect("ended");
        }
        assert_eq!(said.iter().filter(|word| *word == "ours").count(), 1, "{said:?}");
        assert!(!path.exists(), "released");
    }
}
