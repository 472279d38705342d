//! `stepwise doctor`.

use crate::common::Workplace;

#[test]
fn the_program_tests_itself_on_the_cpu() {
    let ran = Workplace::empty().done("doctor --device cpu");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    let starts =
        ["stepwise ", "backends: cpu", "threads: ", "instructions: ", "self-test on cpu: loss ", "all is well"];
    assert!(
        lines.len() == starts.len() && lines.iter().zip(starts).all(|(line, start)| line.starts_with(start)),
        "{lines:?}"
    );
    assert!(lines[4].ends_with(", 0.0e0 from the cpu"), "{}", lines[4]);
    let machine = regex::Regex::new(r"(?m)^(stepwise|backends:|threads:|instructions:) .*$").expect("a pattern");
    insta::assert_snapshot!(machine.replace_all(&ran.shown(), "$1 HERE"));
}

#[test]
fn a_device_that_is_none_is_named_after_what_there_is() {
    let ran = Workplace::empty().run("doctor --device tpu");
    assert_eq!(ran.code, Some(2));
    assert!(ran.stdout.contains("backends: cpu"), "{}", ran.stdout);
    insta::assert_snapshot!(ran.stderr);
}
