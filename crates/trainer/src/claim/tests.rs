use super::*;
use crate::claim::holder::SILENCE;

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
fn a_claim_is_given_back_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("writable");
    let path = folder.path().join("run/seed-1.claim");
    let (held_now, stale) = ours(&path);
    assert!(stale.is_none() && path.is_file());
    drop(held_now);
    assert!(!path.exists());
    let left: Vec<_> = fs::read_dir(folder.path().join("run")).expect("there").flatten().collect();
    // On systems without file numbers the guard stays.
    assert_eq!(left.len(), usize::from(!cfg!(unix)), "{left:?}");
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
    stepwise_vlm::exit_process(0); // Skips the output of the test runner, which nobody reads.
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
