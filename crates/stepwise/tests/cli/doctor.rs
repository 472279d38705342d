//! `stepwise doctor`.

use burn::tensor::Device;
use stepwise_vlm::weights::{NamedTensor, SafetensorsSource, write_safetensors};

use crate::common::{Workplace, copy};

#[test]
fn the_program_tests_itself_on_the_cpu() {
    let ran = Workplace::empty().done("doctor --device cpu");
    // A program with a GPU backend lists the adapters of the machine, too.
    let lines: Vec<&str> = ran.stdout.lines().filter(|line| !line.starts_with("device ")).collect();
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

/// Path of a model folder beside this repository's tests.
fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Copies a model folder with the tensor named so left out of its weights.
fn without(place: &Workplace, from: &std::path::Path, tensor: &str) {
    copy(from, &place.path("model"));
    let path = place.path("model/model.safetensors");
    let source = SafetensorsSource::open(std::slice::from_ref(&path), &Device::flex()).expect("weights");
    let names: Vec<String> = source.names().map(str::to_owned).collect();
    assert!(names.iter().any(|name| name == tensor), "{names:?}");
    let kept = names.into_iter().filter(|name| name != tensor).map(|name| {
        let (shape, values) = source.any(&name).expect("a tensor");
        NamedTensor { name, shape, values }
    });
    let kept: Vec<NamedTensor> = kept.collect();
    drop(source);
    write_safetensors(&path, &kept, false).expect("written");
}

#[test]
fn a_model_folder_is_described_and_answers_a_question() {
    let place = Workplace::empty();
    copy(&fixture("checkpoints/tiny-base"), &place.path("model"));
    let ran = place.done("doctor --device cpu --model model");
    let machine = regex::Regex::new(r"(?m)^(stepwise|backends:|threads:|instructions:) .*$").expect("a pattern");
    // Tokens in bf16 may differ on other processors.
    let answer = regex::Regex::new(r"\d+\.\d s: .*").expect("a pattern");
    let times = regex::Regex::new(r"\d+\.\d s\b").expect("a pattern");
    let shown = machine.replace_all(&ran.shown(), "$1 HERE").into_owned();
    let shown = answer.replace_all(&shown, "TIME: ANSWER").into_owned();
    insta::assert_snapshot!(times.replace_all(&shown, "TIME"));
    for family in ["qwen2_5_vl", "gemma3", "llava_next", "internvl"] {
        copy(&fixture(&format!("tests/parity/families/fixtures/{family}/model")), &place.path(family));
        let json = place.done(&format!("doctor --device cpu --json --model {family}")).json();
        let model = &json["model"];
        assert!(model["lora"]["modules"].as_u64() > Some(0) && model["trial"]["tokens"].as_u64() > Some(2), "{model}");
        let [in_f32, in_bf16, in_four_bits] =
            ["f32", "bf16", "four bits"].map(|name| model["memory_bytes"][name].as_u64().expect("a number"));
        assert!(in_f32 > in_bf16 && in_bf16 > in_four_bits, "{model}");
    }
}

#[test]
fn a_tensor_that_a_layer_lacks_is_named_before_weights_are_read() {
    for (folder, tensor) in [
        ("checkpoints/tiny-base", "model.text_model.layers.1.mlp.up_proj.weight"),
        ("tests/parity/families/fixtures/qwen2_5_vl/model", "visual.blocks.1.attn.proj.weight"),
    ] {
        let place = Workplace::empty();
        without(&place, &fixture(folder), tensor);
        for line in ["doctor --device cpu --model model", "ask --device cpu --model_name_or_path model --question why"]
        {
            let ran = place.run(line);
            let name = tensor.replace("visual.", "model.visual.");
            assert_eq!(ran.code, Some(2), "{line}: {}", ran.stderr);
            assert!(ran.stderr.contains(&format!("tensor {name} is missing")), "{line}: {}", ran.stderr);
        }
    }
}

#[test]
fn all_missing_files_are_named_at_once_and_the_layout_is_shown() {
    let place = Workplace::empty();
    let fixture = fixture("tests/parity/families/fixtures/qwen2_5_vl/model");
    copy(&fixture, &place.path("model"));
    let shown = place.done("doctor --device cpu --model model").stdout;
    let layout = "layout    one file, released (older) names with the layers model.layers, visual.blocks";
    assert!(shown.contains(layout), "{shown}");
    for file in ["tokenizer.json", "preprocessor_config.json", "model.safetensors"] {
        std::fs::remove_file(place.path(&format!("model/{file}"))).expect("removed");
    }
    let shards = ["a", "b", "c"].map(|shard| format!("model-{shard}.safetensors"));
    let map = serde_json::json!({ "weight_map": { "x": shards[0], "y": shards[1], "z": shards[2] } });
    place.write("model/model.safetensors.index.json", map.to_string());
    std::fs::write(place.path("model/model-b.safetensors"), []).expect("written");
    let expected = "these files are missing: preprocessor_config.json, tokenizer.json, model-a.safetensors, \
                    model-c.safetensors -> ";
    let ran = place.run("doctor --device cpu --model model");
    assert!(ran.code == Some(2) && ran.stderr.contains(expected), "{}", ran.stderr);
}
