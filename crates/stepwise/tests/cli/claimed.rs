//! Two processes that want to train in one folder.

use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStderr, Stdio};
use std::time::{Duration, Instant};

use crate::common::Workplace;
use crate::study::furnished;

/// A training process that has taken its first step and would go on for long, with the rest of its stderr.
fn training(place: &Workplace, args: &[&str]) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut command = place.command(args);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    assert!(said.any(|line| line.expect("text").starts_with("step ")), "ended before its first step");
    (child, said)
}

fn long_recipe() -> Workplace {
    let place = Workplace::new();
    place.edit("recipe.toml", "recipe.toml", "num_train_epochs = 1", "num_train_epochs = 80");
    place.edit("recipe.toml", "recipe.toml", "logging_steps = 2", "logging_steps = 1\nsave_steps = 2");
    place.edit("recipe.toml", "recipe.toml", "suite = \"suite.toml\"", "suite = \"none\"");
    place
}

#[test]
fn the_second_process_ends_at_once_and_leaves_the_first_alone() {
    let place = long_recipe();
    let (mut first, _said) = training(&place, &["train", "recipe.toml"]);
    let before = place.read("run/recipe.toml");
    place.edit("recipe.toml", "other.toml", "seed = 5", "seed = 6");
    for line in ["train recipe.toml", "train recipe.toml --resume", "train other.toml --set output_dir=./run/"] {
        let began = Instant::now();
        let ran = place.run(line);
        assert!(began.elapsed() < Duration::from_secs(20), "{line}");
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(3), ""), "{line}: {}", ran.stderr);
        let [error] = ran.stderr.lines().collect::<Vec<_>>()[..] else { panic!("{line}: {}", ran.stderr) };
        let pid = first.id();
        for part in
            [&format!("process {pid} on "), " (since 20", " UTC) trains in this folder -> ", &format!("`kill {pid}`")]
        {
            assert!(error.starts_with("error: ") && error.contains(part), "{line}: {error}");
        }
    }
    assert!(first.try_wait().expect("known").is_none(), "the first one goes on");
    assert_eq!(place.read("run/recipe.toml"), before);
    first.kill().expect("alive");
    first.wait().expect("ended");

    // Nobody gives the claim of a killed process back.
    assert!(place.path("run.claim").is_file());
    let ran = place.done("train recipe.toml --resume --set train.max_steps=1 --set output_dir=elsewhere");
    assert!(!ran.stderr.contains("left behind"), "another folder: {}", ran.stderr);
    let (mut third, said) = training(&place, &["train", "recipe.toml", "--resume"]);
    third.kill().expect("alive");
    third.wait().expect("ended");
    drop(said);
    let ran = place.run("train recipe.toml");
    assert_eq!(ran.code, Some(2), "{}", ran.stderr);
    let said = format!("run: left behind by process {} on ", third.id());
    assert!(
        ran.stderr.starts_with(&said)
            && ran.stderr.contains("which has ended: taken over\n")
            && ran.error().contains("error: run: the folder already contains a run -> "),
        "{}",
        ran.stderr
    );
    assert!(!place.path("run.claim").exists() && !place.path("run.claim-guard").exists(), "given back");
}

#[test]
fn of_two_that_start_together_one_trains() {
    let place = long_recipe();
    let start = || {
        let mut command = place.command(&["train", "recipe.toml", "--set", "train.max_steps=3"]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts")
    };
    let both = [start(), start()].map(|child| child.wait_with_output().expect("ended"));
    let mut codes = both.each_ref().map(|ran| ran.status.code());
    codes.sort_unstable();
    let said = both.each_ref().map(|ran| String::from_utf8_lossy(&ran.stderr).into_owned());
    assert_eq!(codes, [Some(0), Some(3)], "{said:?}");
}

#[test]
fn a_run_of_a_study_and_a_run_beside_it_exclude_each_other() {
    let place = furnished();
    place.edit("base.toml", "base.toml", "num_train_epochs = 1", "num_train_epochs = 300");
    let (mut first, _said) = training(&place, &["study", "run", "order.toml", "--task", "1"]);
    let ran = place.run("train base.toml --resume --set output_dir=out/joint/seed-1");
    assert_eq!(ran.code, Some(3), "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("process {} on ", first.id())), "{}", ran.stderr);
    first.kill().expect("alive");
    first.wait().expect("ended");
}
