//! Records of exports that transformers and PEFT loaded, see `tests/parity/families/check_exports.py`.

use std::collections::BTreeSet;

use serde_json::Value;
use stepwise_testing::files::{json, parity};

use super::all;

const FOLDER: &str = "families/fixtures";
const EXPORTS: [&str; 3] = ["given-merged", "trained-merged", "trained-peft"];
const TOLERANCE: f64 = 1e-4;

/// Entries of `exports.json` by name of the fixture.
fn recorded() -> serde_json::Map<String, Value> {
    let found = json(&parity().join("families/exports.json"));
    found["exports"].as_object().expect("exports by fixture").clone()
}

#[test]
fn transformers_and_peft_loaded_exports_of_every_family() {
    let model_type = |fixture: &String| {
        let config = json(&parity().join(FOLDER).join(fixture).join("model/config.json"));
        config["model_type"].as_str().expect("a type").to_owned()
    };
    let loaded: BTreeSet<String> = recorded().keys().map(model_type).collect();
    for family in all() {
        let is_loaded = family.model_types.iter().any(|model_type| loaded.contains(*model_type));
        assert!(is_loaded, "{}: no entry of `tests/parity/families/exports.json` -> run `check_exports`", family.name);
    }
}

#[test]
fn every_fixture_has_a_record_of_its_exports() {
    let folders = std::fs::read_dir(parity().join(FOLDER)).expect("fixtures").map(|entry| entry.expect("an entry"));
    let fixtures: BTreeSet<String> = folders.map(|folder| folder.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(recorded().keys().cloned().collect::<BTreeSet<_>>(), fixtures);
}

#[test]
fn recorded_exports_have_all_tensors_and_equal_values() {
    for (fixture, exports) in recorded() {
        let exports = exports.as_object().expect("exports");
        assert_eq!(exports.keys().collect::<Vec<_>>(), EXPORTS, "{fixture}");
        for (name, found) in exports {
            let at = format!("{fixture} {name}");
            for names in ["missing", "unexpected"] {
                assert_eq!(found[names].as_array().map(Vec::len), Some(0), "{at}: {names}");
            }
            assert_eq!(found["equal_prompt_ids"], true, "{at}");
            assert!(found["greedy_tokens"].as_u64() >= Some(8), "{at}");
            assert_eq!(found["equal_greedy_tokens"], found["greedy_tokens"], "{at}");
            let value = |name: &str| found[name].as_f64().expect(name);
            let difference = value("logits_difference").max(value("log_likelihoods_difference"));
            assert!(difference <= TOLERANCE && TOLERANCE < value("moved_from_base"), "{at}: {found}");
        }
    }
}
