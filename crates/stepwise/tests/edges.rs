//! The crates depend on each other as drawn, and in no other way.

use std::collections::BTreeSet;
use std::process::Command;

/// Who may use whom.
const EDGES: [(&str, &[&str]); 7] = [
    ("stepwise-curriculum", &[]),
    ("stepwise-ops", &[]),
    ("stepwise-vlm", &["stepwise-curriculum", "stepwise-ops"]),
    ("stepwise-benchmark", &["stepwise-curriculum"]),
    ("stepwise-trainer", &["stepwise-curriculum", "stepwise-vlm", "stepwise-benchmark"]),
    ("stepwise", &["stepwise-curriculum", "stepwise-vlm", "stepwise-benchmark", "stepwise-trainer"]),
    ("stepwise-fuzzed", &["stepwise-curriculum", "stepwise-vlm", "stepwise-trainer"]),
];

#[test]
fn crates_use_each_other_as_drawn() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), EDGES.len(), "a new crate needs its place in this test and in the drawing");
    for (name, allowed) in EDGES {
        let package = packages.iter().find(|package| package["name"] == name).expect("the crate is there");
        let used: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .expect("dependencies")
            .iter()
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| dependency.starts_with("stepwise"))
            .collect();
        let stray: Vec<_> = used.difference(&allowed.iter().copied().collect()).copied().collect();
        assert!(stray.is_empty(), "{name} uses {stray:?}");
    }
}
