//! The crates depend on each other as drawn, and in no other way.

use std::collections::BTreeSet;
use std::process::Command;

/// For each crate, the crates that it may depend on. In addition, tests may use [`TESTING`].
const EDGES: [(&str, &[&str]); 17] = [
    ("stepwise-config", &[]),
    ("stepwise-data", &[CONFIG]),
    ("stepwise-ops", &[]),
    ("stepwise-datasets", &[DATA]),
    (OBJECTIVES, &[CONFIG]),
    ("stepwise-vlm", &[DATA, OPS]),
    ("stepwise-benchmark", &[CONFIG, DATA]),
    ("stepwise-report", &[BENCHMARK, CURRICULUM, DATA]),
    ("stepwise-served", &[BENCHMARK, DATA]),
    ("stepwise-recipe", &[BENCHMARK, CONFIG, DATA, OBJECTIVES]),
    ("stepwise-curriculum", &[DATA, RECIPE]),
    ("stepwise-trainer", &[BENCHMARK, CONFIG, CURRICULUM, DATA, OBJECTIVES, RECIPE, VLM]),
    ("stepwise-study", &[BENCHMARK, CONFIG, CURRICULUM, DATA, RECIPE, REPORT, TRAINER, VLM]),
    (
        "stepwise",
        &[
            BENCHMARK,
            CONFIG,
            CURRICULUM,
            DATA,
            "stepwise-datasets",
            RECIPE,
            REPORT,
            "stepwise-served",
            "stepwise-study",
            TRAINER,
            VLM,
        ],
    ),
    ("stepwise-fuzzed", &[DATA, "stepwise-datasets", RECIPE, TRAINER, VLM]),
    (TESTING, &[BENCHMARK, DATA, RECIPE, VLM]),
    ("xtask", &[BENCHMARK, DATA, RECIPE]),
];

const BENCHMARK: &str = "stepwise-benchmark";
const CONFIG: &str = "stepwise-config";
const CURRICULUM: &str = "stepwise-curriculum";
const DATA: &str = "stepwise-data";
const OBJECTIVES: &str = "stepwise-objectives";
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
                // Tests name the operations to choose their second backend, and render reports.
                let of_tests = *kind == Some("dev") && [TESTING, OPS, REPORT].contains(dependency);
                dependency.starts_with("stepwise") && !of_tests
            })
            .map(|(dependency, _)| dependency)
            .collect();
        let stray: Vec<_> = used.difference(&allowed.iter().copied().collect()).copied().collect();
        assert!(stray.is_empty(), "{name} uses {stray:?}");
    }
}

/// The profile of everyday builds is that of crates of others, so a crate of ours that it does not name is not checked.
#[test]
fn everyday_builds_check_every_crate() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml")).expect("a file");
    let manifest: toml::Table = manifest.parse().expect("TOML");
    let packages = &manifest["profile"]["dev"]["package"];
    for (name, _) in EDGES {
        for check in ["debug-assertions", "overflow-checks"] {
            let is_on = packages.get(name).and_then(|settings| settings[check].as_bool());
            assert_eq!(is_on, Some(true), "`{check} = true` of {name} in [profile.dev.package] of Cargo.toml");
        }
    }
}

/// Folders of the only crate that may use the network.
const NETWORK: [&str; 1] = ["crates/served/"];

#[test]
fn one_crate_uses_the_network() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut files = Vec::new();
    let mut folders = vec![root.join("crates")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => folders.push(path),
                false => files.push(path),
            }
        }
    }
    let of_product = |path: &str| path.contains("/src/") || path.ends_with("Cargo.toml");
    let mut users = BTreeSet::new();
    for file in files {
        let path = file.strip_prefix(&root).expect("below the root").display().to_string();
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let code: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        let reaches = |line: &&str| {
            ["std::net::Tcp", "std::net::Udp", "TcpStream", "TcpListener", "UdpSocket", "ToSocketAddrs", "ureq"]
                .iter()
                .any(|word| line.contains(word))
        };
        if of_product(&path) && code.iter().any(reaches) {
            users.insert(path);
        }
    }
    let stray: Vec<&String> =
        users.iter().filter(|path| !NETWORK.iter().any(|folder| path.starts_with(folder))).collect();
    assert!(stray.is_empty() && !users.is_empty(), "{stray:?} use the network -> only {NETWORK:?} may");
}
