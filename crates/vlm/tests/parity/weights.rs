//! Model folders in other forms than one f32 file: sharded, in 16 bits, with older tensor names.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use stepwise_testing::files::{copy_of, edit_json, json, parity, tiny};
use stepwise_testing::model;
use stepwise_testing::model::parameters::{Values, parameters};
use stepwise_vlm::Precision;
use stepwise_vlm::model::{Vlm, save_model};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::processor::Processor;
use stepwise_vlm::weights::{SafetensorsSource, write_safetensors};

use crate::conversation::single;
use crate::fixtures::{TOLERANCE, assert_close};

/// A tensor as stored in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

pub type Tensors = BTreeMap<String, Stored>;

fn tensors_of(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).expect("a file");
    let file = SafeTensors::deserialize(&bytes).expect("safetensors");
    let stored =
        |view: &TensorView| Stored { dtype: view.dtype(), shape: view.shape().to_vec(), bytes: view.data().to_vec() };
    file.iter().map(|(name, view)| (name.to_owned(), stored(&view))).collect()
}

fn write(path: &Path, tensors: &Tensors) {
    let views = tensors.iter().map(|(name, stored)| {
        (name, TensorView::new(stored.dtype, stored.shape.clone(), &stored.bytes).expect("a view"))
    });
    std::fs::write(path, safetensors::serialize(views, None).expect("serialised")).expect("written");
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])).collect()
}

fn load(folder: &Path) -> Values {
    parameters(&mut Vlm::load(folder, &Device::flex()).expect("a model"))
}

/// Tensors of `tiny/`.
pub fn stored() -> Tensors {
    tensors_of(&tiny().join("model.safetensors"))
}

/// A copy of `tiny/` with other weights.
pub fn folder_with(tensors: &Tensors) -> tempfile::TempDir {
    let folder = copy_of(&tiny(), &["model.safetensors"]);
    write(&folder.path().join("model.safetensors"), tensors);
    folder
}

fn refusal(folder: &Path) -> String {
    Vlm::load(folder, &Device::flex()).expect_err("refused").to_string()
}

#[test]
fn the_parameters_equal_the_tensors_of_the_file() {
    let expected: BTreeMap<_, _> = stored().into_iter().map(|(name, stored)| (name, floats(&stored.bytes))).collect();
    assert_eq!(expected.len(), 59);
    assert!(load(&tiny()) == expected);
}

#[test]
fn both_layouts_describe_the_same_model() {
    let old = Vlm::load_config(&tiny()).expect("a config");
    let new = Vlm::load_config(&parity().join("tiny-new-layout")).expect("a config");
    assert_eq!((old.text, old.vision), (new.text, new.vision));
    let folder = copy_of(&parity().join("tiny-new-layout"), &[]);
    std::fs::copy(tiny().join("model.safetensors"), folder.path().join("model.safetensors")).expect("copied");
    let mut model = Vlm::load(folder.path(), &Device::flex()).expect("a model");
    assert!(parameters(&mut model) == load(&tiny()));
    let single = single();
    let logits = single.logits(&model, &Pass::ANSWER);
    assert_close("single.logits", &logits, &single.reference("logits"), TOLERANCE);
}

#[test]
fn sharded_folders_are_read_like_single_files() {
    let folder = copy_of(&tiny(), &["model.safetensors"]);
    let mut shards = [Tensors::new(), Tensors::new(), Tensors::new()];
    let mut places = serde_json::Map::new();
    for (index, (name, tensor)) in stored().into_iter().enumerate() {
        places.insert(name.clone(), format!("model-0000{}-of-00003.safetensors", index % 3 + 1).into());
        shards[index % 3].insert(name, tensor);
    }
    for (shard, tensors) in (1..).zip(&shards) {
        write(&folder.path().join(format!("model-0000{shard}-of-00003.safetensors")), tensors);
    }
    let index = folder.path().join("model.safetensors.index.json");
    std::fs::write(&index, serde_json::json!({ "weight_map": places }).to_string()).expect("written");
    assert!(load(folder.path()) == load(&tiny()));

    edit_json(&index, |index| index["weight_map"]["lm_head.weight"] = "../elsewhere.safetensors".into());
    let problem = refusal(folder.path());
    assert!(problem.contains("weight_map.lm_head.weight") && problem.contains("in the same folder"), "{problem}");
    edit_json(&index, |index| index["weight_map"]["lm_head.weight"] = "absent.safetensors".into());
    let problem = refusal(folder.path());
    assert!(
        problem.contains("the shard absent.safetensors, which should hold lm_head.weight, is absent -> "),
        "{problem}"
    );
    for empty in ["{}", "{\"weight_map\": {}}"] {
        std::fs::write(&index, empty).expect("written");
        assert!(refusal(folder.path()).contains("weight_map is missing or empty"));
    }
}

/// Tensors of `tiny/`, all values multiplied by a factor.
fn scaled(factor: f32) -> Tensors {
    let scale = |stored: Stored| {
        let bytes = floats(&stored.bytes).into_iter().flat_map(|value| (value * factor).to_le_bytes()).collect();
        Stored { bytes, ..stored }
    };
    stored().into_iter().map(|(name, stored)| (name, scale(stored))).collect()
}

/// Writes an index that places every tensor in `shard`.
fn write_index(folder: &Path, name: &str, shard: &str) {
    let map: serde_json::Map<String, Value> = stored().into_keys().map(|name| (name, shard.into())).collect();
    std::fs::write(folder.join(name), serde_json::json!({ "weight_map": map }).to_string()).expect("written");
}

/// The choice of `from_pretrained` in transformers 5.23, `_get_resolved_checkpoint_files`.
#[test]
fn a_folder_with_several_weights_is_read_as_transformers_reads_it() {
    let folder = copy_of(&tiny(), &["model.safetensors"]);
    let path = |name: &str| folder.path().join(name);
    let is = |factor: f32| load(folder.path()) == load(folder_with(&scaled(factor)).path());
    write(&path("model-00001-of-00001.safetensors"), &scaled(2.0));
    write_index(folder.path(), "model.safetensors.index.json", "model-00001-of-00001.safetensors");
    assert!(is(2.0), "shards alone");
    write(&path("model.safetensors"), &scaled(3.0));
    assert!(is(3.0), "a whole file goes before an index");
    std::fs::write(path("model.safetensors.index.json"), "{").expect("written");
    assert!(is(3.0), "an index that is not used may be damaged");
    std::fs::remove_file(path("model-00001-of-00001.safetensors")).expect("removed");
    write_index(folder.path(), "model.safetensors.index.json", "model-00001-of-00001.safetensors");
    assert!(is(3.0), "or stale");
    std::fs::remove_file(path("model.safetensors")).expect("removed");
    assert!(refusal(folder.path()).contains("the shard model-00001-of-00001.safetensors"), "an index without shards");

    // The file that the config names goes before all others.
    write(&path("model.safetensors"), &scaled(3.0));
    write(&path("other.safetensors"), &scaled(5.0));
    write_index(folder.path(), "other.safetensors.index.json", "other.safetensors");
    for name in ["other.safetensors", "other.safetensors.index.json"] {
        edit_json(&path("config.json"), |config| config["transformers_weights"] = name.into());
        assert!(is(5.0), "{name}");
    }
    for name in ["../other.safetensors", "other.bin", "absent.safetensors"] {
        edit_json(&path("config.json"), |config| config["transformers_weights"] = name.into());
        let problem = refusal(folder.path());
        assert!(problem.contains("config.json: transformers_weights is ") && problem.contains(" -> "), "{problem}");
    }
    edit_json(&path("config.json"), |config| config["transformers_weights"] = Value::Null);
    assert!(is(3.0));
}

#[test]
fn a_folder_with_weights_of_another_format_says_how_to_convert_them() {
    for (file, expected) in [
        ("pytorch_model.bin", "convert to safetensors in Python"),
        ("pytorch_model-00001-of-00002.bin", "convert to safetensors in Python"),
        ("consolidated.00.pth", "convert to safetensors in Python"),
        ("model-q4_k_m.gguf", "name the original folder"),
    ] {
        let folder = copy_of(&tiny(), &["model.safetensors"]);
        std::fs::write(folder.path().join(file), "").expect("written");
        let problem = refusal(folder.path());
        assert!(problem.contains(&format!("the weights are in {file}")) && problem.contains(expected), "{problem}");
    }
}

/// Values of a type in which NaN and infinity are written, as bytes.
fn encoded(dtype: Dtype, value: f32) -> Vec<u8> {
    match dtype {
        Dtype::F16 => half::f16::from_f32(value).to_le_bytes().to_vec(),
        Dtype::BF16 => half::bf16::from_f32(value).to_le_bytes().to_vec(),
        _ => value.to_le_bytes().to_vec(),
    }
}

#[test]
fn values_that_are_not_finite_are_refused_in_every_type_precision_and_part() {
    let precisions = [
        Precision::F32,
        Precision::Bf16,
        Precision::Nf4 { double_quant: false, bf16: false },
        Precision::Nf4 { double_quant: true, bf16: true },
    ];
    let names = [
        "model.vision_model.embeddings.patch_embedding.weight",
        "model.vision_model.encoder.layers.1.layer_norm1.bias",
        "model.connector.modality_projection.proj.weight",
        "model.text_model.embed_tokens.weight",
        "model.text_model.layers.1.mlp.down_proj.weight",
        "lm_head.weight",
    ];
    let kinds = [(Dtype::F32, f32::NAN), (Dtype::F16, f32::INFINITY), (Dtype::BF16, f32::NEG_INFINITY)];
    for (number, name) in names.into_iter().enumerate() {
        let (dtype, value) = kinds[number % kinds.len()];
        let mut tensors = stored();
        let tensor = tensors.get_mut(name).expect("a tensor");
        let mut values = floats(&tensor.bytes);
        let last = values.len() - 1;
        (values[3], values[last]) = (value, value);
        let bytes = values.iter().flat_map(|value| encoded(dtype, *value)).collect();
        *tensor = Stored { dtype, bytes, ..tensor.clone() };
        let folder = folder_with(&tensors);
        for precision in precisions {
            let problem = Vlm::load_in(precision, folder.path(), &Device::flex()).expect_err(name).to_string();
            let file = folder.path().join("model.safetensors");
            let expected =
                format!("{}: tensor {name} has 2 values that are not finite, the first is {value}", file.display());
            assert!(problem.starts_with(&expected) && problem.contains(" -> "), "{problem}");
        }
    }
    // The largest finite values are none.
    let mut tensors = stored();
    let tensor = tensors.get_mut("lm_head.weight").expect("a tensor");
    tensor.bytes[..8].copy_from_slice(&[f32::MAX.to_le_bytes(), f32::MIN.to_le_bytes()].concat());
    load(folder_with(&tensors).path());
}

#[test]
fn the_first_value_that_is_not_finite_is_given_by_its_index() {
    let mut tensors = stored();
    let tensor = tensors.get_mut("lm_head.weight").expect("a tensor");
    let place = (7 * tensor.shape[1] + 5) * 4;
    tensor.bytes[place..place + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    let problem = refusal(folder_with(&tensors).path());
    assert!(problem.contains("has 1 values that are not finite, the first is NaN at [7, 5] -> "), "{problem}");
}

#[test]
fn byte_order_marks_of_json_files_are_left_out() {
    let expected = load(&tiny());
    let processor = Processor::from_folder(&tiny()).expect("loads");
    let folder = copy_of(&tiny(), &[]);
    for entry in std::fs::read_dir(folder.path()).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|ending| ending == "json") {
            let text = std::fs::read_to_string(&path).expect("a text");
            std::fs::write(&path, format!("\u{feff}{text}")).expect("written");
        }
    }
    assert!(load(folder.path()) == expected);
    assert_eq!(Processor::from_folder(folder.path()).expect("loads").digest(), processor.digest());
    let config = folder.path().join("config.json");
    std::fs::write(&config, b"\xff\xfe{\0}\0").expect("written");
    assert!(refusal(folder.path()).contains("config.json: is UTF-16, not UTF-8 text -> "));
}

#[test]
fn a_failed_write_leaves_nothing_beside() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("taken.safetensors");
    std::fs::create_dir_all(path.join("inside")).expect("made");
    let problem = write_safetensors(&path, &[], false).expect_err("a folder is in the way").to_string();
    assert!(
        problem.contains("taken.safetensors: ") && problem.contains(" -> check that the folder is writable"),
        "{problem}"
    );
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 1);
}

/// Configs of other models, as far as the field that a reader of SmolVLM would miss first.
#[test]
fn other_models_are_refused_by_their_type() {
    for (model_type, class) in [
        ("qwen3_vl_moe", "Qwen3VLMoeForConditionalGeneration"),
        ("llama", "LlamaForCausalLM"),
        ("llava_onevision", "LlavaOnevisionForConditionalGeneration"),
        ("mllama", "MllamaForConditionalGeneration"),
        ("paligemma", "PaliGemmaForConditionalGeneration"),
        ("idefics2", "Idefics2ForConditionalGeneration"),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let config = serde_json::json!({ "architectures": [class], "model_type": model_type, "vision_config": {} });
        std::fs::write(folder.path().join("config.json"), config.to_string()).expect("written");
        let problem = refusal(folder.path());
        let expected = format!("config.json: model_type is \"{model_type}\" ({class}): ");
        let parts = [&expected, "the types \"idefics3\", \"smolvlm\", ", " -> name the folder of such a model"];
        assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    }
    let folder = copy_of(&tiny(), &[]);
    let config = folder.path().join("config.json");
    edit_json(&config, |config| config["text_config"]["model_type"] = "qwen2".into());
    let problem = refusal(folder.path());
    assert!(["text_config.model_type is ", "qwen2", "only a Llama decoder"].iter().all(|part| problem.contains(part)));
    edit_json(&config, |config| drop(config.as_object_mut().expect("an object").remove("model_type")));
    assert!(refusal(folder.path()).contains("model_type is missing"));
}

#[test]
fn half_precision_weights_are_widened_exactly() {
    type Halves = (Dtype, fn(f32) -> [u8; 2], fn([u8; 2]) -> f32);
    let kinds: [Halves; 2] = [
        (Dtype::F16, |x| half::f16::from_f32(x).to_le_bytes(), |bytes| half::f16::from_le_bytes(bytes).to_f32()),
        (Dtype::BF16, |x| half::bf16::from_f32(x).to_le_bytes(), |bytes| half::bf16::from_le_bytes(bytes).to_f32()),
    ];
    for (dtype, narrow, widen) in kinds {
        let mut tensors = stored();
        let mut expected = BTreeMap::new();
        for (name, tensor) in &mut tensors {
            let halves: Vec<[u8; 2]> = floats(&tensor.bytes).into_iter().map(narrow).collect();
            expected.insert(name.clone(), halves.iter().copied().map(widen).collect::<Vec<f32>>());
            *tensor = Stored { dtype, shape: tensor.shape.clone(), bytes: halves.concat() };
        }
        assert!(load(folder_with(&tensors).path()) == expected, "{dtype:?}");
    }
}

#[test]
fn a_saved_model_equals_the_loaded_one() {
    let mut model = model::model();
    let folder = tempfile::tempdir().expect("a folder");
    save_model(&mut model, &tiny(), folder.path(), false).expect("saved");
    assert!(tensors_of(&folder.path().join("model.safetensors")) == stored());
    assert!(load(folder.path()) == parameters(&mut model));

    save_model(&mut model, &tiny(), folder.path(), true).expect("saved");
    let rounded = |value: &f32| half::bf16::from_f32(*value).to_f32();
    let expected: Values =
        parameters(&mut model).into_iter().map(|(name, values)| (name, values.iter().map(rounded).collect())).collect();
    assert!(load(folder.path()) == expected);
}

fn old_keys() -> Value {
    json(&parity().join("tiny-old-keys.json"))
}

fn renamed(form: &str) -> Tensors {
    let keys = old_keys();
    let old_name = |name: &str| keys[form][name].as_str().expect("a name").to_owned();
    stored().into_iter().map(|(name, tensor)| (old_name(&name), tensor)).collect()
}

#[test]
fn folders_with_older_names_give_the_same_model() {
    let expected = load(&tiny());
    for form in ["without_head_class", "before_conversion"] {
        let tensors = renamed(form);
        assert!(tensors.keys().any(|name| !expected.contains_key(name)), "{form} has names of its own");
        assert!(load(folder_with(&tensors).path()) == expected, "{form}");
    }
}

#[test]
fn split_rows_are_joined_and_unused_tensors_are_not_read() {
    const LAST: usize = 3;
    let (keys, mut tensors) = (old_keys(), renamed("before_conversion"));
    for (name, rest) in keys["appended_rows"].as_object().expect("names") {
        let old_name = keys["before_conversion"][name].as_str().expect("a name");
        let whole = tensors.get_mut(old_name).expect("a tensor");
        let row = whole.bytes.len() / whole.shape[0];
        let bytes = whole.bytes.split_off(row * (whole.shape[0] - LAST));
        whole.shape[0] -= LAST;
        let shape = vec![LAST, whole.shape[1]];
        tensors.insert(rest.as_str().expect("a name").to_owned(), Stored { dtype: Dtype::F32, shape, bytes });
    }
    let ignored = keys["ignored_prefixes"][0].as_str().expect("a prefix");
    let unused = Stored { dtype: Dtype::F32, shape: vec![1], bytes: vec![0; 4] };
    tensors.insert(format!("{ignored}probe"), unused);
    assert!(load(folder_with(&tensors).path()) == load(&tiny()));
}

#[test]
fn a_tensor_that_is_missing_or_has_another_shape_or_type_is_named() {
    let name = "model.text_model.norm.weight";
    let mut tensors = stored();
    let mut tensor = tensors.remove(name).expect("a tensor");
    tensors.insert("model.text_model.norms.weight".to_owned(), tensor.clone());
    let problem = refusal(folder_with(&tensors).path());
    let expected = "(most similar: model.text_model.norms.weight)";
    assert!(problem.contains(&format!(": tensor {name} is missing")) && problem.contains(expected), "{problem}");

    // A tensor that no part of the model has would be refused, too.
    tensors.remove("model.text_model.norms.weight");
    tensor.shape = vec![16, 2];
    tensors.insert(name.to_owned(), tensor.clone());
    let problem = refusal(folder_with(&tensors).path());
    assert!(problem.contains("has shape [16, 2], the config requires [32] -> "), "{problem}");

    tensor = Stored { dtype: Dtype::I32, shape: vec![32], bytes: tensor.bytes };
    tensors.insert(name.to_owned(), tensor);
    let problem = refusal(folder_with(&tensors).path());
    assert!(problem.contains(name) && problem.contains("supported are F32, F16 and BF16"), "{problem}");

    let folder = copy_of(&tiny(), &[]);
    std::fs::write(folder.path().join("model.safetensors"), b"not tensors").expect("written");
    assert!(refusal(folder.path()).contains("invalid safetensors file"));
    let config = Vlm::load_config(&tiny()).expect("a config");
    let source = SafetensorsSource::open_model(&folder.path().join("nowhere"), &config, &Device::flex());
    assert!(source.is_err_and(|error| error.to_string().contains("nowhere")));
}
