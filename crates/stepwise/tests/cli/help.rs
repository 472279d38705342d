//! Help texts of the commands.

use crate::common::Workplace;

#[test]
fn every_command_has_its_help() {
    let place = Workplace::empty();
    let commands = [
        "",
        "init",
        "convert",
        "train",
        "eval",
        "questions",
        "score",
        "compare",
        "table",
        "study",
        "study run",
        "study report",
        "study emit",
        "ask",
        "check",
        "preview",
        "data",
        "data import",
        "data synth",
        "data show",
        "data split",
        "export",
        "doctor",
        "schema",
        "new-model",
        "completions",
        "man",
    ];
    let mut pages = String::new();
    for command in commands {
        let ran = place.done(&format!("{command} --help"));
        assert_eq!(ran.stderr, "");
        pages.push_str(&format!("$ stepwise {command} --help\n{}\n", ran.stdout));
    }
    insta::assert_snapshot!(pages);
}

#[test]
fn no_command_at_all_shows_the_help() {
    let ran = Workplace::empty().run("");
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.contains("Usage:") && ran.stderr.contains("doctor"), "{}", ran.stderr);
}

#[test]
fn a_misspelt_command_or_flag_is_told_the_nearest() {
    let place = Workplace::empty();
    insta::assert_snapshot!(place.refused("trian recipe.toml") + &place.refused("eval model --jsn"));
}
