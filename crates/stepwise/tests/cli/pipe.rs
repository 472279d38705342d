//! Output whose reader has closed the pipe.

use std::process::Stdio;

use crate::common::{TRAINED, Workplace};

#[test]
fn a_reader_who_has_seen_enough_ends_the_command_quietly() {
    for line in ["doctor", "check cases", "data show cases", "eval run --max-cases 1 --json", "compare run run"] {
        let place = Workplace::with_run();
        place.done("data synth cases --cases 12 --seed 1 --image-size 64");
        let args: Vec<&str> = line.split(' ').collect();
        let mut child =
            place.command(&args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
        drop(child.stdout.take());
        let ended = child.wait_with_output().expect("ended");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "stepwise {line}: {said}");
        assert!(!said.contains("panicked") && !said.contains("error"), "stepwise {line}: {said}");
    }
}

#[test]
fn a_run_goes_on_when_nobody_listens() {
    let place = Workplace::new();
    let mut child = place
        .command(&["train", "recipe.toml"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stderr.take());
    let ended = child.wait_with_output().expect("ended");
    assert_eq!(ended.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&ended.stdout), TRAINED.1.stdout);
}
