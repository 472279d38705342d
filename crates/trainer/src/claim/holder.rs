//! Holder of a claim: the identity of a process on any machine, and the check whether it has ended.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs;
use std::hash::BuildHasher;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::utc::utc;

/// Time without a touch after which a claim is stale, if its holder's process cannot be checked. It is a choice of this
/// crate, 15 times [`BEAT`](super::BEAT).
pub const SILENCE: Duration = Duration::from_secs(300);

/// The process that holds a claim. The fields together distinguish it from all other processes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// Host name of its machine; empty in a claim that cannot be read.
    pub host: String,
    /// Boot id of the machine, because machines may share a name. None where the system has none.
    pub boot: Option<String>,
    /// PID namespace of the process, because every container has a process 1. None where the system has none.
    pub pid_namespace: Option<String>,
    /// Process id; 0 in a claim that cannot be read.
    pub pid: u32,
    /// Start time of the process in clock ticks since boot, because process ids are used again. None where it is
    /// not known.
    pub started: Option<u64>,
    /// Time at which the claim was made, in seconds since 1970 (UTC). None where it is not recorded.
    pub since: Option<u64>,
    /// Random number of this claim. None in a claim that cannot be read.
    pub token: Option<u64>,
}

/// State of a process, as seen from here.
enum Seen {
    /// It is running, with its start time where that is known.
    Living(Option<u64>),
    Gone,
    Unknown,
}

impl Holder {
    /// This process as the holder of a new claim, with a new token.
    pub(super) fn here() -> Self {
        Self {
            host: host(),
            boot: fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned()),
            pid_namespace: pid_namespace(),
            pid: std::process::id(),
            started: stat("self").map(|(_, started)| started),
            since: SystemTime::UNIX_EPOCH.elapsed().ok().map(|since| since.as_secs()),
            token: Some(RandomState::new().hash_one(std::process::id())),
        }
    }

    /// Returns whether the process has ended. `untouched` is the time since the claim was last touched. A process that
    /// cannot be checked from here counts as ended after [`SILENCE`].
    pub(super) fn is_gone(&self, untouched: Duration) -> bool {
        let here = Self::here();
        if !self.is_beside(&here) {
            return untouched > SILENCE;
        }
        match look_for(self.pid) {
            Seen::Gone => true,
            Seen::Unknown => untouched > SILENCE,
            Seen::Living(started) => match (self.started, started) {
                (Some(then), Some(now)) => then != now,
                // Without start times, only a holder with this process's own id is known to have ended.
                _ => self.pid == here.pid,
            },
        }
    }
}

impl Holder {
    /// Returns whether both processes are on the same machine and in the same namespace, where process ids have the
    /// same meaning.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        (&self.host, &self.boot, &self.pid_namespace) == (&other.host, &other.boot, &other.pid_namespace)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = if self.host.is_empty() { "an unknown host" } else { &self.host };
        write!(f, "process {} on {host}", self.pid)?;
        self.since.map_or(Ok(()), |since| write!(f, " (since {})", utc(since)))
    }
}

/// Name of this machine. A machine without a name gets a name made from the process id, so that its claims become stale
/// only by silence.
fn host() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    let name = name.or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("process-{}", std::process::id()))
}

/// PID namespace of this process; None where `/proc` does not show it.
fn pid_namespace() -> Option<String> {
    let name = fs::read_link("/proc/self/ns/pid").ok()?.to_string_lossy().into_owned();
    // If `/proc` belongs to another namespace, it shows nothing about the processes of this one.
    let (own, pid) = (fs::read_link("/proc/self").ok()?, std::process::id());
    Some(if own == Path::new(&pid.to_string()) { name } else { format!("{name}, unseen by process {pid}") })
}

fn look_for(pid: u32) -> Seen {
    match stat(&pid.to_string()) {
        // A zombie no longer runs, and its parent may never collect it.
        Some((state, _)) if ["Z", "X", "x"].contains(&state.as_str()) => Seen::Gone,
        Some((_, started)) => Seen::Living(Some(started)),
        // The process does not exist, there is no `/proc`, or `/proc` hides processes of other users.
        None => match is_signalled(pid) {
            Some(true) => Seen::Living(None),
            Some(false) => Seen::Gone,
            None if Path::new("/proc/self/stat").exists() => Seen::Gone,
            None => Seen::Unknown,
        },
    }
}

/// State of a process, and its start time in clock ticks since boot. None where `/proc` does not show it.
fn stat(pid: &str) -> Option<(String, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Field 2 is the program name in parentheses and may contain anything. Field 3 is the state, field 22 the
    // start time.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.nth(18)?.parse().ok()?))
}

/// Whether the process exists, by `kill -0`; a process of another user counts. None where `kill` is not available.
fn is_signalled(pid: u32) -> Option<bool> {
    if !cfg!(unix) {
        return None;
    }
    let asked = Command::new("kill").args(["-0", &pid.to_string()]).env("LC_ALL", "C").output().ok()?;
    Some(asked.status.success() || String::from_utf8_lossy(&asked.stderr).contains("not permitted"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(SILENCE.as_secs() + 1);

    /// A running process other than this one.
    fn other() -> std::process::Child {
        Command::new("sleep").arg("60").spawn().expect("a process")
    }

    fn of(child: &std::process::Child) -> Holder {
        let (_, started) = stat(&child.id().to_string()).expect("a process");
        Holder { pid: child.id(), started: Some(started), ..Holder::here() }
    }

    fn end(mut child: std::process::Child) {
        child.kill().expect("ended");
        child.wait().expect("ended");
    }

    #[test]
    fn a_process_is_gone_once_it_has_ended_or_its_number_is_anothers() {
        let child = other();
        let holder = of(&child);
        assert!(!holder.is_gone(LONG), "it is running, however long it is silent");
        assert!(Holder { started: Some(1), ..holder.clone() }.is_gone(Duration::ZERO));
        end(child);
        assert!(holder.is_gone(Duration::ZERO));
    }

    #[test]
    fn this_process_is_not_gone_but_another_of_its_number_is() {
        let here = Holder::here();
        assert!(!here.is_gone(LONG));
        assert!(Holder { started: Some(1), ..here.clone() }.is_gone(Duration::ZERO));
        assert!(Holder { started: None, ..here }.is_gone(Duration::ZERO));
    }

    #[test]
    fn a_number_that_counts_elsewhere_says_nothing() {
        let here = Holder::here();
        assert!(here.boot.is_some() && here.pid_namespace.is_some());
        // An unused id, a used id and this process's own id, each of another boot, namespace or machine.
        let child = other();
        for (pid, started) in [(i32::MAX as u32, Some(1)), (child.id(), of(&child).started), (here.pid, here.started)] {
            for elsewhere in [
                Holder { host: "elsewhere".into(), pid, started, ..here.clone() },
                Holder { boot: Some("another".into()), pid, started, ..here.clone() },
                Holder { boot: None, pid, started, ..here.clone() },
                Holder { pid_namespace: Some("pid:[1]".into()), pid, started, ..here.clone() },
                Holder { pid_namespace: None, pid, started, ..here.clone() },
            ] {
                assert!(!elsewhere.is_gone(SILENCE), "{elsewhere:?}");
                assert!(elsewhere.is_gone(LONG), "{elsewhere:?}");
            }
        }
        end(child);
    }

    #[test]
    fn one_that_nobody_collects_is_gone() {
        let mut child = other();
        let holder = of(&child);
        child.kill().expect("ended");
        let state = || stat(&child.id().to_string()).map(|(state, _)| state);
        while state().is_some_and(|state| state != "Z") {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(state().as_deref(), Some("Z"));
        assert!(holder.is_gone(Duration::ZERO));
        child.wait().expect("ended");
    }

    #[test]
    fn a_signal_tells_the_living_from_the_dead_without_proc() {
        let child = other();
        let pid = child.id();
        assert_eq!(is_signalled(pid), Some(true));
        end(child);
        assert_eq!(is_signalled(pid), Some(false));
        assert_eq!(is_signalled(1), Some(true), "another user's, unless root runs this test");
    }

    #[test]
    fn every_claim_has_a_token_of_its_own() {
        assert_ne!(Holder::here().token, Holder::here().token);
    }
}
