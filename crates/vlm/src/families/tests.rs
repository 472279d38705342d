//! Facts of all families, and records of exports that transformers and PEFT loaded, see
//! `tests/parity/families/check_exports.py`.

use std::collections::BTreeSet;

use serde_json::Value;
use stepwise_testing::files::{family_fixture, fixture_of_each_family, json, parity};

use super::{ModelConfig, all};

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

/// `config.json` of the fixture of every `model_type`.
fn configs() -> impl Iterator<Item = Value> {
    fixture_of_each_family().into_iter().map(|fixture| json(&family_fixture(&fixture).join("model/config.json")))
}

/// Values as the configuration classes of transformers 5.24 take them: `LlavaConfig`, `Qwen2VLConfig` and `Qwen2_5_VLConfig`
/// forward the key of `text_config`, the others do not; the default of `Gemma3Config` and `InternVLConfig` is true.
#[test]
fn head_and_embedding_table_are_tied_as_in_transformers() {
    for mut config in configs() {
        let model_type = config["model_type"].as_str().expect("a type").to_owned();
        let forwards = ["llava", "qwen2_vl", "qwen2_5_vl"].contains(&model_type.as_str());
        let default = ["gemma3", "internvl"].contains(&model_type.as_str());
        if !config["text_config"].is_object() {
            // Older folders of Qwen-VL have the decoder's fields at the top.
            let mut text = config.clone();
            text.as_object_mut().expect("an object").remove("vision_config");
            config["text_config"] = text;
        }
        for (top, text, expected) in [
            (Some(true), false, true),
            (Some(true), true, true),
            (Some(false), false, false),
            (Some(false), true, forwards),
            (None, false, default),
            (None, true, default || forwards),
        ] {
            config["text_config"]["tie_word_embeddings"] = text.into();
            config.as_object_mut().expect("an object").remove("tie_word_embeddings");
            if let Some(top) = top {
                config["tie_word_embeddings"] = top.into();
            }
            let read = ModelConfig::from_json(&config.to_string()).expect("valid");
            assert_eq!(read.text.tie_word_embeddings, expected, "{model_type}: {top:?}, {text}");
        }
    }
}

/// The convolution over patches leaves out the rest of the image, as in transformers.
#[test]
fn patches_need_not_divide_the_image() {
    let mut compared = 0;
    for mut config in configs() {
        let larger = |side: &Value| Value::from(side.as_u64().expect("a side") + 1);
        let side = match &config["vision_config"]["image_size"] {
            Value::Null => continue,
            Value::Array(sides) => Value::Array(sides.iter().map(larger).collect()),
            side => larger(side),
        };
        let before = ModelConfig::from_json(&config.to_string()).expect("valid").vision;
        config["vision_config"]["image_size"] = side;
        let after = ModelConfig::from_json(&config.to_string()).expect("valid").vision;
        let features = |shape: crate::encoder::EncoderShape| {
            let side = shape.image_size.expect("a side");
            shape.features(side, side)
        };
        assert!(after.image_size > before.image_size);
        assert_eq!(features(after), features(before), "{}", config["model_type"]);
        compared += 1;
    }
    assert!(compared >= 5, "{compared} families have tiles of one size");
}

/// Sets `rope_theta` wherever the decoder's settings `text` state it.
fn set_rope_theta(text: &mut Value, theta: f64) {
    text["rope_theta"] = theta.into();
    for place in ["/rope_parameters", "/rope_parameters/full_attention", "/rope_scaling"] {
        if let Some(stated) = text.pointer_mut(place).and_then(|rope| rope.get_mut("rope_theta")) {
            *stated = theta.into();
        }
    }
}

#[test]
fn values_that_no_model_can_have_are_refused_by_name() {
    for config in configs() {
        let model_type = config["model_type"].as_str().expect("a type").to_owned();
        let refused = |change: &dyn Fn(&mut Value, &mut Value)| {
            let mut changed = config.clone();
            let mut vision = changed["vision_config"].take();
            match changed["text_config"].get("hidden_size").is_some() {
                true => change(&mut vision, &mut changed["text_config"]),
                false => change(&mut vision, &mut changed),
            }
            changed["vision_config"] = vision;
            ModelConfig::from_json(&changed.to_string()).expect_err("refused").to_string()
        };
        for (expected, error) in [
            ("vision_config.in_channels is 1:", refused(&|vision, _| vision["in_channels"] = 1.into())),
            ("vision_config.in_chans is 4:", refused(&|vision, _| vision["in_chans"] = 4.into())),
            ("vision_config.num_channels is 1:", refused(&|vision, _| vision["num_channels"] = 1.into())),
            ("rms_norm_eps is -1:", refused(&|_, text| text["rms_norm_eps"] = (-1.0).into())),
            ("rope_theta is 0:", refused(&|_, text| set_rope_theta(text, 0.0))),
            ("rope_theta is -3:", refused(&|_, text| set_rope_theta(text, -3.0))),
        ] {
            assert!(error.contains(expected), "{model_type}: {error}");
        }
        if !model_type.starts_with("qwen") {
            let error = refused(&|vision, _| vision["layer_norm_eps"] = (-1e-6).into());
            assert!(error.starts_with("vision_config.layer_norm_eps is -"), "{model_type}: {error}");
        }
        if model_type == "qwen2_5_vl" {
            let error = refused(&|vision, _| vision["fullatt_block_indexes"] = vec![9].into());
            assert!(error.starts_with("vision_config.fullatt_block_indexes is [9]: "), "{error}");
        }
    }
}
