//! Claims: a task is run by one process at a time, wherever it lives. A claim is a file that names its holder (host, process,
//! start of the process) and that the holder touches while it lives. It is stale once its holder is known to be gone: the process
//! has ended, or is another one under the same number; or, seen from another host, once it has not been touched for long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// How often a holder touches its claim.
const BEAT: Duration = Duration::from_secs(20);

/// After how long without that it is stale, seen from another host.
const SILENCE: Duration = Duration::from_secs(300);

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Its machine.
    pub host: String,
    /// Its process.
    pub pid: u32,
    /// When the process started, in the system's own unit, where the system tells: numbers of processes are used again.
    pub started: Option<u64>,
}

/// A claim that this process holds; dropping it gives it back.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    beat: Option<(Sender<()>, JoinHandle<()>)>,
}

/// What came of asking for a claim.
#[derive(Debug)]
pub enum Claimed {
    /// It is ours. `stale` held it before and is gone.
    Ours {
        /// Held until it is dropped.
        claim: Claim,
        /// Whose it was, if it was left behind.
        stale: Option<Holder>,
    },
    /// Another process holds it.
    Theirs(Holder),
}

impl Holder {
    fn here() -> Self {
        Self { host: host(), pid: std::process::id(), started: started(std::process::id()) }
    }

    /// Whether it is gone. `untouched` says for how long nobody has touched the claim.
    fn is_gone(&self, untouched: Duration) -> bool {
        if self.host != host() {
            return untouched > SILENCE;
        }
        // Claims of this process are not asked for twice, so one of its number was left by another.
        if self.pid == std::process::id() {
            return true;
        }
        match (started(self.pid), is_alive(self.pid)) {
            (Some(now), _) => self.started.is_some_and(|then| then != now),
            (None, Some(alive)) => !alive,
            (None, None) => untouched > SILENCE,
        }
    }
}

/// Asks for the claim at `path`.
///
/// # Errors
/// When the folder cannot be written.
pub fn claim(path: &Path) -> io::Result<Claimed> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Between looking at a stale claim and taking it nobody else may take it. Where files cannot be locked two processes that
    // find the same stale claim in the same instant both take it; creating a claim is atomic everywhere.
    let guard = OpenOptions::new().create(true).truncate(false).write(true).open(path.with_extension("claim-guard"))?;
    match guard.lock() {
        Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
        _ => {}
    }
    let mut stale = None;
    loop {
        match create(path) {
            Ok(()) => return Ok(Claimed::Ours { claim: Claim::held(path), stale }),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let Some(holder) = holder(path)? else { continue };
        if !holder.is_gone(untouched(path, &guard)?) {
            return Ok(Claimed::Theirs(holder));
        }
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => stale = Some(holder),
        }
    }
}

/// Who holds the claim at `path`, if somebody living does.
///
/// # Errors
/// When the folder cannot be read.
pub fn held(path: &Path) -> io::Result<Option<Holder>> {
    let Some(holder) = holder(path)? else { return Ok(None) };
    let age = fs::metadata(path).and_then(|found| found.modified());
    let age = age.ok().and_then(|touched| SystemTime::now().duration_since(touched).ok()).unwrap_or_default();
    Ok((!holder.is_gone(age)).then_some(holder))
}

/// Writes the claim whole before it gets its name, and only if nobody has that name.
fn create(path: &Path) -> io::Result<()> {
    let json = serde_json::to_vec(&Holder::here())?;
    let beside = stepwise_curriculum::files::beside(path, "new");
    let mut file = File::create(&beside)?;
    file.write_all(&json).and_then(|()| file.sync_all())?;
    drop(file);
    let linked = fs::hard_link(&beside, path);
    let _ = fs::remove_file(&beside);
    match linked {
        // File systems without hard links: created by name, and written at once.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            OpenOptions::new().write(true).create_new(true).open(path)?.write_all(&json)
        }
        linked => linked,
    }
}

/// Who is named in a claim; none where there is no claim. One that cannot be read names nobody that is known.
fn holder(path: &Path) -> io::Result<Option<Holder>> {
    match fs::read(path) {
        Ok(json) => {
            let unknown = Holder { host: String::new(), pid: 0, started: None };
            Ok(Some(serde_json::from_slice(&json).unwrap_or(unknown)))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// For how long a claim was not touched, by the clock of the file system, which hosts share.
fn untouched(path: &Path, guard: &File) -> io::Result<Duration> {
    guard.set_len(0)?;
    (&*guard).write_all(b"now")?;
    let (now, then) = (guard.metadata()?.modified()?, fs::metadata(path).and_then(|found| found.modified()));
    Ok(then.ok().and_then(|then| now.duration_since(then).ok()).unwrap_or_default())
}

impl Claim {
    fn held(path: &Path) -> Self {
        let (sender, asked_to_end) = channel::<()>();
        let claim = path.to_owned();
        let thread = std::thread::spawn(move || {
            while asked_to_end.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                // A claim that cannot be touched for a while becomes stale, and no worse can come of it.
                let _ =
                    OpenOptions::new().write(true).open(&claim).and_then(|file| file.set_modified(SystemTime::now()));
            }
        });
        Self { path: path.to_owned(), beat: Some((sender, thread)) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.beat.take() {
            drop(sender);
            let _ = thread.join();
        }
        let _ = fs::remove_file(&self.path);
    }
}

/// This machine's name. One without a name is told from all others by nothing, so its claims become stale by silence.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("process-{}", std::process::id()))
}

/// When a process started, in clock ticks since the machine did; none where there is no such process, or no `/proc`.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses and may hold anything; the start is the 22nd.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// Whether a process lives, where that can be asked.
fn is_alive(pid: u32) -> Option<bool> {
    if Path::new("/proc/self/stat").exists() {
        return Some(Path::new(&format!("/proc/{pid}")).exists());
    }
    if cfg!(unix) {
        let asked = std::process::Command::new("kill").args(["-0", &pid.to_string()]).output();
        return asked.ok().map(|output| output.status.success());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(path: &Path) -> (Claim, Option<Holder>) {
        match claim(path).expect("writable") {
            Claimed::Ours { claim, stale } => (claim, stale),
            Claimed::Theirs(holder) => panic!("held by {holder:?}"),
        }
    }

    fn write(path: &Path, holder: &Holder) {
        fs::write(path, serde_json::to_vec(holder).expect("JSON")).expect("written");
    }

    /// A process that lives, and is not this one.
    fn other() -> std::process::Child {
        std::process::Command::new("sleep").arg("60").spawn().expect("a process")
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
    fn the_living_keep_theirs_and_the_dead_lose_it() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let mut child = other();
        let holder = Holder { host: host(), pid: child.id(), started: started(child.id()) };
        assert!(holder.started.is_some());
        write(&path, &holder);
        assert!(matches!(claim(&path).expect("readable"), Claimed::Theirs(found) if found == holder));
        assert_eq!(held(&path).expect("readable"), Some(holder.clone()));

        child.kill().expect("ended");
        child.wait().expect("ended");
        assert_eq!(held(&path).expect("readable"), None);
        let (kept, stale) = ours(&path);
        assert_eq!(stale, Some(holder));
        drop(kept);

        // Another process under the same number.
        let mut child = other();
        let reused = Holder { host: host(), pid: child.id(), started: Some(1) };
        write(&path, &reused);
        assert_eq!(ours(&path).1, Some(reused));
        child.kill().expect("ended");
        child.wait().expect("ended");
    }

    #[test]
    fn another_hosts_claim_is_stale_after_silence_alone() {
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        let far = Holder { host: "elsewhere".into(), pid: 1, started: Some(1) };
        write(&path, &far);
        assert!(matches!(claim(&path).expect("readable"), Claimed::Theirs(holder) if holder == far));
        let file = OpenOptions::new().write(true).open(&path).expect("there");
        file.set_modified(SystemTime::now() - SILENCE - Duration::from_secs(60)).expect("touched");
        assert_eq!(ours(&path).1, Some(far));
    }

    const CHILD: &str = "STEPWISE_TEST_CLAIM_CHILD";

    /// Not a test of its own: what [`of_many_who_find_a_stale_claim_one_gets_it`] runs in processes of their own.
    #[test]
    fn child() {
        let Some(path) = std::env::var_os(CHILD) else { return };
        let claimed = claim(Path::new(&path)).expect("writable");
        let word = if matches!(claimed, Claimed::Ours { .. }) { "ours" } else { "theirs" };
        let mut out = io::stdout().lock();
        writeln!(out, "\n{word}").and_then(|()| out.flush()).expect("a pipe");
        // Held until the test has heard from all.
        let _ = io::stdin().read_line(&mut String::new());
        drop(claimed);
        std::process::exit(0); // Nobody reads what the test runner would say.
    }

    #[test]
    fn of_many_who_find_a_stale_claim_one_gets_it() {
        use std::io::{BufRead, BufReader};
        use std::process::{Command, Stdio};
        let folder = tempfile::tempdir().expect("writable");
        let path = folder.path().join("seed-1.claim");
        write(&path, &Holder { host: host(), pid: u32::MAX, started: Some(1) });
        let mut children: Vec<_> = (0..6)
            .map(|_| {
                let mut command = Command::new(std::env::current_exe().expect("this test"));
                command.args(["--exact", "study::claim::tests::child", "--nocapture"]).env(CHILD, &path);
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
        assert!(!path.exists(), "given back");
    }
}
