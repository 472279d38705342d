//! Paths: the home folder `~`, `./`, and names with blanks in the commands that are shown.

use std::process::Command;

use crate::common::{Ran, Workplace};

/// Runs the command with the folder `home` of the workplace as the home folder.
fn at_home(place: &Workplace, args: &[&str]) -> Ran {
    let mut command: Command = place.command(args);
    command.env("HOME", place.path("home")).env("USERPROFILE", place.path("home"));
    command.output().expect("the command starts").into()
}

fn done(place: &Workplace, args: &[&str]) -> Ran {
    let ran = at_home(place, args);
    assert_eq!(ran.code, Some(0), "{args:?}\n{}\n{}", ran.stdout, ran.stderr);
    ran
}

#[test]
fn the_home_folder_is_found_in_recipes_studies_and_arguments() {
    let place = Workplace::new();
    std::fs::create_dir(place.path("home")).expect("made");
    place.copy("model", "home/model");
    place.copy("suite.toml", "home/suite.toml");
    done(&place, &["data", "synth", "~/cases", "--cases", "24", "--image-size", "64"]);
    assert!(place.path("home/cases/cases.jsonl").is_file());
    done(&place, &["check", "~/cases"]);
    let recipe = place.read("recipe.toml");
    let recipe = recipe
        .replace("\"model\"", "\"~/model\"")
        .replace("\"run\"", "\"~/run\"")
        .replace("synth = { cases = 24, seed = 2, image_size = 64 }", "dataset = [\"~/cases\"]")
        .replace("\"suite.toml\"", "\"~/suite.toml\"");
    place.write("home/recipe.toml", &recipe);
    let cache = "train.feature_cache_dir=~/features";
    let set = ["--set", "train.max_steps=1", "--set", cache];
    let said = done(&place, &[&["train", "~/recipe.toml"], &set[..]].concat());
    let run = place.path("home/run");
    assert!(run.join("last").exists() && place.path("home/features").is_dir());
    assert!(said.stdout.contains(&run.display().to_string()), "{}", said.stdout);
    // The resolved recipe holds whole paths, so that it means the same for every user.
    assert!(!place.read("home/run/recipe.resolved.toml").contains('~'));
    done(&place, &["export", "~/run", "~/out", "--format", "peft"]);
    done(&place, &["eval", "~/run", "--suite=~/suite.toml", "--data=~/cases", "--max-cases", "1", "--out=~/evaluated"]);
    assert!(place.path("home/evaluated/summary.json").is_file());
    // The base that an adapter folder of another tool names.
    place.copy("home/out", "peft");
    let base = place.path("home/model").display().to_string();
    place.edit("peft/adapter_config.json", "peft/adapter_config.json", &base, "~/model");
    done(&place, &["eval", "peft", "--suite=~/suite.toml", "--data=~/cases", "--max-cases", "1"]);
    let arms = "[axes.rank]\ntwo = { lora.r = 2 }\nfour = { lora.r = 4, data.dataset = \"~/cases\" }\n";
    let head =
        "base = \"~/recipe.toml\"\noutput_dir = \"~/studies\"\nseeds = [1]\nprimary = [\"accuracy:hint_minus\"]\n";
    place.write("home/study.toml", format!("{head}{arms}"));
    let said = done(&place, &["study", "run", "~/study.toml", "--dry-run"]);
    for name in ["studies", "recipe.toml"] {
        let path = place.path("home").join(name).display().to_string();
        assert!(said.stdout.contains(&path), "{path}: {}", said.stdout);
    }
    assert!(!place.path("~").exists(), "no folder called `~`");

    let refused = at_home(&place, &["check", "~other/cases"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("the home folder `~other` of another user is not looked up -> "));
    place.write("other.toml", recipe.replace("~/model", "~other/model"));
    let refused = at_home(&place, &["train", "other.toml", "--plan"]);
    assert_eq!(refused.code, Some(2), "{}", refused.stderr);
    assert!(refused.stderr.contains("\"~other/model\": the home folder `~other`"), "{}", refused.stderr);
}

/// Every command that the program shows can be copied into a shell.
#[cfg(unix)]
#[test]
fn shown_commands_run_when_paths_have_blanks() {
    let place = Workplace::new();
    let shown = |text: &str| -> Vec<String> {
        let lines = text
            .lines()
            .filter_map(|line| line.trim_start().trim_start_matches("next").trim_start().strip_prefix("stepwise "));
        lines.map(str::to_owned).collect()
    };
    // A quoted word is one argument of the shell.
    let words = |line: &str| -> Vec<String> {
        let output = Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().expect("a shell");
        String::from_utf8(output.stdout).expect("text").lines().map(str::to_owned).collect()
    };
    let said = place.run_args(&["init", "./my $recipe's.toml"]);
    let lines = shown(&said.stdout);
    assert_eq!(lines.len(), 2, "{}", said.stdout);
    assert_eq!(words(&lines[0]), ["check", "my $recipe's.toml"]);
    assert_eq!(words(&lines[1]), ["train", "my $recipe's.toml"]);
    let set = ["--set", "train.max_steps=1", "--set", "benchmark.suite=none", "--set", "output_dir=./my run"];
    let said = place.run_args(&[&["train", "./recipe.toml"], &set[..]].concat());
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    assert_eq!(words(&shown(&said.stdout)[0])[..2], ["eval", "my run"], "{}", said.stdout);
    assert!(!said.stdout.contains("./"), "{}", said.stdout);
    let refused = place.run_args(&["compare", "./my run", "./my run"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("`stepwise eval 'my run' --out DIR`"), "{}", refused.stderr);
}

#[test]
fn the_current_folder_is_not_shown() {
    let place = Workplace::empty();
    place.done("data synth ./set/ --cases 4 --image-size 64");
    let file = place.read("set/cases.jsonl");
    place.write("set/cases.jsonl", file.replacen("\"case/1\"", "\"case/9\"", 1));
    for line in ["check ./set", "check ././set/"] {
        let Ran { stdout, stderr, .. } = place.run(line);
        assert!(stdout.starts_with("set/cases.jsonl:1: "), "{line}: {stdout}");
        assert!(!format!("{stdout}{stderr}").contains("./"), "{line}: {stdout}{stderr}");
    }
    let mut command = place.command(&["check", "."]);
    let said: Ran = command.current_dir(place.path("set")).output().expect("the command starts").into();
    assert!(said.stdout.starts_with("cases.jsonl:1: "), "{}", said.stdout);
}
