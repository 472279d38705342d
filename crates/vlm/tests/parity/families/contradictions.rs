//! Model folders whose `config.json` and weights describe different models are refused from the headers of the files.

use std::path::Path;

use burn::tensor::Device;
use serde_json::Value;
use stepwise_testing::files::{copy_of, edit_json, family_fixture, fixture_of_each_family, json};
use stepwise_testing::model::parameters::parameters;
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::weights::{NamedTensor, SafetensorsSource, StoredWeights, write_safetensors};
use tempfile::TempDir;

fn model(family: &str) -> TempDir {
    copy_of(&family_fixture(family).join("model"), &[])
}

/// Changes the tensors of a folder, under their stored names.
fn edit_tensors(folder: &Path, edit: impl FnOnce(&mut Vec<NamedTensor>)) {
    let path = folder.join("model.safetensors");
    let source = SafetensorsSource::open(std::slice::from_ref(&path), &Device::flex()).expect("weights");
    let names: Vec<String> = source.names().map(str::to_owned).collect();
    let read = |name: String| {
        let (shape, values) = source.any(&name).expect("a tensor");
        NamedTensor { name, shape, values }
    };
    let mut tensors: Vec<NamedTensor> = names.into_iter().map(read).collect();
    drop(source);
    edit(&mut tensors);
    write_safetensors(&path, &tensors, false).expect("written");
}

fn find<'a>(tensors: &'a [NamedTensor], ending: &str) -> &'a NamedTensor {
    tensors.iter().find(|tensor| tensor.name.ends_with(ending)).expect(ending)
}

/// Error of reading the headers, which loading gives as well.
#[track_caller]
fn refusal(folder: &Path) -> String {
    let config = Vlm::load_config(folder).expect("a valid config");
    let problem = StoredWeights::of(folder, &config).expect_err("refused").to_string();
    assert_eq!(Vlm::load(folder, &Device::flex()).expect_err("refused").to_string(), problem);
    problem
}

fn assert_loads(folder: &Path, at: &str) {
    let config = Vlm::load_config(folder).expect("a valid config");
    StoredWeights::of(folder, &config).expect(at);
    Vlm::load(folder, &Device::flex()).expect(at);
}

/// The object of `config.json` with the settings of the decoder.
fn decoder(config: &mut Value) -> &mut Value {
    match config.get("text_config").is_some_and(|text| text.get("num_hidden_layers").is_some()) {
        true => &mut config["text_config"],
        false => config,
    }
}

fn one_less(settings: &mut Value, key: &str) -> u64 {
    let count = settings[key].as_u64().expect("a number") - 1;
    settings[key] = count.into();
    count
}

#[test]
fn fewer_decoder_layers_than_the_file_has_are_refused() {
    for family in &fixture_of_each_family() {
        let folder = model(family);
        let mut count = 0;
        edit_json(&folder.path().join("config.json"), |config| {
            // Lists with an element for each layer are shortened as well.
            if let Some(kinds) = decoder(config).get_mut("layer_types").and_then(Value::as_array_mut) {
                kinds.pop();
            }
            count = one_less(decoder(config), "num_hidden_layers");
        });
        let problem = refusal(folder.path());
        let key = format!("(`num_hidden_layers` of the decoder is {count}) -> correct this key");
        assert!(problem.contains(&format!(".layers.{count}.")) && problem.contains(&key), "{family}: {problem}");
    }
}

#[test]
fn fewer_encoder_layers_than_the_file_has_are_refused() {
    for family in &fixture_of_each_family() {
        let folder = model(family);
        let mut count = 0;
        let key = if family.starts_with("qwen") { "depth" } else { "num_hidden_layers" };
        edit_json(&folder.path().join("config.json"), |config| {
            let vision = &mut config["vision_config"];
            count = one_less(vision, key);
            for list in ["deepstack_visual_indexes", "fullatt_block_indexes"] {
                if let Some(layers) = vision.get_mut(list).and_then(Value::as_array_mut) {
                    layers
                        .iter_mut()
                        .for_each(|layer| *layer = layer.as_u64().expect("a number").min(count - 1).into());
                    layers.dedup();
                }
            }
        });
        let problem = refusal(folder.path());
        let named = problem.contains(&format!("(`vision_config.{key}` is {count})"));
        let merger = problem.contains("(`vision_config.deepstack_visual_indexes`)");
        assert!(problem.contains("belongs to no part") && (named || merger), "{family}: {problem}");
    }
}

#[test]
fn tensors_that_the_config_does_not_describe_are_named() {
    for family in &fixture_of_each_family() {
        let bias = |tensors: &[NamedTensor]| {
            let weight = find(tensors, "up_proj.weight");
            (weight.name.replace(".weight", ".bias"), vec![weight.shape[0]])
        };
        let of_tower = |tensors: &[NamedTensor]| {
            let beside = tensors.iter().find(|tensor| tensor.name.contains("vis") && tensor.name.contains(".0."));
            let (layer, _) = beside.expect("a layer").name.split_once(".0.").expect("a number");
            (format!("{layer}.0.gamma.weight"), vec![3])
        };
        let of_head = |_: &[NamedTensor]| ("lm_head.bias".to_owned(), vec![2]);
        type Stray = fn(&[NamedTensor]) -> (String, Vec<usize>);
        for (stray, part) in
            [(bias as Stray, ModelPart::Decoder), (of_tower, ModelPart::Vision), (of_head, ModelPart::Decoder)]
        {
            let folder = model(family);
            let mut added = String::new();
            edit_tensors(folder.path(), |tensors| {
                let (name, shape) = stray(tensors);
                added.clone_from(&name);
                tensors.push(NamedTensor { values: vec![0.5; shape[0]], name, shape });
            });
            let problem = refusal(folder.path());
            let (_, rest) = added.split_once(".layer").unwrap_or(("", &added));
            assert!(problem.contains(rest.trim_start_matches("visual.")), "{family}: {problem}");
            let key = if part == ModelPart::Decoder { "`text_config.model_type`" } else { "`vision_config." };
            assert!(problem.contains(key) && problem.contains("belongs to no part"), "{family}: {problem}");
        }
    }
}

/// Biases of Qwen2 beside a configuration of Llama, and the reverse.
#[test]
fn weights_of_another_decoder_are_refused() {
    let folder = model("internvl");
    let config = folder.path().join("config.json");
    assert_eq!(json(&config)["text_config"]["model_type"], "qwen2");
    edit_json(&config, |config| config["text_config"]["model_type"] = "llama".into());
    let problem = refusal(folder.path());
    assert!(problem.contains("_proj.bias belongs to no part"), "{problem}");
    let folder = model("llava");
    edit_json(&folder.path().join("config.json"), |config| config["text_config"]["model_type"] = "qwen2".into());
    let problem = refusal(folder.path());
    assert!(problem.contains("_proj.bias is missing"), "{problem}");
}

/// A stored head beside an embedding table that is the head must be equal to it.
#[test]
fn a_stored_head_is_refused_where_the_config_ties_it_to_another_table() {
    for family in &fixture_of_each_family() {
        let tied = |equal: bool| {
            let folder = model(family);
            edit_json(&folder.path().join("config.json"), |config| {
                decoder(config)["tie_word_embeddings"] = true.into();
                config["tie_word_embeddings"] = true.into();
            });
            edit_tensors(folder.path(), |tensors| {
                let mut head = find(tensors, "embed_tokens.weight").clone();
                let at = tensors.iter().position(|tensor| tensor.name.ends_with("lm_head.weight"));
                head.name = at.map_or("lm_head.weight".to_owned(), |at| tensors.remove(at).name);
                head.values[0] += if equal { 0.0 } else { 0.25 };
                tensors.push(head);
            });
            folder
        };
        let problem = refusal(tied(false).path());
        let parts = ["tensor lm_head.weight differs from model.", "(`tie_word_embeddings`) -> set the key to false"];
        assert!(parts.iter().all(|part| problem.contains(part)), "{family}: {problem}");
        assert_loads(tied(true).path(), family);
    }
}

/// Transformers makes the stored one of two tied tensors the other one as well.
#[test]
fn a_stored_head_alone_is_the_embedding_table_where_both_are_tied() {
    for family in &fixture_of_each_family() {
        let folder = model(family);
        edit_json(&folder.path().join("config.json"), |config| config["tie_word_embeddings"] = true.into());
        let mut table = Vec::new();
        edit_tensors(folder.path(), |tensors| {
            tensors.retain(|tensor| !tensor.name.ends_with("lm_head.weight"));
            let place =
                tensors.iter().position(|tensor| tensor.name.ends_with("embed_tokens.weight")).expect("a table");
            tensors[place].name = "lm_head.weight".to_owned();
            table.clone_from(&tensors[place].values);
        });
        assert_loads(folder.path(), family);
        let mut model = Vlm::load(folder.path(), &Device::flex()).expect(family);
        let parameters = parameters(&mut model);
        let read = parameters.iter().find(|(name, _)| name.ends_with("embed_tokens.weight")).expect("a table");
        assert!(*read.1 == table, "{family}");
    }
}

#[test]
fn a_missing_norm_or_head_is_found_before_weights_are_read() {
    for family in &fixture_of_each_family() {
        for (ending, expected) in [
            (".norm.weight", ".norm.weight is missing"),
            ("lm_head.weight", "tensor lm_head.weight is missing, and `tie_word_embeddings` is false in config.json"),
        ] {
            let folder = model(family);
            edit_json(&folder.path().join("config.json"), |config| config["tie_word_embeddings"] = false.into());
            edit_tensors(folder.path(), |tensors| {
                let kept = |tensor: &NamedTensor| {
                    let is_decoder = !tensor.name.contains("vis") && !tensor.name.contains("layers.");
                    !(is_decoder && tensor.name.ends_with(ending))
                };
                tensors.retain(kept);
            });
            let problem = refusal(folder.path());
            assert!(problem.contains(expected), "{family}: {problem}");
        }
    }
}

#[test]
fn a_folder_without_image_encoder_is_refused() {
    for family in &fixture_of_each_family() {
        let folder = model(family);
        edit_tensors(folder.path(), |tensors| tensors.retain(|tensor| !tensor.name.contains("vis")));
        let problem = refusal(folder.path());
        assert!(problem.contains("tensor model.vis") && problem.contains("is missing"), "{family}: {problem}");
    }
}

/// Transformers ignores these tensors, and so does this program.
#[test]
fn buffers_and_tensors_of_other_modules_are_allowed() {
    for family in &fixture_of_each_family() {
        let folder = model(family);
        edit_tensors(folder.path(), |tensors| {
            let layer = find(tensors, "layers.0.self_attn.q_proj.weight").name.replace("q_proj.weight", "");
            let stated = tensors.iter().find(|tensor| tensor.name.contains("patch_embed")).expect("patches");
            let tower = stated.name.split_once(".embeddings.").map_or("visual", |(tower, _)| tower).to_owned();
            for name in [
                format!("{layer}rotary_emb.inv_freq"),
                format!("{tower}.embeddings.position_ids"),
                "v_head.summary.weight".to_owned(),
            ] {
                tensors.push(NamedTensor { name, shape: vec![2], values: vec![0.0; 2] });
            }
        });
        assert_loads(folder.path(), family);
    }
}
