//! Errors in adapter folders and model weights, as reported by `stepwise train` and `stepwise ask`.

use std::fs;

use serde_json::{Value, json};

use crate::common::{TRAINED, Workplace};

fn with_adapter() -> Workplace {
    let place = Workplace::new();
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        place.write(&format!("peft/{name}"), fs::read(TRAINED.0.path("run/last").join(name)).expect("there"));
    }
    place
}

#[test]
fn what_an_adapter_cannot_be_is_refused() {
    let place = with_adapter();
    // Copies the adapter folder and changes its configuration.
    let config = |name: &str, changes: Value| {
        place.copy("peft", name);
        let mut config: Value = serde_json::from_str(&place.read("peft/adapter_config.json")).expect("JSON");
        for (key, value) in changes.as_object().expect("keys") {
            config[key] = value.clone();
        }
        place.write(&format!("{name}/adapter_config.json"), config.to_string());
    };
    config("olora", json!({ "init_lora_weights": "olora" }));
    config("bias", json!({ "bias": "all" }));
    config("pair", json!({ "init_lora_weights": "pissa", "use_dora": true }));
    config("fewer", json!({ "target_modules": ["q_proj"] }));
    config("misspelt", json!({ "target_modules": ["q_prj"] }));
    config("whole", json!({ "modules_to_save": ["lm_heed"] }));
    config("head", json!({ "modules_to_save": ["lm_head"] }));
    place.write("list/adapter_config.json", "[]");
    place.write("alone/adapter_config.json", place.read("peft/adapter_config.json"));
    let mut said = String::new();
    for name in ["olora", "bias", "pair", "fewer", "misspelt", "whole", "head", "list", "alone"] {
        let refused = place
            .refused(&format!("ask --model_name_or_path model --adapter {name} --question what? --max-new-tokens 1"));
        said.push_str(&format!("$ stepwise ask --model_name_or_path model --adapter {name} ...\n{refused}\n"));
    }
    config("baseless", json!({ "base_model_name_or_path": null }));
    place.write("torn/adapter_config.json", "{");
    for line in ["eval baseless", "eval torn"] {
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.refused(line)));
    }
    insta::assert_snapshot!(said);
}

#[test]
fn wrong_values_in_json_files_are_named_by_their_keys() {
    let place = with_adapter();
    let changed = |from: &str, to: &str, file: &str, change: &dyn Fn(&mut Value)| {
        place.copy(from, to);
        let mut config: Value = serde_json::from_str(&place.read(&format!("{from}/{file}"))).expect("JSON");
        change(&mut config);
        place.write(&format!("{to}/{file}"), config.to_string());
    };
    let ask = |model: &str, adapter: &str| {
        place.refused(&format!(
            "ask --model_name_or_path {model} --adapter {adapter} --question what? --max-new-tokens 1"
        ))
    };
    for (key, value, expected) in [
        ("target_modules", Value::Null, "target_modules: a text or a list of texts is expected"),
        ("lora_alpha", Value::Null, "lora_alpha: invalid type: null, expected f32"),
        ("r", json!(-1), "r: invalid value: integer `-1`, expected usize"),
        ("rank_pattern", json!({"q_proj": "two"}), "rank_pattern.q_proj: invalid type: string \"two\""),
    ] {
        changed("peft", "wrong", "adapter_config.json", &|config| config[key] = value.clone());
        let said = ask("model", "wrong");
        assert!(said.contains(&format!("wrong/adapter_config.json: {expected}")) && said.contains(" -> "), "{said}");
    }
    for (part, key, value) in [
        ("text_config", "num_hidden_layers", json!(-1)),
        ("vision_config", "image_size", json!("big")),
        ("text_config", "hidden_size", json!(32.5)),
    ] {
        changed("model", "other", "config.json", &|config| config[part][key] = value.clone());
        let said = ask("other", "peft");
        assert!(said.contains(&format!("other/config.json: {part}.{key}: invalid ")), "{said}");
    }
    for file in ["config.json", "preprocessor_config.json", "tokenizer_config.json", "tokenizer.json"] {
        place.copy("model", "other");
        place.write(&format!("other/{file}"), "");
        let said = ask("other", "peft");
        assert!(said.contains(&format!("other/{file}: is empty -> ")), "{said}");
    }
    place.copy("peft", "wrong");
    place.write("wrong/adapter_config.json", "\n");
    assert!(ask("model", "wrong").contains("wrong/adapter_config.json: is empty -> "));
}

#[test]
fn a_recipe_that_does_not_fit_its_adapter_or_model_is_refused() {
    let place = with_adapter();
    place.done("data synth again --cases 12 --seed 1 --image-size 64");
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let mut said = String::new();
    for line in [
        "--set adapter_name_or_path=peft --set lora.r=3",
        "--set adapter_name_or_path=peft --set lora.use_dora=true",
        "--set adapter_name_or_path=peft --set lora.rank_pattern.q_proj=3",
        "--set lora.modules_to_save=[\"lm_heed\"]",
        "--set lora.target_modules=[\"fc1\"]",
        "--set data.dataset=[\"cases\",\"again\"]",
    ] {
        said.push_str(&format!(
            "$ stepwise train recipe.toml {line}\n{}\n",
            place.refused(&format!("train recipe.toml {line}"))
        ));
        assert!(!place.path("run").join("trainer_log.jsonl").exists(), "{line}: a run was begun");
    }
    insta::assert_snapshot!(said);
}

#[test]
fn weights_in_shards_that_do_not_fit_are_refused() {
    let place = Workplace::new();
    // A whole `model.safetensors` next to an index would be read instead of the index, as in transformers.
    let index = |name: &str, content: &str| {
        place.copy("model", name);
        let whole = place.path(&format!("{name}/model.safetensors"));
        fs::rename(whole, place.path(&format!("{name}/whole.safetensors"))).expect("renamed");
        place.write(&format!("{name}/model.safetensors.index.json"), content);
    };
    index("torn", "{");
    index("mapless", "{\"metadata\": {}}");
    index("elsewhere", r#"{"weight_map": {"lm_head.weight": "../model/model.safetensors"}}"#);
    index("absent", r#"{"weight_map": {"lm_head.weight": "model-00001-of-00001.safetensors"}}"#);
    index("twice", r#"{"weight_map": {"lm_head.weight": "whole.safetensors", "model.x": "again.safetensors"}}"#);
    place.copy("model/model.safetensors", "twice/again.safetensors");
    // The head's weights become integers; only the file's header shows this.
    place.copy("model", "integers");
    let file = place.path("integers/model.safetensors");
    let mut bytes = fs::read(&file).expect("there");
    let length = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).expect("a header");
    header["lm_head.weight"]["dtype"] = json!("I32");
    let header = header.to_string();
    bytes.splice(..8 + length, (header.len() as u64).to_le_bytes().into_iter().chain(header.bytes()));
    fs::write(file, bytes).expect("written");
    let mut said = String::new();
    for name in ["torn", "mapless", "elsewhere", "absent", "twice", "integers"] {
        let line = format!("ask --model_name_or_path {name} --question what?");
        said.push_str(&format!("$ stepwise {line}\n{}\n", place.refused(&line)));
    }
    insta::assert_snapshot!(said);
}
