//! The crates depend on each other as drawn, and in no other way.

use std::collections::BTreeSet;
use std::process::Command;

/// For each crate, the crates that it may depend on. In addition, tests may use [`TESTING`].
const EDGES: [(&str, &[&str]); 15] = [
    ("stepwise-config", &[]),
    ("stepwise-data", &[CONFIG]),
    ("stepwise-ops", &[]),
    ("stepwise-datasets", &[DATA]),
    ("stepwise-vlm", &[DATA, OPS]),
    ("stepwise-benchmark", &[CONFIG, DATA]),
    ("stepwise-report", &[BENCHMARK, DATA]),
    ("stepwise-recipe", &[BENCHMARK, CONFIG, DATA]),
    ("stepwise-curriculum", &[DATA, RECIPE]),
    ("stepwise-trainer", &[BENCHMARK, CONFIG, CURRICULUM, DATA, RECIPE, REPORT, VLM]),
    ("stepwise-study", &[BENCHMARK, CONFIG, CURRICULUM, DATA, RECIPE, REPORT, TRAINER, VLM]),
    (
        "stepwise",
        &[BENCHMARK, CONFIG, CURRICULUM, DATA, "stepwise-datasets", RECIPE, REPORT, "stepwise-study", TRAINER, VLM],
    ),
    ("stepwise-fuzzed", &[DATA, RECIPE, TRAINER, VLM]),
    (TESTING, &[BENCHMARK, DATA, RECIPE, VLM]),
    ("xtask", &[BENCHMARK, DATA, RECIPE]),
];

const BENCHMARK: &str = "stepwise-benchmark";
const CONFIG: &str = "stepwise-config";
const CURRICULUM: &str = "stepwise-curriculum";
const DATA: &str = "stepwise-data";
const OPS: &str = "stepwise-ops";
const RECIPE: &str = "stepwise-recipe";
const REPORT: &str = "stepwise-report";
const TESTING: &str = "stepwise-testing";
const TRAINER: &str = "stepwise-trainer";
const VLM: &str = "stepwise-vlm";

#[test]
fn crates_use_each_other_as_drawn() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("cargo prints JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(
        packages.len(),
        EDGES.len(),
        "a new crate needs its place in this test and in crates/xtask/src/picture.rs"
    );
    for (name, allowed) in EDGES {
        let package = packages.iter().find(|package| package["name"] == name).expect("the crate is there");
        let dependencies = package["dependencies"].as_array().expect("dependencies");
        let used: BTreeSet<&str> = dependencies
            .iter()
            .filter_map(|dependency| Some((dependency["name"].as_str()?, dependency["kind"].as_str())))
            .filter(|(dependency, kind)| {
                // Tests name the operations to choose their second backend.
                let of_tests = *kind == Some("dev") && [TESTING, OPS].contains(dependency);
                dependency.starts_with("stepwise") && !of_tests
            })
            .map(|(dependency, _)| dependency)
            .collect();
        let stray: Vec<_> = used.difference(&allowed.iter().copied().collect()).copied().collect();
        assert!(stray.is_empty(), "{name} uses {stray:?}");
    }
}
