//! Compares adapters and full fine-tuning with PEFT's values, as recorded in `tests/parity`.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use burn::tensor::Device;
use serde_json::{Value, json};
use stepwise_vlm::adapter::{LoraConfig, Targets, attach, load_adapter, merge, save_adapter};
use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::packed_sequences::PackedSequences;
use stepwise_vlm::weights::{NamedTensor, SafetensorsSource, write_safetensors};

use common::{Case, GRADIENTS, TOLERANCE};
use common::{assert_close, copy_of, edit_json, facts, gradients_of, learn_everything, list, parity, reference};
use common::{references, tiny, values};

/// Prefix of parameter names in PEFT's files.
const PREFIX: &str = "base_model.model.";

/// The tiny model with the adapter of a parity fixture folder.
fn adapted(folder: &str) -> (Vlm, LoraConfig) {
    let mut model = tiny();
    let config = load_adapter(&mut model, &parity().join(folder)).expect("an adapter");
    (model, config)
}

/// Every `RECORD.grad.KEY` equals the gradient found for KEY, and no other parameter has one.
fn compare_gradients(record: &str, prefix: &str, found: &std::collections::BTreeMap<String, Vec<f32>>) {
    let start = format!("{record}.grad.");
    let recorded: BTreeSet<String> =
        references().names().filter_map(|name| name.strip_prefix(&start)).map(str::to_owned).collect();
    let keys: BTreeSet<String> = found.keys().map(|name| format!("{prefix}{name}")).collect();
    assert_eq!(keys, recorded, "{record}: the parameters with a gradient");
    for (name, gradient) in found {
        let expected = reference(&format!("{start}{prefix}{name}"));
        if name.ends_with("k_proj.bias") {
            // The gradient is zero in exact arithmetic; the recorded values are rounding errors.
            assert!(gradient.iter().chain(&expected).all(|value| value.abs() < 1e-6), "{name}");
        } else {
            assert_close(name, gradient, &expected, TOLERANCE);
        }
    }
}

#[test]
fn adapters_of_peft_give_its_logits_loss_and_gradients() {
    for (record, folder, conversation, tensors) in
        [("lora", "tiny-lora", "multi_turn", 28), ("lora_all", "tiny-lora-all", "single", 54)]
    {
        let (mut model, _) = adapted(folder);
        let case = Case::load(conversation);
        let logits = case.logits(&model, &Pass::ANSWER);
        assert_close(record, &logits, &reference(&format!("{record}.logits")), TOLERANCE);
        let loss = case.loss(&model, &GRADIENTS);
        assert_close(record, &values(loss.clone()), &reference(&format!("{record}.loss")), TOLERANCE);
        let gradients = gradients_of(&mut model, &loss.backward());
        assert_eq!(gradients.len(), tensors);
        compare_gradients(record, PREFIX, &gradients);
    }
}

#[test]
fn rslora_scales_by_the_root_of_the_rank() {
    let (model, config) = adapted("tiny-lora-rslora");
    assert!(config.use_rslora);
    let logits = Case::load("single").logits(&model, &Pass::ANSWER);
    assert_close("rslora", &logits, &reference("rslora.logits"), TOLERANCE);
}

#[test]
fn merged_adapters_give_the_recorded_logits() {
    for (record, folder, conversation) in [("lora", "tiny-lora", "multi_turn"), ("lora_all", "tiny-lora-all", "single")]
    {
        let (mut model, _) = adapted(folder);
        merge(&mut model);
        let logits = Case::load(conversation).logits(&model, &Pass::BASE);
        assert_close(record, &logits, &reference(&format!("{record}.merged_logits")), TOLERANCE);
    }
}

#[test]
fn micro_batches_packed_together_give_the_accumulated_gradient() {
    let facts = &facts()["training"]["accumulated"];
    let (mut model, _) = adapted("tiny-lora");
    let cases = [Case::load("multi_turn"), Case::load("two_images")];
    let supervised: Vec<usize> = cases.iter().map(|case| case.supervised.len()).collect();
    assert_eq!(supervised, list::<usize>(&facts["supervised_tokens"]));
    let weight = 1.0 / supervised.iter().sum::<usize>() as f32;
    let sequences = [cases[0].sequence(weight, 0), cases[1].sequence(weight, cases[0].tiles)];
    let features = cases.iter().filter_map(|case| case.features(&model, &GRADIENTS)).collect();
    let features = burn::tensor::Tensor::cat(features, 0);
    let loss = model.loss(&PackedSequences::pack(&sequences, true), Some(features), &GRADIENTS);
    assert_close("loss", &values(loss.clone()), &[facts["loss"].as_f64().expect("a loss") as f32], TOLERANCE);
    let gradients = gradients_of(&mut model, &loss.backward());
    compare_gradients("accumulated", PREFIX, &gradients);
}

#[test]
fn full_fine_tuning_gives_the_recorded_gradient_of_every_parameter() {
    let mut model = tiny();
    learn_everything(&mut model);
    let gradients = Case::load("multi_turn").loss(&model, &GRADIENTS).backward();
    let gradients = gradients_of(&mut model, &gradients);
    assert_eq!(gradients.len(), 59);
    compare_gradients("full", "", &gradients);
}

#[test]
fn a_frozen_base_gets_no_gradient_and_a_switched_off_adapter_leaves_it_exact() {
    let (model, _) = adapted("tiny-lora-all");
    let case = Case::load("two_images");
    let base = case.logits(&tiny(), &Pass::ANSWER);
    assert!(case.logits(&model, &Pass::BASE) == base);
    assert!(common::deviation(&case.logits(&model, &Pass::ANSWER), &base) > 0.01);
}

#[test]
fn an_adapter_replaces_the_one_before() {
    let (mut model, _) = adapted("tiny-lora-all");
    load_adapter(&mut model, &parity().join("tiny-lora")).expect("an adapter");
    let logits = Case::load("multi_turn").logits(&model, &Pass::ANSWER);
    assert_close("lora", &logits, &reference("lora.logits"), TOLERANCE);
    let one = LoraConfig { target_modules: Targets::List(vec!["fc1".to_owned()]), ..config(4) };
    attach(&mut model, &one, 1, |_| true).expect("attached");
    let base = Case::load("multi_turn").logits(&tiny(), &Pass::ANSWER);
    assert!(
        Case::load("multi_turn").logits(&model, &Pass::ANSWER) == base,
        "a newly initialised adapter changes nothing"
    );
}

#[test]
fn dropout_acts_in_training_alone_and_keeps_the_mean() {
    let case = Case::load("single");
    let mut model = tiny();
    let folder = copy_of("tiny-lora", &[]);
    edit_json(&folder.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    load_adapter(&mut model, folder.path()).expect("an adapter");
    let (plain, _) = adapted("tiny-lora");
    assert!(case.logits(&model, &Pass::ANSWER) == case.logits(&plain, &Pass::ANSWER));
    let training = |key| case.logits(&model, &Pass::training(key));
    assert!(training(1) == training(1) && training(1) != training(2));
    // Dropout scales the kept values, so the mean loss over many masks is the loss without dropout.
    let mean = (0..64).map(|key| values(case.loss(&model, &Pass::training(key)))[0]).sum::<f32>() / 64.0;
    let without = values(case.loss(&plain, &Pass::ANSWER))[0];
    assert!((mean - without).abs() < 0.15 * without, "{mean} with dropout, {without} without");
}

fn config(r: usize) -> LoraConfig {
    LoraConfig::new(r, 8.0, Targets::Pattern("all-linear".to_owned()))
}

#[test]
fn targets_select_what_peft_selects() {
    let forms = facts()["target_modules"].as_array().expect("forms");
    assert_eq!(forms.len(), 13);
    for form in forms {
        let targets =
            |field: &str| form.get(field).map(|targets| serde_json::from_value(targets.clone()).expect(field));
        let config = LoraConfig {
            target_modules: targets("target_modules").expect("targets"),
            exclude_modules: targets("exclude_modules"),
            ..config(4)
        };
        let chosen = attach(&mut tiny(), &config, 1, |_| true);
        if form["target_modules"] == json!(["lm_head"]) {
            // PEFT can adapt the output head. Stepwise refuses to.
            assert!(chosen.is_err_and(|error| error.to_string().contains("lm_head")));
        } else if let Some(expected) = form.get("modules") {
            let mut chosen = chosen.expect("a selection");
            chosen.sort();
            assert_eq!(chosen, list::<String>(expected), "{form}");
        } else {
            assert!(form.get("refused").is_some() && chosen.is_err(), "{form}");
        }
    }
}

#[test]
fn a_saved_adapter_is_the_one_loaded() {
    for folder in ["tiny-lora", "tiny-lora-rslora", "tiny-lora-all"] {
        let (mut model, config) = adapted(folder);
        let saved = tempfile::tempdir().expect("a folder");
        save_adapter(&mut model, &config, "tiny", saved.path()).expect("saved");
        let bytes = |folder: &Path, file: &str| std::fs::read(folder.join(file)).expect(file);
        let tensors = "adapter_model.safetensors";
        assert!(bytes(saved.path(), tensors) == bytes(&parity().join(folder), tensors), "{folder}: PEFT's bytes");

        let mut again = tiny();
        let read = load_adapter(&mut again, saved.path()).expect("an adapter");
        assert_eq!((read.r, read.lora_alpha, read.use_rslora), (config.r, config.lora_alpha, config.use_rslora));
        let case = Case::load("single");
        assert!(case.logits(&again, &Pass::ANSWER) == case.logits(&model, &Pass::ANSWER));
        let resaved = tempfile::tempdir().expect("a folder");
        save_adapter(&mut again, &read, "tiny", resaved.path()).expect("saved");
        for file in [tensors, "adapter_config.json"] {
            assert!(bytes(saved.path(), file) == bytes(resaved.path(), file), "{folder}: {file}");
        }
    }
}

/// Error for a copy of `tiny-lora` with changed tensors.
fn refusal_of_tensors(edit: impl FnOnce(&mut Vec<NamedTensor>)) -> String {
    let folder = copy_of("tiny-lora", &[]);
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
    let mut model = tiny();
    let problem = load_adapter(&mut model, folder).expect_err("refused").to_string();
    assert!(model.linears().len() == 27 && Case::load("text_only").logits(&model, &Pass::ANSWER) == base_text());
    problem
}

fn base_text() -> Vec<f32> {
    Case::load("text_only").logits(&tiny(), &Pass::ANSWER)
}

#[test]
fn tensors_that_are_wrong_missing_or_too_many_are_named() {
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
fn configs_that_ask_for_other_arithmetic_are_refused() {
    let refused = |field: &str, value: Value| {
        let folder = copy_of("tiny-lora", &[]);
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
        ("layers_to_transform", json!([0])),
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
    let problem = refused("rank_pattern", json!({"q_proj": 0}));
    assert!(problem.contains("r is at least 1"), "{problem}");
    let problem = refused("r", json!(0));
    assert!(problem.contains("r is at least 1"), "{problem}");
    let problem = refused("target_modules", json!(["q_porj"]));
    assert!(problem.contains(r#"the nearest is "q_proj""#), "{problem}");
}

/// An adapter made by this crate alone: `lora_A` drawn from a seed, `lora_B` filled by a formula.
fn ours() -> (Vlm, LoraConfig) {
    struct FillUp;
    impl ParameterVisitor for FillUp {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name.ends_with("lora_B.weight") {
                let shape = parameter.values().dims();
                let count: usize = shape.iter().product();
                let value = |index: usize| ((index * 37 + name.len() * 11) % 101) as f32 / 250.0 - 0.2;
                parameter.replace(common::tensor((0..count).map(value).collect(), shape));
            }
        }
    }
    let names = ["q_proj", "v_proj", "down_proj", "fc1", "modality_projection.proj"];
    let config = LoraConfig {
        lora_dropout: 0.05,
        exclude_modules: Some(Targets::Pattern(r".*encoder\.layers\.0.*".to_owned())),
        use_rslora: true,
        ..LoraConfig::new(3, 12.5, Targets::List(names.map(str::to_owned).to_vec()))
    };
    let mut model = tiny();
    attach(&mut model, &config, 2026, |_| true).expect("attached");
    model.visit(&mut FillUp);
    (model, config)
}

/// Writes the adapter folder from which `check_adapter.py` computes PEFT's values in `ours-lora.json`.
#[test]
#[ignore = "writes tests/parity/ours-lora"]
fn write_our_adapter() {
    let (mut model, config) = ours();
    let folder = parity().join("ours-lora");
    std::fs::create_dir_all(&folder).expect("a folder");
    save_adapter(&mut model, &config, "tiny", &folder).expect("saved");
}

#[test]
fn our_adapter_is_saved_as_the_folder_that_peft_read() {
    let (mut model, config) = ours();
    let saved = tempfile::tempdir().expect("a folder");
    save_adapter(&mut model, &config, "tiny", saved.path()).expect("saved");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(file)).expect(file);
        assert!(bytes(saved.path()) == bytes(&parity().join("ours-lora")), "{file}");
    }
}

#[test]
fn peft_gives_our_logits_with_our_adapter() {
    use sha2::{Digest, Sha256};
    let peft = common::json(&parity().join("ours-lora.json"));
    let file = std::fs::read(parity().join("ours-lora/adapter_model.safetensors")).expect("tensors");
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        peft["adapter_sha256"],
        digest.as_str(),
        "ours-lora.json belongs to another adapter: run check_adapter.py"
    );

    let (mut model, _) = adapted("ours-lora");
    let mut targets: Vec<String> = gradient_modules(&mut model);
    targets.sort();
    assert_eq!(targets, list::<String>(&peft["targets"]));

    let case = Case::load("single");
    let rows: Vec<usize> = list(&peft["positions"]);
    let layout = PackedSequences::pack(&[case.mean_sequence()], true);
    let logits = values(model.logits(&layout, case.features(&model, &Pass::ANSWER), &rows, &Pass::ANSWER));
    let expected: Vec<f32> = list::<Vec<f32>>(&peft["logits"]).concat();
    assert_close("logits", &logits, &expected, TOLERANCE);
    let loss = values(case.loss(&model, &Pass::ANSWER));
    assert_close("loss", &loss, &[peft["loss"].as_f64().expect("a loss") as f32], TOLERANCE);

    let features = case.features(&model, &Pass::ANSWER);
    let ends = stepwise_vlm::processor::Processor::from_folder(&parity().join("tiny")).expect("a processor");
    let made = stepwise_vlm::generate::generate(&model, &case.prompt(), features, ends.ends(), 12, Pass::ANSWER);
    assert_eq!(made.ids, list::<u32>(&peft["greedy"]["token_ids"]));
    assert_close("greedy", &made.logprobs, &list::<f32>(&peft["greedy"]["logprobs"]), TOLERANCE);
}

/// Names of the modules with a trainable adapter.
fn gradient_modules(model: &mut Vlm) -> Vec<String> {
    struct Learning(Vec<String>);
    impl ParameterVisitor for Learning {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if let Some(module) = name.strip_suffix(".lora_A.weight").filter(|_| parameter.learns()) {
                self.0.push(module.to_owned());
            }
        }
    }
    let mut learning = Learning(Vec::new());
    model.visit(&mut learning);
    learning.0
}
