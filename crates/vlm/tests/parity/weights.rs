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
use stepwise_vlm::idefics3::{Vlm, save_model};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::weights::SafetensorsSource;

use crate::conversation::single;
use crate::fixtures::{TOLERANCE, assert_close};

/// A tensor as stored in a file.
#[derive(Clone, Debug, PartialEq)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

type Tensors = BTreeMap<String, Stored>;

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
fn stored() -> Tensors {
    tensors_of(&tiny().join("model.safetensors"))
}

/// A copy of `tiny/` with other weights.
fn folder_with(tensors: &Tensors) -> tempfile::TempDir {
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
    assert_eq!(
        (old.text.rope_theta(), old.text.head_dim(), old.text.kv_heads(), old.tie_word_embeddings),
        (new.text.rope_theta(), new.text.head_dim(), new.text.kv_heads(), new.tie_word_embeddings)
    );
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
    assert!(refusal(folder.path()).contains("absent.safetensors"));
    std::fs::write(&index, "{}").expect("written");
    assert!(refusal(folder.path()).contains("weight_map is missing"));
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
    let source = SafetensorsSource::open_model(&folder.path().join("nowhere"), &Device::flex());
    assert!(source.is_err_and(|error| error.to_string().contains("nowhere")));
}
