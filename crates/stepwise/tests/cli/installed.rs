//! What an installed program offers without this repository: quickstart, completions, manual pages, JSON, quiet output.

use serde_json::Value;

use crate::common::Workplace;

#[test]
fn the_quickstart_is_written_out_of_the_program_and_passes_its_checks() {
    let place = Workplace::empty();
    let ran = place.done("init --quickstart start");
    assert!(ran.stdout.contains("cd start\n        stepwise train recipes/quickstart.toml"), "{}", ran.stdout);
    let model = place.path("start/checkpoints/tiny-base/model.safetensors");
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../checkpoints/tiny-base/model.safetensors");
    assert_eq!(std::fs::read(model).expect("written"), std::fs::read(shipped).expect("shipped"));
    let said = place.refused("init --quickstart start");
    assert!(said.contains("the file exists already -> "), "{said}");
}

#[test]
fn completions_name_every_command() {
    let place = Workplace::empty();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = place.done(&format!("completions {shell}")).stdout;
        for command in ["train", "convert", "new-model", "completions"] {
            assert!(script.contains(command), "{shell} lacks {command}");
        }
    }
}

#[test]
fn there_is_a_manual_page_of_every_command() {
    let place = Workplace::empty();
    assert!(place.done("man").stdout.contains(".TH stepwise"));
    std::fs::create_dir(place.path("pages")).expect("created");
    place.done("man --out pages");
    assert!(place.path("pages/stepwise.1").is_file() && place.path("pages/stepwise-train.1").is_file());
    let said = place.run("man --out nowhere").stderr;
    assert!(said.contains("nowhere") && said.contains(" -> "), "{said}");
}

#[test]
fn doctor_has_json() {
    let found: Value =
        serde_json::from_str(&Workplace::empty().done("doctor --device cpu --json").stdout).expect("JSON");
    assert_eq!(found["self_test"]["ok"], true);
    assert_eq!(found["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn verbose_output_names_what_was_read_and_chosen() {
    let place = Workplace::with_run();
    place.done("data synth cases --cases 2 --image-size 64");
    place.write("t.csv", b"file,question,answer\ncases/images/synth-0-000000.png,Which?,x\n".as_slice());
    let import = "data import table t.csv out --image file --question question --answer answer --rest 25";
    for (line, expected) in [
        ("check cases", vec!["cases: cases", "taxonomy: built in", "check of images and masks: contents"]),
        ("train recipe.toml --plan", vec!["recipe: recipe.toml", "model: model", "cases: 24 synthetic cases"]),
        ("preview recipe.toml", vec!["recipe: recipe.toml", "model: model"]),
        (
            "ask --model_name_or_path model --adapter run --question Why? --device cpu",
            vec!["model: model", "adapter: run/checkpoint-5", "device: cpu"],
        ),
        (
            "eval run --suite suite.toml --max-cases 1 --no-cache --device cpu",
            vec!["adapter: run/", "cases: ", "suite: "],
        ),
        ("export run exported --format peft", vec!["adapter: run/checkpoint-5", "device: cpu"]),
        ("compare run/benchmark/base run", vec!["outcomes: run/benchmark/base/outcomes.jsonl"]),
        (import, vec!["format: table; seed: 0; source: t.csv"]),
    ] {
        std::fs::remove_dir_all(place.path("exported")).ok();
        std::fs::remove_dir_all(place.path("out")).ok();
        let said = place.done(&format!("{line} --verbose")).stderr;
        for words in &expected {
            assert!(said.contains(words), "{line}: {words}: {said}");
        }
        std::fs::remove_dir_all(place.path("exported")).ok();
        std::fs::remove_dir_all(place.path("out")).ok();
        let plain = place.done(line).stderr;
        assert!(!plain.contains(expected[0]), "{line}: {plain}");
    }
}

#[test]
fn quiet_output_has_no_remarks() {
    let place = Workplace::empty();
    let spoken = place.done("data synth cases --cases 2");
    let quiet = place.done("data synth others --cases 2 --quiet");
    assert_eq!(quiet.stderr, "");
    assert_eq!(spoken.stdout.lines().count(), quiet.stdout.lines().count());
    assert!(place.run("doctor -q -v").stderr.contains("cannot be used with"));
}
