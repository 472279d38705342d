//! Adapters with the module names of older versions of transformers, and the names in written adapters.

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::Device;
use stepwise_testing::files::{copy_of, edit_json};
use stepwise_vlm::adapter::{load_adapter, save_adapter};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::weights::{NamedTensor, SafetensorsSource, write_safetensors};

use super::fixture::{FIRST, Fixture, fixtures};
use super::{Input, compare_logits};
use crate::fixtures::PREFIX;

const FILE: &str = "adapter_model.safetensors";

/// Beginnings of module names today and in older versions of transformers.
type Renamed = &'static [(&'static str, &'static str)];

/// Names of Qwen's models before transformers 4.52.
const QWEN: Renamed = &[("model.language_model.", "model."), ("model.visual.", "visual.")];
/// Names of other models from transformers 4.52 to 4.57.
const TOWER: Renamed = &[("model.vision_tower.", "model.vision_tower.vision_model.")];
/// Names of other models before transformers 4.52.
const RELEASED: Renamed = &[
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower.vision_model."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
];
/// Names of InternVL3 before transformers 4.52, whose encoder has no `vision_model`.
const INTERNVL: Renamed = &[
    ("model.language_model.", "language_model.model."),
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
];

/// Older layouts of a fixture's family.
fn layouts(fixture: &str) -> &'static [Renamed] {
    match fixture.split(['_', '-']).next() {
        Some("qwen2") => &[QWEN],
        Some("llava" | "gemma3") => &[TOWER, RELEASED],
        Some("internvl") => &[INTERNVL],
        _ => &[],
    }
}

fn renamed(name: &str, layout: Renamed) -> String {
    let found = layout.iter().find_map(|(now, then)| Some(format!("{then}{}", name.strip_prefix(now)?)));
    found.unwrap_or_else(|| name.to_owned())
}

fn tensors(folder: &Path) -> Vec<NamedTensor> {
    let source = SafetensorsSource::open(&[folder.join(FILE)], &Device::flex()).expect("an adapter");
    let read = |name: &str| {
        let (shape, values) = source.any(name).expect("a tensor");
        NamedTensor { name: name.to_owned(), shape, values }
    };
    source.names().map(read).collect()
}

/// Asserts that the adapter in `folder` gives the recorded logits of `record`.
fn assert_effect(fixture: &Fixture, record: &str, folder: &Path) {
    let mut pipeline = fixture.pipeline();
    load_adapter(&mut pipeline.model, folder).unwrap_or_else(|error| panic!("{} {record}: {error}", fixture.name));
    let input = Input::new(&pipeline, &fixture.example(&pipeline, FIRST, true), false);
    compare_logits(fixture, FIRST, &format!("{record}.logits0"), &input, &pipeline.model, &Pass::ANSWER);
}

/// Writes the adapter of `folder` with the names of `layout` to a new folder.
fn older(folder: &Path, layout: Renamed) -> tempfile::TempDir {
    let copy = copy_of(folder, &[FILE]);
    let mut tensors = tensors(folder);
    for tensor in &mut tensors {
        let name = tensor.name.strip_prefix(PREFIX).expect("PEFT's prefix");
        tensor.name = format!("{PREFIX}{}", renamed(name, layout));
    }
    write_safetensors(&copy.path().join(FILE), &tensors, false).expect("written");
    copy
}

#[test]
fn adapters_with_older_names_give_the_recorded_logits() {
    let mut compared = 0;
    for fixture in fixtures() {
        for layout in layouts(&fixture.name) {
            for (record, folder) in [("lora", "adapter"), ("all", "adapter-all")] {
                let folder = fixture.folder.join(folder);
                let copy = older(&folder, layout);
                let names = |folder: &Path| tensors(folder).into_iter().map(|tensor| tensor.name).collect::<Vec<_>>();
                // The layout between 4.52 and 4.57 differs in the image encoder only.
                assert_eq!(names(&folder) == names(copy.path()), *layout == TOWER && record == "lora");
                assert_effect(&fixture, record, copy.path());
                compared += 1;
            }
        }
    }
    assert!(compared >= 26, "{compared}");
}

/// Targets that are whole older names, or an expression over older names.
#[test]
fn targets_may_be_older_names() {
    for fixture in fixtures() {
        let Some(layout) = layouts(&fixture.name).last() else { continue };
        let copy = older(&fixture.folder.join("adapter"), layout);
        let modules: Vec<String> = tensors(copy.path())
            .iter()
            .filter_map(|tensor| Some(tensor.name.strip_prefix(PREFIX)?.strip_suffix(".lora_A.weight")?.to_owned()))
            .collect();
        let decoder = layout[0].1.replace('.', r"\.");
        let expression = format!(r"{decoder}layers\.\d+\.(self_attn|mlp)\.\w+_proj");
        for targets in [serde_json::json!(modules), serde_json::json!(expression)] {
            edit_json(&copy.path().join("adapter_config.json"), |config| config["target_modules"] = targets);
            assert_effect(&fixture, "lora", copy.path());
        }
        edit_json(&copy.path().join("adapter_config.json"), |config| config["target_modules"] = "nothing.*".into());
        let problem = load_adapter(&mut fixture.pipeline().model, copy.path()).expect_err("no such layer").to_string();
        assert!(problem.contains("\"nothing.*\" matches no linear layer"), "{problem}");
    }
}

/// Qwen3-VL never had names without `language_model`: such keys are those of an adapter of a text-only Qwen3.
#[test]
fn keys_of_a_text_only_model_are_named_beside_those_of_the_decoder() {
    let fixture = fixtures().into_iter().find(|fixture| fixture.name == "qwen3_vl").expect("a fixture");
    let copy = older(&fixture.folder.join("adapter"), QWEN);
    let problem = load_adapter(&mut fixture.pipeline().model, copy.path()).expect_err("refused").to_string();
    for part in [
        "tensor base_model.model.model.layers.0.",
        "it has the name of a text-only model",
        "base_model.model.model.language_model.layers.*",
    ] {
        assert!(problem.contains(part), "{problem}");
    }
}

/// Keys of the image encoder are written with `vision_model` where versions from 4.52 to 4.57 have it, which newer versions
/// load as well. All other keys are those that PEFT writes today.
#[test]
fn written_keys_are_those_that_older_and_newer_versions_load() {
    let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
    let pattern =
        |key: &str| key.split('.').map(|part| if is_number(&part) { "N" } else { part }).collect::<Vec<_>>().join(".");
    for fixture in fixtures() {
        let has_inner = layouts(&fixture.name).contains(&TOWER);
        for folder in ["adapter", "adapter-all"] {
            let mut pipeline = fixture.pipeline();
            let config = load_adapter(&mut pipeline.model, &fixture.folder.join(folder)).expect(folder);
            let written = tempfile::tempdir().expect("a folder");
            save_adapter(&mut pipeline.model, &config, "base", written.path()).expect("saved");
            let tensors = tensors(written.path());
            let keys: BTreeSet<String> = tensors.iter().map(|tensor| pattern(&tensor.name)).collect();
            let recorded = fixture.meta[format!("{folder}_keys")].as_array().expect("keys").iter();
            let expected = recorded.map(|key| key.as_str().expect("a key").to_owned()).map(|key| match has_inner {
                true => key.replace("model.model.vision_tower.", "model.model.vision_tower.vision_model."),
                false => key,
            });
            assert_eq!(keys, expected.collect::<BTreeSet<_>>(), "{} {folder}", fixture.name);
            assert_effect(&fixture, if folder == "adapter" { "lora" } else { "all" }, written.path());
        }
    }
}
