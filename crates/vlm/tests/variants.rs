//! Compares PEFT's extensions of LoRA with recorded values of `tests/parity`: rank and alpha patterns, dropout, PiSSA,
//! DoRA, `modules_to_save`.

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::OnceLock;

use burn::tensor::Device;
use serde_json::Value;
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{
    InitLoraWeights, LoraConfig, Targets, attach, attach_watched, load_adapter, merge, save_adapter, set_dropout,
    take_apart,
};
use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::packed_sequences::PackedSequences;
use stepwise_vlm::weights::SafetensorsSource;

use common::{Case, GRADIENTS, TOLERANCE, assert_close, deviation, gradients_of, parity, tiny, values};

fn facts() -> &'static Value {
    static FACTS: OnceLock<Value> = OnceLock::new();
    FACTS.get_or_init(|| common::json(&parity().join("variants.json")))
}

fn references() -> &'static SafetensorsSource {
    static TENSORS: OnceLock<SafetensorsSource> = OnceLock::new();
    let open = || SafetensorsSource::open(&[parity().join("variants.safetensors")], &Device::flex());
    TENSORS.get_or_init(|| open().expect("variants.safetensors"))
}

fn reference(name: &str) -> Vec<f32> {
    references().any(name).expect(name).1
}

fn number(value: &Value) -> f32 {
    value.as_f64().expect("a number") as f32
}

fn case() -> Case {
    Case::load("single")
}

fn adapted(folder: &str) -> (Vlm, LoraConfig) {
    adapted_of(tiny(), folder)
}

fn adapted_of(mut model: Vlm, folder: &str) -> (Vlm, LoraConfig) {
    let config = load_adapter(&mut model, &parity().join(folder)).expect("an adapter");
    (model, config)
}

/// Returns the logits that predict the supervised tokens.
fn predicted(model: &Vlm, pass: &Pass) -> Vec<f32> {
    let case = case();
    let rows: Vec<usize> = case.supervised.iter().map(|place| place - 1).collect();
    let layout = PackedSequences::pack(&[case.mean_sequence()], true);
    values(model.logits(&layout, case.features(model, pass), &rows, pass))
}

/// Every `RECORD.grad.KEY` equals the gradient found for KEY, and no other parameter has one.
fn same_gradients(record: &str, found: &BTreeMap<String, Vec<f32>>) {
    let start = format!("{record}.grad.base_model.model.");
    let recorded: Vec<&str> = references().names().filter_map(|name| name.strip_prefix(&start)).collect();
    assert_eq!(found.keys().map(String::as_str).collect::<Vec<_>>(), recorded, "{record}");
    for (name, gradient) in found {
        assert_close(&format!("{record} {name}"), gradient, &reference(&format!("{start}{name}")), TOLERANCE);
    }
}

fn norm(gradients: &BTreeMap<String, Vec<f32>>) -> f32 {
    gradients.values().flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32
}

#[test]
fn adapters_of_every_kind_give_pefts_logits_loss_and_gradients() {
    for (record, tensors) in [("pattern", 18), ("dora", 27), ("saved", 20), ("pissa", 18)] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        assert_close(record, &predicted(&model, &Pass::ANSWER), &reference(&format!("{record}.logits")), TOLERANCE);
        let loss = case().loss(&model, &GRADIENTS);
        assert_close(record, &values(loss.clone()), &[number(&facts()[record]["loss"])], TOLERANCE);
        let gradients = gradients_of(&mut model, &loss.backward());
        assert_eq!(gradients.len(), tensors, "{record}");
        same_gradients(record, &gradients);
        assert_close(record, &[norm(&gradients)], &[number(&facts()[record]["global_grad_norm"])], TOLERANCE);
    }
}

#[test]
fn merged_adapters_of_every_kind_give_pefts_logits() {
    for record in ["pattern", "dora", "saved"] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        merge(&mut model);
        for pass in [Pass::ANSWER, Pass::BASE] {
            let expected = reference(&format!("{record}.merged.logits"));
            assert_close(record, &predicted(&model, &pass), &expected, TOLERANCE);
        }
    }
    let (mut model, _) = adapted("tiny-lora-pissa");
    merge(&mut model);
    assert_close("pissa", &predicted(&model, &Pass::ANSWER), &reference("pissa.logits"), TOLERANCE);
}

#[test]
fn the_same_masks_give_pefts_loss_and_gradients_in_training() {
    let dropout = &facts()["dropout"];
    for record in ["pattern", "dora", "pissa"] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        set_dropout(&mut model, number(&dropout["share"]));
        let loss = case().loss(&model, &Pass::training(dropout["key"].as_u64().expect("a key")));
        let record = format!("{record}.dropout");
        assert_close(&record, &values(loss.clone()), &[number(&facts()[&record]["loss"])], TOLERANCE);
        same_gradients(&record, &gradients_of(&mut model, &loss.backward()));
    }
}

#[test]
fn with_the_adapter_off_the_base_is_untouched() {
    let base = predicted(&tiny(), &Pass::ANSWER);
    for folder in ["tiny-lora-pattern", "tiny-lora-dora", "tiny-lora-saved", "tiny-lora-pissa"] {
        let (mut model, _) = adapted(folder);
        assert!(predicted(&model, &Pass::BASE) == base, "{folder}");
        assert!(deviation(&predicted(&model, &Pass::ANSWER), &base) > 0.01, "{folder}");
        // Loading another adapter replaces the first one completely.
        load_adapter(&mut model, &parity().join("tiny-lora")).expect("an adapter");
        let (plain, _) = adapted("tiny-lora");
        assert!(predicted(&model, &Pass::ANSWER) == predicted(&plain, &Pass::ANSWER), "{folder}");
    }
}

fn few() -> Targets {
    let named = r".*(text_model\.layers\.[01].*(q_proj|v_proj|down_proj)|encoder\.layers\.1.*(q_proj|fc1)|modality_projection\.proj)";
    Targets::Pattern(named.to_owned())
}

#[test]
fn pissa_begins_with_pefts_product_and_answers_as_the_base() {
    let mut model = tiny();
    let config = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::new(4, 8.0, few()) };
    let chosen = attach(&mut model, &config, 1, |_| true).expect("attached");
    assert_eq!(chosen.len(), 9);
    let products = products(&mut model);
    for name in chosen {
        let expected = reference(&format!("pissa.fresh.{name}"));
        assert_close(&name, &products[&name], &expected, TOLERANCE);
    }
    let base = predicted(&tiny(), &Pass::ANSWER);
    assert_close("answers", &predicted(&model, &Pass::ANSWER), &base, 1e-5);
    let loss = case().loss(&model, &GRADIENTS);
    let found = norm(&gradients_of(&mut model, &loss.backward()));
    assert_close("gradient", &[found], &[number(&facts()["pissa.fresh"]["global_grad_norm"])], TOLERANCE);
}

/// PiSSA is slow on large models, so progress is reported.
#[test]
fn whoever_waits_for_adapters_is_told_how_many_there_are() {
    let config = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::new(4, 8.0, few()) };
    let mut told = Vec::new();
    let chosen = attach_watched(&mut tiny(), &config, 1, |_| true, &mut |done, all| told.push((done, all)));
    let all = chosen.expect("attached").len();
    assert!(told.is_sorted() && told.iter().all(|(_, of)| *of == all), "{told:?}");
    assert_eq!(told.last(), Some(&(all, all)));
}

/// Returns `2 lora_B lora_A` of the trainable matrices of every adapter; 2 is the scale of all adapters here.
fn products(model: &mut Vlm) -> BTreeMap<String, Vec<f32>> {
    struct Halves(BTreeMap<String, burn::tensor::Tensor<2>>);
    impl ParameterVisitor for Halves {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name.ends_with("lora_A.weight") || name.ends_with("lora_B.weight") {
                let shape = parameter.shape().dims::<2>();
                self.0.insert(name.to_owned(), parameter.values().reshape(shape));
            }
        }
    }
    let mut halves = Halves(BTreeMap::new());
    model.visit(&mut halves);
    let modules: Vec<String> =
        halves.0.keys().filter_map(|name| name.strip_suffix(".lora_A.weight")).map(str::to_owned).collect();
    let product = |name: String| {
        let half = |part: &str| halves.0[&format!("{name}.{part}.weight")].clone();
        let product = half("lora_B").matmul(half("lora_A")) * 2.0;
        (name, values(product))
    };
    modules.into_iter().map(product).collect()
}

#[test]
fn pissa_is_saved_as_pefts_conversion_and_taken_apart_again() {
    let (mut model, config) = adapted("tiny-lora-pissa");
    let saved = tempfile::tempdir().expect("a folder");
    save_adapter(&mut model, &config, "tiny", saved.path()).expect("saved");
    let mut ours = tiny();
    let read = load_adapter(&mut ours, saved.path()).expect("an adapter");
    let (mut pefts, theirs) = adapted("tiny-lora-pissa-converted");
    assert_eq!((read.r, read.lora_alpha), (theirs.r, theirs.lora_alpha));
    let expected = products(&mut pefts);
    for (name, product) in products(&mut ours) {
        // Both are differences of two products about a hundred times larger, and PyTorch decomposes in f32.
        assert_close(&name, &product, &expected[&name], 5e-3);
    }
    for model in [&ours, &pefts] {
        assert_close("logits", &predicted(model, &Pass::ANSWER), &reference("pissa.logits"), TOLERANCE);
    }
    take_apart(&mut ours, &config).expect("taken apart");
    assert!(predicted(&ours, &Pass::ANSWER) == predicted(&model, &Pass::ANSWER), "to the bit");
    let again = tempfile::tempdir().expect("a folder");
    save_adapter(&mut ours, &config, "tiny", again.path()).expect("saved");
    for file in ["adapter_model.safetensors", "adapter_config.json"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(file)).expect(file);
        assert!(bytes(saved.path()) == bytes(again.path()), "{file}");
    }
}

#[test]
fn folders_of_every_kind_come_back_as_they_were() {
    for folder in ["tiny-lora-pattern", "tiny-lora-dora", "tiny-lora-saved"] {
        let (mut model, config) = adapted(folder);
        let saved = tempfile::tempdir().expect("a folder");
        save_adapter(&mut model, &config, "tiny", saved.path()).expect("saved");
        let tensors = "adapter_model.safetensors";
        let bytes = |folder: &Path| std::fs::read(folder.join(tensors)).expect(tensors);
        assert!(bytes(saved.path()) == bytes(&parity().join(folder)), "{folder}: PEFT's bytes");
        let mut again = tiny();
        let read = load_adapter(&mut again, saved.path()).expect("an adapter");
        assert_eq!(LoraConfig { target_modules: config.target_modules.clone(), ..read }, config, "{folder}");
        assert!(predicted(&again, &Pass::ANSWER) == predicted(&model, &Pass::ANSWER), "{folder}");
    }
}

/// The same model with every weight unpacked to f32.
fn unpacked(mut model: Vlm) -> Vlm {
    struct Unpack;
    impl ParameterVisitor for Unpack {
        fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
            parameter.replace(parameter.values());
        }
    }
    model.visit(&mut Unpack);
    model
}

/// All kinds of adapters work on bf16 and four-bit bases, and newly initialised ones leave outputs unchanged.
#[test]
fn a_base_in_fewer_bits_takes_every_kind() {
    // `off` bounds the deviation from f32 products with the same weights. It is larger for bf16, which rounds
    // inputs, too.
    for (precision, off) in [(Precision::Bf16, 0.05), (Precision::Nf4 { double_quant: true, bf16: false }, 1e-4)] {
        let base = || Vlm::load_in(precision, &parity().join("tiny"), &Device::flex()).expect("the tiny model");
        let untouched = predicted(&base(), &Pass::ANSWER);
        for record in ["pattern", "dora", "saved", "pissa"] {
            let (mut model, _) = adapted_of(base(), &format!("tiny-lora-{record}"));
            assert!(predicted(&model, &Pass::BASE) == untouched, "{record}");
            let before = predicted(&model, &Pass::ANSWER);
            let (unpacked, _) = adapted_of(unpacked(base()), &format!("tiny-lora-{record}"));
            assert_close(record, &before, &predicted(&unpacked, &Pass::ANSWER), off);
            merge(&mut model);
            assert!(deviation(&predicted(&model, &Pass::ANSWER), &before) < 0.05, "{precision:?} {record}");
        }
        let all = LoraConfig::new(4, 8.0, Targets::Pattern("all-linear".to_owned()));
        for (allowed, config) in [
            (1e-6, LoraConfig { use_dora: true, ..all.clone() }),
            (1e-6, LoraConfig { init_lora_weights: InitLoraWeights::Gaussian, ..all.clone() }),
            (1e-5, LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..all.clone() }),
            // A trainable copy is multiplied in f32.
            (0.02, LoraConfig { modules_to_save: vec!["fc2".to_owned()], ..all.clone() }),
        ] {
            let mut model = base();
            attach(&mut model, &config, 3, |_| true).expect("attached");
            let fresh = predicted(&model, &Pass::ANSWER);
            assert!(deviation(&fresh, &untouched) < allowed, "{precision:?} {config:?}");
        }
    }
}

/// Returns the values of one parameter.
fn values_of(model: &mut Vlm, wanted: &str) -> Vec<f32> {
    struct Find<'a>(&'a str, Vec<f32>);
    impl ParameterVisitor for Find<'_> {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name == self.0 {
                self.1 = values(parameter.values());
            }
        }
    }
    let mut find = Find(wanted, Vec::new());
    model.visit(&mut find);
    assert!(!find.1.is_empty(), "{wanted}");
    find.1
}

#[test]
fn every_way_to_begin_draws_as_peft_does() {
    let mean_and_deviation = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt())
    };
    let module = "model.text_model.layers.0.mlp.down_proj"; // 64 inputs, or what the tiny model has
    for (way, fills_up) in
        [(InitLoraWeights::Kaiming, false), (InitLoraWeights::Gaussian, false), (InitLoraWeights::Random, true)]
    {
        let mut model = tiny();
        let all = Targets::Pattern("all-linear".to_owned());
        let config = LoraConfig { init_lora_weights: way, ..LoraConfig::new(16, 8.0, all) };
        attach(&mut model, &config, 5, |_| true).expect("attached");
        let down = values_of(&mut model, &format!("{module}.lora_A.weight"));
        let up = values_of(&mut model, &format!("{module}.lora_B.weight"));
        let inputs = down.len() as f32 / 16.0;
        // A uniform distribution within +-b has standard deviation b / sqrt 3.
        let expected =
            if way == InitLoraWeights::Gaussian { 1.0 / 16.0 } else { (1.0 / inputs).sqrt() / 3.0f32.sqrt() };
        let (mean, deviation) = mean_and_deviation(&down);
        assert!(mean.abs() < 0.1 * expected && (deviation / expected - 1.0).abs() < 0.1, "{way:?}: {mean} {deviation}");
        assert_eq!(up.iter().any(|value| *value != 0.0), fills_up, "{way:?}");
        if fills_up {
            let (mean, deviation) = mean_and_deviation(&up);
            let expected = 0.25 / 3.0f32.sqrt();
            assert!(mean.abs() < 0.1 * expected && (deviation / expected - 1.0).abs() < 0.1, "{mean} {deviation}");
        }
    }
}

#[test]
fn what_cannot_be_attached_is_refused_and_changes_nothing() {
    let base = predicted(&tiny(), &Pass::ANSWER);
    let all = LoraConfig::new(4, 8.0, Targets::Pattern("all-linear".to_owned()));
    let refused = |config: LoraConfig| {
        let mut model = tiny();
        let open = |name: &str| !name.starts_with("model.vision_model.");
        let problem = attach(&mut model, &config, 1, open).expect_err("refused").to_string();
        assert!(predicted(&model, &Pass::ANSWER) == base, "{problem}");
        problem
    };
    let whole = |name: &str| LoraConfig { modules_to_save: vec![name.to_owned()], ..all.clone() };
    assert_eq!(
        refused(whole("lm_haed")),
        r#"modules_to_save: "lm_haed" matches no module -> the nearest is "lm_head""#
    );
    assert!(refused(whole("fc1")).starts_with("modules_to_save: model.vision_model.encoder.layers.0.mlp.fc1.weight"));
    let patterns = LoraConfig { rank_pattern: [("q_prj".to_owned(), 2)].into_iter().collect(), ..all.clone() };
    assert!(refused(patterns).contains("rank_pattern: \"q_prj\" matches no linear layer"));
    let many = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::new(33, 8.0, few()) };
    assert!(refused(many).contains("singular values"));
}

/// An adapter made by this crate alone, with all compatible extensions: DoRA, patterns, `modules_to_save`.
fn ours() -> (Vlm, LoraConfig) {
    struct Move;
    impl ParameterVisitor for Move {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if !parameter.learns() || name.ends_with("lora_A.weight") {
                return;
            }
            let shape = parameter.values().dims();
            let count: usize = shape.iter().product();
            let value = |index: usize| ((index * 37 + name.len() * 11) % 101) as f32 / 250.0 - 0.2;
            let by = common::tensor((0..count).map(value).collect(), shape);
            parameter.replace(parameter.values() + by * if name.contains(".lora_B") { 1.0 } else { 0.2 });
        }
    }
    let named = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let config = LoraConfig {
        use_dora: true,
        rank_pattern: [(r"layers\.1\..*".to_owned(), 5), ("q_proj".to_owned(), 2)].into_iter().collect(),
        alpha_pattern: [("fc1".to_owned(), 2.5)].into_iter().collect(),
        modules_to_save: named(&["modality_projection.proj", "lm_head", "encoder.layers.0.mlp.fc2"]),
        ..LoraConfig::new(3, 6.0, Targets::List(named(&["q_proj", "v_proj", "fc1"])))
    };
    let mut model = tiny();
    attach(&mut model, &config, 2026, |_| true).expect("attached");
    model.visit(&mut Move);
    (model, config)
}

/// Writes the adapter folder from which `check_adapter.py` computes PEFT's values in `ours-dora.json`.
#[test]
#[ignore = "writes tests/parity/ours-dora"]
fn write_our_adapter() {
    let (mut model, config) = ours();
    let folder = parity().join("ours-dora");
    std::fs::create_dir_all(&folder).expect("a folder");
    save_adapter(&mut model, &config, "tiny", &folder).expect("saved");
}

#[test]
fn peft_gives_our_logits_with_our_adapter() {
    use sha2::{Digest, Sha256};
    let (mut model, config) = ours();
    let saved = tempfile::tempdir().expect("a folder");
    save_adapter(&mut model, &config, "tiny", saved.path()).expect("saved");
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        let bytes = |folder: &Path| std::fs::read(folder.join(file)).expect(file);
        assert!(bytes(saved.path()) == bytes(&parity().join("ours-dora")), "{file} is the one that PEFT read");
    }
    let peft = common::json(&parity().join("ours-dora.json"));
    let file = std::fs::read(parity().join("ours-dora/adapter_model.safetensors")).expect("tensors");
    let digest: String = Sha256::digest(&file).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        peft["adapter_sha256"],
        digest.as_str(),
        "ours-dora.json belongs to another adapter: run check_adapter.py"
    );
    let expected: Vec<f32> = common::list::<Vec<f32>>(&peft["logits"]).concat();
    assert_close("logits", &predicted(&model, &Pass::ANSWER), &expected, TOLERANCE);
    let loss = values(case().loss(&model, &Pass::ANSWER));
    assert_close("loss", &loss, &[number(&peft["loss"])], TOLERANCE);
}
