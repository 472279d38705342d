//! Errors in recipes, model folders, suites and devices, as reported by `stepwise train`.

use serde_json::{Value, json};

use crate::common::Workplace;

/// Errors of `stepwise train recipe.toml` with each of the `lines` as further arguments.
fn said(place: &Workplace, lines: &[&str]) -> String {
    let say = |line: &&str| {
        let refused = place.refused(&format!("train recipe.toml {line}"));
        assert!(!place.path("run").join("trainer_log.jsonl").exists(), "{line}: a run was begun");
        format!("$ stepwise train recipe.toml {line}\n{refused}\n")
    };
    lines.iter().map(say).collect()
}

#[test]
fn recipes() {
    let place = Workplace::new();
    place.edit("recipe.toml", "wrong.toml", "learning_rate = 5e-3", "learning_rat = 5e-3\nlogging_steps_ = 1");
    place.write("latin1.toml", b"seed = 1 # caf\xe9");
    place.write("text.toml", "not a recipe");
    let mut all = String::new();
    for line in ["absent.toml", "model", "wrong.toml", "latin1.toml", "text.toml"] {
        all.push_str(&format!("$ stepwise train {line}\n{}\n", place.refused(&format!("train {line}"))));
    }
    let lines = [
        "--set train.learning_rate=-1",
        "--set lora.r=many",
        "--set lora.rank=3",
        "--set train",
        "--set finetuning_type=qlora",
        "--set curriculum.phase.0.stages=[5]",
        "--set benchmark.suite=fats",
        "--set train.on_nonfinite=skp",
        "--set train.metric_for_best_modl=x",
        "--set train.best_model_max_drop=-1",
        "--set train.metric_for_best_model=x",
        "--set train.early_stopping_threshold=0.1",
        "--set train.early_stopping_patience=2 --set benchmark.suite=none",
    ];
    insta::assert_snapshot!(all + &said(&place, &lines));
}

#[test]
fn devices() {
    let lines = ["--device tpu", "--device cpu:1", "--device cuda:x", "--device cpu:"];
    insta::assert_snapshot!(said(&Workplace::new(), &lines));
}

#[test]
#[cfg(not(any(feature = "cuda", feature = "wgpu")))]
fn devices_that_are_not_built_in() {
    insta::assert_snapshot!(said(&Workplace::new(), &["--device cuda", "--device wgpu:1"]));
}

#[test]
fn model_folders() {
    let place = Workplace::new();
    let broken = |name: &str| {
        place.copy("model", name);
        place.path(name)
    };
    std::fs::remove_file(broken("no-weights").join("model.safetensors")).expect("removed");
    std::fs::remove_file(broken("no-tokenizer").join("tokenizer.json")).expect("removed");
    std::fs::remove_file(broken("no-template").join("chat_template.json")).expect("removed");
    let weights = broken("half-weights").join("model.safetensors");
    std::fs::write(&weights, &std::fs::read(&weights).expect("there")[..100_000]).expect("written");
    std::fs::write(broken("empty-weights").join("model.safetensors"), "").expect("written");
    std::fs::write(broken("no-json").join("config.json"), "{").expect("written");
    broken("llama");
    place.edit("llama/config.json", "llama/config.json", "\"idefics3\"", "\"llama\"");
    broken("wider");
    place.edit("wider/config.json", "wider/config.json", "\"intermediate_size\": 64", "\"intermediate_size\": 96");
    let set = |name: &str, old: &str, new: &str| {
        broken(name);
        place.edit(&format!("{name}/config.json"), &format!("{name}/config.json"), old, new);
    };
    set("headless", "\"head_dim\": 8", "\"head_dim\": 0");
    set("grey", "\"num_channels\": 3", "\"num_channels\": 1");
    // Only the tokenizer has more tokens. Weights with another number of tokens would be refused earlier.
    broken("fewer-tokens");
    place.edit(
        "fewer-tokens/tokenizer.json",
        "fewer-tokens/tokenizer.json",
        "\"added_tokens\": [",
        "\"added_tokens\": [{\"id\": 5000, \"content\": \"<more>\", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, \
         \"normalized\": false, \"special\": true}, ",
    );
    let other = |name: &str, model_type: &str, class: &str| {
        let config = json!({ "architectures": [class], "model_type": model_type, "vision_config": { "depth": 2 } });
        place.write(&format!("{name}/config.json"), config.to_string());
    };
    other("qwen", "qwen2_5_vl", "Qwen2_5_VLForConditionalGeneration");
    other("gemma", "gemma3", "Gemma3ForConditionalGeneration");
    place.write("quantised.gguf", "GGUF");
    place.write("pickled/config.json", place.read("model/config.json"));
    place.write("pickled/pytorch_model.bin", "");
    let folders = [
        "nowhere",
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        "quantised.gguf",
        "model/model.safetensors",
        "pickled",
        "qwen",
        "gemma",
        "run",
        "no-weights",
        "no-tokenizer",
        "no-template",
        "half-weights",
        "empty-weights",
        "no-json",
        "llama",
        "wider",
        "headless",
        "grey",
        "fewer-tokens",
    ];
    let lines: Vec<String> = folders.iter().map(|folder| format!("--set model_name_or_path={folder}")).collect();
    insta::assert_snapshot!(said(&place, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
}

#[test]
fn what_the_recipe_names() {
    let place = Workplace::new();
    place.write("file", "text");
    place.edit("suite.toml", "sepia.toml", "kind = \"blank\"", "kind = \"sepia\"");
    place.edit("suite.toml", "misspelt.toml", "primary =", "primry =");
    let lines = [
        "--set output_dir=file",
        "--set output_dir=file/run",
        "--set data.dataset=nowhere",
        "--set data.synth.cases=1",
        "--set benchmark.suite=absent.toml",
        "--set benchmark.suite=sepia.toml",
        "--set benchmark.suite=misspelt.toml",
        "--set train.metric_for_best_model=robust_acuracy",
        "--set train.best_model_guard=banana",
        "--set lora.target_modules=[\"q_prj\"]",
        "--set lora.target_modules=\"(\"",
    ];
    insta::assert_snapshot!(said(&place, &lines));
}

#[test]
fn data_sets() {
    let place = Workplace::new();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    let text = place.read("cases/cases.jsonl");
    let cases: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let side = |split: &str| {
        let lines = cases.iter().filter(|case| case["split"] == split).map(|case| format!("{case}\n"));
        lines.collect::<String>()
    };
    place.write("only-train/cases.jsonl", side("train"));
    place.write("only-test/cases.jsonl", side("test"));
    place.write("broken/cases.jsonl", "{\"schema\": \"case/2\"}\n[]\n");
    // Each case has a valid form, but its question has no defined right answer, evidence or image.
    let senseless = [
        ("gold", "/chain/0/answer/gold", json!([99])),
        ("no-gold", "/chain/0/answer/gold", json!([])),
        ("evidence", "/chain/0/evidence", json!(["r99"])),
        ("no-image", "/images", json!([])),
    ];
    for (folder, field, value) in senseless {
        let mut changed = cases.clone();
        *changed[0].pointer_mut(field).expect("a field") = value;
        place.write(
            &format!("{folder}/cases.jsonl"),
            changed.iter().map(|case| format!("{case}\n")).collect::<String>(),
        );
    }
    let folders = ["only-train", "only-test", "broken", "gold", "no-gold", "evidence", "no-image"];
    let lines = folders.map(|folder| format!("--set data.dataset={folder}"));
    insta::assert_snapshot!(said(&place, &lines.iter().map(String::as_str).collect::<Vec<_>>()));
}

#[test]
fn what_shows_only_in_the_middle_of_a_run() {
    let place = Workplace::new();
    place.done("data synth cases --cases 12 --seed 1 --image-size 64");
    for entry in std::fs::read_dir(place.path("cases/images")).expect("a folder") {
        let path = entry.expect("an entry").path();
        // Removes the images of training cases only.
        let name = path.file_stem().and_then(|stem| stem.to_str()).expect("UTF-8").to_owned();
        let text = place.read("cases/cases.jsonl");
        let case = text.lines().find(|line| line.contains(&format!("\"case_id\":\"{name}\""))).expect("a case");
        if case.contains("\"split\":\"train\"") {
            std::fs::remove_file(path).expect("removed");
        }
    }
    let missing = place.run("train recipe.toml --set data.dataset=cases --set benchmark.suite=none --set output_dir=a");
    assert!(matches!(missing.code, Some(1 | 2)), "{}", missing.stderr);
    let last = missing.stderr.lines().last().expect("lines");
    assert!(last.starts_with("error: ") && last.contains(".png") && last.contains(" -> "), "{last}");
    let long = place.run("train recipe.toml --set cutoff_len=20 --set benchmark.suite=none --set output_dir=b");
    let last = long.stderr.lines().last().expect("lines");
    assert!(last.contains(" tokens, cutoff_len is 20 -> raise `cutoff_len`"), "{last}");
}
