//! Ctrl-C during training and evaluation.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use crate::common::Workplace;

#[test]
fn it_saves_and_ends_with_130_and_resume_completes_the_run() {
    let place = Workplace::new();
    place.edit("recipe.toml", "recipe.toml", "num_train_epochs = 1", "num_train_epochs = 4");
    place.edit("recipe.toml", "recipe.toml", "logging_steps = 2", "logging_steps = 1");
    place.copy("recipe.toml", "my recipe.toml");
    let train =
        ["train", "my recipe.toml", "--set", "benchmark.suite=none", "--set", "output_dir=run", "--device", "cpu"];
    let mut child =
        place.command(&train).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.starts_with("step ") {
        line.clear();
        assert!(said.read_line(&mut line).expect("text") > 0, "ended before its first step");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    let output = child.wait_with_output().expect("ended");
    assert_eq!(output.status.code(), Some(130), "{rest}");
    let shown = String::from_utf8(output.stdout).expect("text");
    let next = shown.lines().last().and_then(|line| line.strip_prefix("next    stepwise ")).expect("what to do next");
    assert_eq!(next, "train 'my recipe.toml' --set benchmark.suite=none --set output_dir=run --device cpu --resume");
    assert!(rest.contains("finishing the step and saving; again to leave at once"), "{rest}");
    let end = rest.lines().last().expect("lines");
    let step =
        end.strip_prefix("interrupted after step ").and_then(|end| end.strip_suffix(": continue with `--resume`"));
    let step: u64 = step.unwrap_or_else(|| panic!("ends with {end}")).parse().expect("a step");
    assert!(place.path(&format!("run/checkpoint-{step}/digest.json")).is_file());

    let ran = place.done("train recipe.toml --resume --set benchmark.suite=none");
    let total: u64 = ran.stderr.lines().next().and_then(|line| line.rsplit(' ').next()?.parse().ok()).expect("a total");
    assert!(
        ran.stderr.starts_with(&format!("resumed after step {step} of {total}\n")) && step < total,
        "{}",
        ran.stderr
    );
    assert!(place.path(&format!("run/checkpoint-{total}")).is_dir());
    let first = format!("step {:>6}/{total}", step + 1);
    assert_eq!(
        ran.stderr.lines().find(|line| line.starts_with("step ")).map(|line| &line[..first.len()]),
        Some(&*first)
    );
}

#[test]
fn twice_leaves_at_once() {
    let place = Workplace::new();
    // Long steps, so that the second Ctrl-C arrives during a step.
    let line = "train recipe.toml --set benchmark.suite=none --set train.gradient_accumulation_steps=32 \
                --set data.synth.cases=200 --set train.logging_steps=1";
    let mut child = place
        .command(&line.split_whitespace().collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines().map(|line| line.expect("text"));
    let interrupt = || {
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
        assert!(sent.success());
    };
    assert!(said.any(|line| line.starts_with("step ")), "ended before its first step");
    interrupt();
    assert!(said.any(|line| line == "finishing the step and saving; again to leave at once"));
    interrupt();
    let rest: Vec<String> = said.collect();
    assert_eq!(child.wait().expect("ended").code(), Some(130), "{rest:?}");
    assert!(rest.iter().all(|line| !line.starts_with("interrupted after step")), "it finished the step: {rest:?}");
    assert!(!place.path("run/last").exists(), "nothing was to be saved yet");
}

#[test]
fn an_evaluation_stops_between_two_answers_and_the_same_command_goes_on() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 80 --seed 1 --image-size 64");
    let line = ["eval", "run", "--data", "cases", "--split", "train", "--max-cases", "60"];
    let mut child =
        place.command(&line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the command starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped"));
    let mut first = String::new();
    while !first.starts_with("base: ") {
        first.clear();
        assert!(said.read_line(&mut first).expect("text") > 0, "ended before the base was asked");
    }
    let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill exists");
    assert!(sent.success());
    let mut rest = String::new();
    said.read_to_string(&mut rest).expect("text");
    let output = child.wait_with_output().expect("ended");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(130), &b""[..]), "{rest}");
    assert!(
        rest.contains("interrupted; all answers so far are stored: run the same command again to continue"),
        "{rest}"
    );
    assert!(!rest.contains("tuned: "), "{rest}");

    let again = place.done(&line.join(" "));
    let asked = first.trim_start_matches("base: ").split(' ').next().expect("a number");
    assert!(again.stderr.contains(&format!("base: 0 answers computed, {asked} reused")), "{}", again.stderr);
}
