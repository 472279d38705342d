//! Adapter folders: saved adapters are read again by Stepwise and by PEFT, and unsound folders are refused.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};
use stepwise_data::image::sha256_hex;
use stepwise_testing::files::{assert_same_files, copy_of, edit_json, parity, tiny};
use stepwise_testing::model::parameters::{read, replace, trainable_parameters};
use stepwise_testing::model::{self, recorded};
use stepwise_vlm::adapter::{LoraConfig, Targets, attach, load_adapter, save_adapter, take_apart};
use stepwise_vlm::generate::generate;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::processor::Processor;
use stepwise_vlm::weights::{NamedTensor, SafetensorsSource, write_safetensors};

use crate::conversation::{Case, predicted, single};
use crate::fixtures::{PREFIX, TOLERANCE, adapted, assert_close, list, number, products};
use crate::variants::references;

/// File of the tensors in an adapter folder.
const TENSORS: &str = "adapter_model.safetensors";

/// Saves the adapter of a model to a temporary folder.
fn saved(model: &mut Vlm, config: &LoraConfig) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    save_adapter(model, config, "tiny", folder.path()).expect("saved");
    folder
}

#[test]
fn a_saved_adapter_is_read_again_unchanged() {
    for kind in ["", "-rslora", "-all", "-pattern", "-dora", "-saved"] {
        let folder = format!("tiny-lora{kind}");
        let (mut model, config) = adapted(&folder);
        let first = saved(&mut model, &config);
        let bytes = |folder: &Path| fs::read(folder.join(TENSORS)).expect(TENSORS);
        assert!(bytes(first.path()) == bytes(&parity().join(&folder)), "{folder}: PEFT's bytes");

        let mut again = model::model();
        let config_again = load_adapter(&mut again, first.path()).expect("an adapter");
        let expected = LoraConfig { target_modules: config_again.target_modules.clone(), ..config };
        assert_eq!(config_again, expected, "{folder}: only the form of the targets differs");
        let logits = |model: &Vlm| single().logits(model, &Pass::ANSWER);
        assert!(logits(&again) == logits(&model), "{folder}");
        assert_same_files(first.path(), saved(&mut again, &config_again).path());
    }
}

#[test]
fn pissa_is_saved_like_pefts_conversion_and_restored() {
    let (mut model, config) = adapted("tiny-lora-pissa");
    let first = saved(&mut model, &config);
    let mut ours = model::model();
    let read = load_adapter(&mut ours, first.path()).expect("an adapter");
    let (mut pefts, theirs) = adapted("tiny-lora-pissa-converted");
    assert_eq!((read.r, read.lora_alpha), (theirs.r, theirs.lora_alpha));
    let expected = products(&mut pefts);
    for (name, product) in products(&mut ours) {
        // Both are differences of two products about a hundred times larger, and PyTorch decomposes in f32.
        assert_close(&name, &product, &expected[&name], 5e-3);
    }
    for model in [&ours, &pefts] {
        assert_close("logits", &predicted(model, &Pass::ANSWER), &references().values("pissa.logits"), TOLERANCE);
    }
    take_apart(&mut ours, &config).expect("taken apart");
    assert!(predicted(&ours, &Pass::ANSWER) == predicted(&model, &Pass::ANSWER), "to the bit");
    assert_same_files(first.path(), saved(&mut ours, &config).path());
}

/// Error for a copy of `tiny-lora` with changed tensors.
fn refusal_of_tensors(edit: impl FnOnce(&mut Vec<NamedTensor>)) -> String {
    let folder = copy_of(&parity().join("tiny-lora"), &[]);
    let path = folder.path().join("adapter_model.safetensors");
    let source = SafetensorsSource::open(std::slice::from_ref(&path), &Device::flex()).expect("tensors");
    let tensor = |name: &str| {
        let (shape, values) = source.any(name).expect("a tensor");
        NamedTensor { name: name.to_owned(), shape, values }
    };
    let mut tensors: Vec<NamedTensor> = source.names().map(tensor).collect();
    edit(&mut tensors);
    write_safetensors(&path, &tensors, false).expect("written");
    refusal(folder.path())
}

/// Error for an adapter folder. Also checks that the model is unchanged.
fn refusal(folder: &Path) -> String {
    let mut model = model::model();
    let problem = load_adapter(&mut model, folder).expect_err("refused").to_string();
    let logits = |model: &Vlm| Case::load("text_only").logits(model, &Pass::ANSWER);
    assert!(model.linears().len() == 27 && logits(&model) == logits(&model::model()));
    problem
}

#[test]
fn wrong_missing_and_unexpected_tensors_are_named() {
    let key = format!("{PREFIX}model.text_model.layers.1.mlp.up_proj.lora_A.weight");
    let missing = refusal_of_tensors(|tensors| tensors.retain(|tensor| tensor.name != key));
    assert!(missing.contains(&format!(": tensor {key} is missing")), "{missing}");

    let extra = refusal_of_tensors(|tensors| {
        let name = format!("{PREFIX}model.connector.modality_projection.proj.lora_A.weight");
        tensors.push(NamedTensor { name, shape: vec![4, 128], values: vec![0.0; 4 * 128] });
    });
    assert!(extra.contains("modality_projection.proj.lora_A.weight belongs to no module"), "{extra}");

    let wrong = refusal_of_tensors(|tensors| {
        let tensor = tensors.iter_mut().find(|tensor| tensor.name == key).expect("a tensor");
        tensor.shape.reverse();
    });
    assert!(wrong.contains(&key) && wrong.contains("has shape [32, 4], the config requires [4, 32] -> "), "{wrong}");
}

#[test]
fn configs_with_unsupported_settings_are_refused() {
    let refused = |field: &str, value: Value| {
        let folder = copy_of(&parity().join("tiny-lora"), &[]);
        edit_json(&folder.path().join("adapter_config.json"), |config| config[field] = value);
        refusal(folder.path())
    };
    for (field, value) in [
        ("peft_type", json!("LOHA")),
        ("bias", json!("all")),
        ("use_qalora", json!(true)),
        ("fan_in_fan_out", json!(true)),
        ("init_lora_weights", json!("pissa_niter_4")),
        ("trainable_token_indices", json!([1])),
        ("alora_invocation_tokens", json!([1, 2])),
    ] {
        let problem = refused(field, value);
        assert!(problem.contains("adapter_config.json") && problem.contains(field), "{problem}");
    }
    for (field, value, tensor) in [
        ("use_dora", json!(true), "q_proj.lora_magnitude_vector is missing"),
        ("modules_to_save", json!(["lm_head"]), "lm_head.weight is missing"),
        ("rank_pattern", json!({"q_proj": 8}), "q_proj.lora_A.weight has shape"),
    ] {
        let problem = refused(field, value);
        assert!(problem.contains(tensor), "{problem}");
    }
    for (field, value, expected) in [
        ("r", json!(0), "r is 0 -> set a rank of at least 1"),
        ("rank_pattern", json!({"q_proj": 0}), "rank_pattern has rank 0 for \"q_proj\" -> set a rank of at least 1"),
        ("lora_alpha", json!(1e300), "lora_alpha: number out of range -> "),
        ("alpha_pattern", json!({"q_proj": 1e300}), "alpha_pattern.q_proj: number out of range -> "),
        ("lora_dropout", json!(1), "lora_dropout is 1 -> set a number from 0 to below 1"),
    ] {
        let problem = refused(field, value);
        assert!(problem.contains(expected), "{problem}");
    }
    let problem = refused("target_modules", json!(["q_porj"]));
    assert!(problem.contains(r#"the nearest is "q_proj""#), "{problem}");
}

#[test]
fn tensors_that_are_not_finite_are_named_in_every_part_of_an_adapter() {
    for (folder, tensor) in [
        ("tiny-lora", "model.text_model.layers.1.mlp.up_proj.lora_A.weight"),
        ("tiny-lora-all", "model.vision_model.encoder.layers.0.mlp.fc1.lora_B.weight"),
        ("tiny-lora-dora", "lora_magnitude_vector"),
        ("tiny-lora-saved", "lm_head.weight"),
        ("tiny-lora-pissa", "lora_A.weight"),
    ] {
        for value in [f32::NAN, f32::INFINITY] {
            let folder = copy_of(&parity().join(folder), &[]);
            let file = folder.path().join(TENSORS);
            // Only the bytes are changed: the functions of Stepwise do not read such a file.
            let mut bytes = fs::read(&file).expect("tensors");
            let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
            let places: Value = serde_json::from_slice(&bytes[8..8 + header]).expect("JSON");
            let mut names = places.as_object().expect("an object").iter();
            let (name, place) = names.find(|(name, _)| name.ends_with(tensor)).expect(tensor);
            let start = 8 + header + place["data_offsets"][0].as_u64().expect("a number") as usize;
            bytes[start + 4..start + 8].copy_from_slice(&value.to_le_bytes());
            fs::write(&file, bytes).expect("written");
            let problem = refusal(folder.path());
            let expected =
                format!("{}: tensor {name} has 1 values that are not finite, the first is {value}", file.display());
            assert!(problem.starts_with(&expected) && problem.contains(" -> "), "{problem}");
        }
    }
}

#[test]
fn a_pickled_adapter_says_how_to_convert_it() {
    let folder = copy_of(&parity().join("tiny-lora"), &[TENSORS]);
    assert!(refusal(folder.path()).contains(&format!("{TENSORS}: there is no such file -> ")));
    for name in ["adapter_model.bin", "adapter_model.pt"] {
        let file = folder.path().join(name);
        fs::write(&file, "").expect("written");
        let problem = refusal(folder.path());
        assert!(problem.contains(&format!("the weights are in {name}, and pickled")), "{problem}");
        assert!(problem.contains(&format!("torch.load(\"{}\", weights_only=True)", file.display())), "{problem}");
        fs::remove_file(file).expect("removed");
    }
    let refused = |path: &str| refusal(Path::new(path));
    assert!(refused("someone/adapter").contains("`hf download someone/adapter --local-dir DIR`"));
    assert!(refused(&tiny().display().to_string()).contains("this is a whole model, and a PEFT adapter is expected"));
}

#[test]
fn patterns_advise_what_patterns_can_be() {
    let refused = |config: &LoraConfig| {
        let frozen = |name: &str| !name.contains("vision_model");
        attach(&mut model::model(), config, 1, frozen).expect_err("refused").to_string()
    };
    let lora = || LoraConfig::new(2, 4.0, Targets::List(names(&["q_proj"])));
    let ranks = |name: &str| LoraConfig { rank_pattern: [(name.to_owned(), 3)].into_iter().collect(), ..lora() };
    let alphas = |name: &str| LoraConfig { alpha_pattern: [(name.to_owned(), 3.0)].into_iter().collect(), ..lora() };
    for (config, expected) in [
        (
            ranks("zzz"),
            "rank_pattern: \"zzz\" matches no linear layer -> write a regular expression for the end of module",
        ),
        (
            alphas("zzz"),
            "alpha_pattern: \"zzz\" matches no linear layer -> write a regular expression for the end of module",
        ),
        (ranks("up_proj"), "layers.0.mlp.up_proj -> add these layers to `target_modules`, or remove the entry"),
        (ranks("fc1"), "such as model.vision_model.encoder.layers.0.mlp.fc1 -> add these layers to `target_modules`"),
        (
            LoraConfig::new(2, 4.0, Targets::List(names(&["fc1"]))),
            "a layer gets no adapter if a `freeze_*` key freezes its part",
        ),
        (LoraConfig::new(2, 4.0, Targets::Pattern("q_proj".to_owned())), "-> write a list, [\"q_proj\"]"),
        (
            LoraConfig { exclude_modules: Some(Targets::Pattern("all-linear".to_owned())), ..lora() },
            "no linear layer is left to adapt -> exclude fewer",
        ),
    ] {
        let problem = refused(&config);
        assert!(problem.contains(expected) && !problem.contains("\"all-linear\""), "{problem}");
    }
}

/// Returns the names as a list of target modules.
fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Adapters made by Stepwise alone, by the name of their folder: LoRA on some modules, and DoRA with patterns and
/// `modules_to_save`.
fn our_configs() -> [(&'static str, LoraConfig); 2] {
    let lora = LoraConfig {
        lora_dropout: 0.05,
        exclude_modules: Some(Targets::Pattern(r".*encoder\.layers\.0.*".to_owned())),
        use_rslora: true,
        ..LoraConfig::new(
            3,
            12.5,
            Targets::List(names(&["q_proj", "v_proj", "down_proj", "fc1", "modality_projection.proj"])),
        )
    };
    let dora = LoraConfig {
        use_dora: true,
        rank_pattern: [(r"layers\.1\..*".to_owned(), 5), ("q_proj".to_owned(), 2)].into_iter().collect(),
        alpha_pattern: [("fc1".to_owned(), 2.5)].into_iter().collect(),
        modules_to_save: names(&["modality_projection.proj", "lm_head", "encoder.layers.0.mlp.fc2"]),
        ..LoraConfig::new(3, 6.0, Targets::List(names(&["q_proj", "v_proj", "fc1"])))
    };
    [("ours-lora", lora), ("ours-dora", dora)]
}

/// Attaches an adapter whose `lora_A` is drawn from a seed. A formula changes all other trainable parameters.
fn our_adapter(config: &LoraConfig) -> Vlm {
    let mut model = model::model();
    attach(&mut model, config, 2026, |_| true).expect("attached");
    let trainable = trainable_parameters(&mut model);
    replace(&mut model, |name, values| {
        let factor = if name.contains(".lora_B") { 1.0 } else { 0.2 };
        let by = |index: usize| ((index * 37 + name.len() * 11) % 101) as f32 / 250.0 - 0.2;
        let changed = || values.iter().enumerate().map(|(index, value)| value + by(index) * factor).collect();
        (trainable.contains_key(name) && !name.ends_with("lora_A.weight")).then(changed)
    });
    model
}

/// Writes the adapter folders from which `check_adapter.py` computes PEFT's values.
#[test]
#[ignore = "writes tests/parity/ours-lora and tests/parity/ours-dora"]
fn write_our_adapters() {
    for (folder, config) in our_configs() {
        let folder = parity().join(folder);
        fs::create_dir_all(&folder).expect("a folder");
        save_adapter(&mut our_adapter(&config), &config, "tiny", &folder).expect("saved");
    }
}

#[test]
fn our_adapters_are_saved_as_the_folders_that_peft_read() {
    for (folder, config) in our_configs() {
        assert_same_files(saved(&mut our_adapter(&config), &config).path(), &parity().join(folder));
    }
}

#[test]
fn peft_gives_our_logits_loss_and_tokens_with_our_adapters() {
    for (folder, _) in our_configs() {
        let peft = recorded::facts(&format!("{folder}.json"));
        let digest = sha256_hex(&fs::read(parity().join(folder).join(TENSORS)).expect(TENSORS));
        assert_eq!(peft["adapter_sha256"], digest, "{folder}.json belongs to another adapter: run check_adapter.py");

        let (mut model, _) = adapted(folder);
        let parameters = trainable_parameters(&mut model);
        let modules = parameters.keys().filter_map(|name| name.strip_suffix(".lora_A.weight"));
        assert_eq!(modules.collect::<Vec<_>>(), list::<String>(&peft["targets"]), "{folder}");

        let case = single();
        let expected: Vec<f32> = list::<Vec<f32>>(&peft["logits"]).concat();
        assert_close(folder, &predicted(&model, &Pass::ANSWER), &expected, TOLERANCE);
        let loss = read(case.loss(&model, &Pass::ANSWER));
        assert_close(folder, &loss, &[number(&peft["loss"])], TOLERANCE);

        let ends = Processor::from_folder(&tiny()).expect("a processor");
        let features = case.features(&model, &Pass::ANSWER);
        let made = generate(&model, &case.prompt(), features, ends.ends(), 12, Pass::ANSWER);
        assert_eq!(made.ids, list::<u32>(&peft["greedy"]["token_ids"]), "{folder}");
        assert_close(folder, &made.logprobs, &list::<f32>(&peft["greedy"]["logprobs"]), TOLERANCE);
    }
}
