//! `stepwise train --resume`.

use std::fs;

use stepwise_trainer::checkpoint::{DIGEST_FILE, newest_complete};

use crate::common::{TRAINED, Workplace};

#[test]
fn a_finished_run_is_shown_again_and_not_trained_again() {
    let place = Workplace::with_run();
    let log = place.read("run/trainer_log.jsonl");
    let ran = place.done("train recipe.toml --resume");
    assert!(ran.stderr.starts_with("resumed after step 11 of 11\n"), "{}", ran.stderr);
    assert!(!ran.stderr.contains("\nstep "), "{}", ran.stderr);
    assert_eq!(ran.stdout, TRAINED.1.stdout);
    assert_eq!(place.read("run/trainer_log.jsonl"), log);
}

#[test]
fn with_nothing_to_resume_it_says_so_and_starts() {
    let place = Workplace::new();
    let ran = place.done("train recipe.toml --resume --set train.max_steps=1 --set benchmark.suite=none");
    assert!(ran.stderr.starts_with("nothing to resume from: starting at step 1\n"), "{}", ran.stderr);
    assert!(place.path("run/checkpoint-1").is_dir());
}

#[test]
fn another_recipe_is_refused_and_the_run_stays_as_it_was() {
    let place = Workplace::with_run();
    let files = ["run/recipe.toml", "run/recipe.resolved.toml", "run/environment.json", "run/trainer_log.jsonl"];
    let before = files.map(|name| place.read(name));
    place.edit("recipe.toml", "recipe.toml", "seed = 5", "seed = 6");
    insta::assert_snapshot!(place.refused("train recipe.toml --resume"));
    assert_eq!(files.map(|name| place.read(name)), before);
}

#[test]
fn every_changed_key_is_named_with_old_and_new_before_anything_is_loaded() {
    let place = Workplace::with_run();
    for (set, said) in [
        ("lora.r=4", "`lora.r` was 2 and is now 4"),
        ("train.max_steps=3", "`train.max_steps` was not set and is now 3"),
        ("model_name_or_path=nowhere", "`model_name_or_path` was \"model\" and is now \"nowhere\""),
        ("data.dataset=nowhere", "`data.dataset` was not set and is now \"nowhere\"; `data.synth."),
        ("curriculum.phase=[{stages=[1,2]}]", "`curriculum.phase[1].context` was \"gold\" and is now not set; "),
    ] {
        let ran = place.refused(&format!("train recipe.toml --resume --set {set}"));
        assert!(ran.starts_with("error: run/checkpoint-11: the checkpoint was made with another recipe: "), "{ran}");
        assert!(ran.contains(said), "{set}: {ran}");
    }
    // The recipe that the message names resumes the run.
    place.write("recipe.toml", "seed = 1");
    place.done("train run/recipe.resolved.toml --resume");
}

#[test]
fn a_torn_checkpoint_is_skipped_and_the_one_before_it_goes_on() {
    let place = Workplace::with_run();
    let weights = place.path("run/checkpoint-11/adapter_model.safetensors");
    fs::write(&weights, &fs::read(&weights).expect("there")[..100]).expect("written");
    let ran = place.done("train recipe.toml --resume");
    insta::assert_snapshot!(ran.shown());
    let whole = TRAINED.0.path("run/checkpoint-11/adapter_model.safetensors");
    assert!(fs::read(weights).expect("there") == fs::read(whole).expect("there"), "other weights than the first time");
}

/// Damages each file of the newest checkpoint in three ways: a bit flipped, the end cut off, the file removed.
#[test]
fn a_checkpoint_with_any_file_damaged_is_passed_over_for_the_one_before() {
    let place = Workplace::with_run();
    let run = place.path("run");
    let mut said = std::collections::BTreeSet::new();
    for entry in fs::read_dir(run.join("checkpoint-11")).expect("a checkpoint") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let whole = fs::read(&path).expect("a file");
        // The flipped bit is in a hexadecimal digit, because a change of white space would not matter
        // in a list of digests.
        let middle = (whole.len() / 2..).find(|at| whole[*at].is_ascii_hexdigit()).expect("a digit");
        let mut flipped = whole.clone();
        flipped[middle] ^= 1;
        let damages = [("flipped", Some(&flipped[..])), ("cut", Some(&whole[..whole.len() / 2])), ("gone", None)];
        for (damage, left) in damages {
            match left {
                Some(left) => fs::write(&path, left).expect("written"),
                None => fs::remove_file(&path).expect("removed"),
            }
            let (newest, skipped) = newest_complete(&run).expect("readable");
            assert_eq!(newest, Some(5), "{name} {damage}");
            let [line] = &skipped[..] else { panic!("{name} {damage}: {skipped:?}") };
            let line = line.replace(&run.display().to_string(), "run");
            assert!(name == DIGEST_FILE || line.contains(&name), "{name} {damage}: {line}");
            said.insert(format!("{name} {damage}: {line}"));
            fs::write(&path, &whole).expect("restored");
        }
    }
    assert_eq!(newest_complete(&run).expect("readable"), (Some(11), Vec::new()));
    let text = said.into_iter().collect::<Vec<_>>().join("\n");
    let digits = regex::Regex::new(r"\d{3,}").expect("a pattern");
    insta::assert_snapshot!(digits.replace_all(&text, "N"));
}

/// Results of an epoch before the newest checkpoint are missing or damaged: found before training, and the advice works.
#[test]
fn lost_results_of_an_earlier_epoch_are_found_before_training() {
    type Damage = fn(&std::path::Path);
    let damages: [(&str, Damage); 4] = [
        ("is missing", |benchmark| fs::remove_dir_all(benchmark).expect("removed")),
        ("is missing", |benchmark| fs::remove_file(benchmark.join("epoch-1/outcomes.jsonl")).expect("removed")),
        ("is damaged (", |benchmark| {
            let path = benchmark.join("epoch-1/outcomes.jsonl");
            let whole = fs::read(&path).expect("there");
            fs::write(&path, &whole[..whole.len() - 60]).expect("written");
        }),
        ("has 1 of ", |benchmark| {
            let path = benchmark.join("epoch-1/outcomes.jsonl");
            let whole = fs::read_to_string(&path).expect("there");
            fs::write(&path, format!("{}\n", whole.lines().next().expect("a line"))).expect("written");
        }),
    ];
    let whole = TRAINED.0.read("run/benchmark/epoch-1/outcomes.jsonl");
    let refused = |place: &Workplace| {
        let ran = place.run("train recipe.toml --resume");
        assert!(ran.code == Some(2) && !ran.stderr.contains("\nstep "), "{}", ran.stderr);
        ran.stderr
    };
    for (number, (problem, damage)) in damages.into_iter().enumerate() {
        let place = Workplace::with_run();
        // The run stopped within its second phase: the first epoch is evaluated, the second one is not.
        fs::remove_dir_all(place.path("run/checkpoint-11")).expect("removed");
        damage(&place.path("run/benchmark"));
        let said = refused(&place);
        let expected = format!("error: run/benchmark/epoch-1/outcomes.jsonl: {problem}");
        assert!(said.contains(&expected), "{number}: {said}");
        let advice = "without a copy remove run/checkpoint-5: `--resume` then starts at step 1 and evaluates again";
        assert!(said.contains(advice), "{number}: {said}");
        if number == 1 || number == 2 {
            fs::remove_dir_all(place.path("run/checkpoint-5")).expect("removed");
            place.done("train recipe.toml --resume");
            let again = place.read("run/benchmark/epoch-1/outcomes.jsonl");
            assert_eq!(again.lines().count(), whole.lines().count(), "{number}");
        }
    }
    // With a whole checkpoint before the epoch, only the later ones have to go.
    let place = Workplace::with_run();
    fs::remove_file(place.path("run/benchmark/epoch-2/summary.json")).expect("removed");
    let said = refused(&place);
    let advice = "remove run/checkpoint-11: `--resume` then goes on from step 5 and evaluates again";
    assert!(said.contains("run/benchmark/epoch-2/summary.json: is missing") && said.contains(advice), "{said}");
    fs::remove_dir_all(place.path("run/checkpoint-11")).expect("removed");
    place.done("train recipe.toml --resume");
    assert!(place.path("run/benchmark/epoch-2/summary.json").is_file());
}

#[test]
fn a_new_run_does_not_mix_with_one_that_is_there() {
    insta::assert_snapshot!(Workplace::with_run().refused("train recipe.toml"));
}
