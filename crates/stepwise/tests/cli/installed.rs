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
fn quiet_output_has_no_remarks() {
    let place = Workplace::empty();
    let spoken = place.done("data synth cases --cases 2");
    let quiet = place.done("data synth others --cases 2 --quiet");
    assert_eq!(quiet.stderr, "");
    assert_eq!(spoken.stdout.lines().count(), quiet.stdout.lines().count());
    assert!(place.run("doctor -q -v").stderr.contains("cannot be used with"));
}
