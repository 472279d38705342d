//! PEFT's extensions of LoRA: rank and alpha patterns, dropout, PiSSA, DoRA and `modules_to_save`, compared with
//! the values of PEFT.

use std::sync::OnceLock;

use serde_json::Value;
use stepwise_testing::files::parity;
use stepwise_testing::model::parameters::{Values, gradients_of, parameters, read, replace};
use stepwise_testing::model::recorded::{self, References};
use stepwise_testing::model::{self, all_linear, attach_new, model_in};
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::{
    InitLoraWeights, LoraConfig, Targets, attach, attach_watched, load_adapter, merge, set_dropout,
};
use stepwise_vlm::nn::parameter::Pass;

use crate::conversation::{predicted, single};
use crate::fixtures::{GRADIENTS, PREFIX, TOLERANCE};
use crate::fixtures::{adapted, adapted_of, assert_close, assert_gradients, deviation, number, products};

/// Contents of `variants.json`.
fn facts() -> &'static Value {
    static FACTS: OnceLock<Value> = OnceLock::new();
    FACTS.get_or_init(|| recorded::facts("variants.json"))
}

/// Tensors of `variants.safetensors`.
pub fn references() -> &'static References {
    static TENSORS: OnceLock<References> = OnceLock::new();
    TENSORS.get_or_init(|| References::open("variants.safetensors"))
}

fn norm(gradients: &Values) -> f32 {
    gradients.values().flatten().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32
}

#[test]
fn adapters_of_every_kind_give_pefts_logits_loss_and_gradients() {
    for (record, tensors) in [("pattern", 18), ("dora", 27), ("saved", 20), ("pissa", 18)] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        assert_close(
            record,
            &predicted(&model, &Pass::ANSWER),
            &references().values(&format!("{record}.logits")),
            TOLERANCE,
        );
        let loss = single().loss(&model, &GRADIENTS);
        assert_close(record, &read(loss.clone()), &[number(&facts()[record]["loss"])], TOLERANCE);
        let gradients = gradients_of(&mut model, &loss.backward());
        assert_eq!(gradients.len(), tensors, "{record}");
        assert_gradients(references(), &format!("{record}.grad.{PREFIX}"), &gradients);
        assert_close(record, &[norm(&gradients)], &[number(&facts()[record]["global_grad_norm"])], TOLERANCE);
    }
}

#[test]
fn merged_adapters_of_every_kind_give_pefts_logits() {
    for record in ["pattern", "dora", "saved"] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        merge(&mut model);
        for pass in [Pass::ANSWER, Pass::BASE] {
            let expected = references().values(&format!("{record}.merged.logits"));
            assert_close(record, &predicted(&model, &pass), &expected, TOLERANCE);
        }
    }
    let (mut model, _) = adapted("tiny-lora-pissa");
    merge(&mut model);
    assert_close("pissa", &predicted(&model, &Pass::ANSWER), &references().values("pissa.logits"), TOLERANCE);
}

#[test]
fn equal_dropout_masks_give_pefts_loss_and_gradients() {
    let dropout = &facts()["dropout"];
    for record in ["pattern", "dora", "pissa"] {
        let (mut model, _) = adapted(&format!("tiny-lora-{record}"));
        set_dropout(&mut model, number(&dropout["share"]));
        let loss = single().loss(&model, &Pass::training(dropout["key"].as_u64().expect("a key")));
        let record = format!("{record}.dropout");
        assert_close(&record, &read(loss.clone()), &[number(&facts()[&record]["loss"])], TOLERANCE);
        assert_gradients(references(), &format!("{record}.grad.{PREFIX}"), &gradients_of(&mut model, &loss.backward()));
    }
}

#[test]
fn the_base_is_unchanged_while_the_adapter_is_off() {
    let base = predicted(&model::model(), &Pass::ANSWER);
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
fn pissa_starts_from_pefts_product_and_keeps_the_outputs() {
    let mut model = model::model();
    let config = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::new(4, 8.0, few()) };
    let chosen = attach_new(&mut model, &config);
    assert_eq!(chosen.len(), 9);
    let products = products(&mut model);
    for name in chosen {
        let expected = references().values(&format!("pissa.fresh.{name}"));
        assert_close(&name, &products[&name], &expected, TOLERANCE);
    }
    let base = predicted(&model::model(), &Pass::ANSWER);
    assert_close("answers", &predicted(&model, &Pass::ANSWER), &base, 1e-5);
    let loss = single().loss(&model, &GRADIENTS);
    let found = norm(&gradients_of(&mut model, &loss.backward()));
    assert_close("gradient", &[found], &[number(&facts()["pissa.fresh"]["global_grad_norm"])], TOLERANCE);
}

/// PiSSA is slow on large models, so progress is reported.
#[test]
fn progress_of_a_pissa_initialisation_is_reported() {
    let config = LoraConfig { init_lora_weights: InitLoraWeights::Pissa, ..LoraConfig::new(4, 8.0, few()) };
    let mut told = Vec::new();
    let chosen = attach_watched(&mut model::model(), &config, 1, |_| true, &mut |done, all| told.push((done, all)));
    let all = chosen.expect("attached").len();
    assert!(told.is_sorted() && told.iter().all(|(_, of)| *of == all), "{told:?}");
    assert_eq!(told.last(), Some(&(all, all)));
}

/// All kinds of adapters work on bf16 and four-bit bases, and newly initialised ones leave outputs unchanged.
#[test]
fn every_kind_of_adapter_works_on_bf16_and_four_bit_bases() {
    // `off` bounds the deviation from f32 products with the same weights. It is larger for bf16, which rounds
    // inputs, too.
    for (precision, off) in [(Precision::Bf16, 0.05), (Precision::Nf4 { double_quant: true, bf16: false }, 1e-4)] {
        let base = || model_in(precision);
        let untouched = predicted(&base(), &Pass::ANSWER);
        for record in ["pattern", "dora", "saved", "pissa"] {
            let (mut model, _) = adapted_of(base(), &format!("tiny-lora-{record}"));
            assert!(predicted(&model, &Pass::BASE) == untouched, "{record}");
            let before = predicted(&model, &Pass::ANSWER);
            let mut unpacked = base();
            replace(&mut unpacked, |_, values| Some(values.to_vec()));
            let (unpacked, _) = adapted_of(unpacked, &format!("tiny-lora-{record}"));
            assert_close(record, &before, &predicted(&unpacked, &Pass::ANSWER), off);
            merge(&mut model);
            assert!(deviation(&predicted(&model, &Pass::ANSWER), &before) < 0.05, "{precision:?} {record}");
        }
        let all = LoraConfig::new(4, 8.0, all_linear());
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

#[test]
fn initial_weights_have_pefts_distributions() {
    let mean_and_deviation = |values: &[f32]| {
        let mean = values.iter().sum::<f32>() / values.len() as f32;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt())
    };
    let module = "model.text_model.layers.0.mlp.down_proj"; // 64 inputs, or what the tiny model has
    for (way, fills_up) in
        [(InitLoraWeights::Kaiming, false), (InitLoraWeights::Gaussian, false), (InitLoraWeights::Random, true)]
    {
        let mut model = model::model();
        let config = LoraConfig { init_lora_weights: way, ..LoraConfig::new(16, 8.0, all_linear()) };
        attach(&mut model, &config, 5, |_| true).expect("attached");
        let parameters = parameters(&mut model);
        let [down, up] = ["lora_A", "lora_B"].map(|matrix| &parameters[&format!("{module}.{matrix}.weight")]);
        let inputs = down.len() as f32 / 16.0;
        // A uniform distribution within +-b has standard deviation b / sqrt 3.
        let expected =
            if way == InitLoraWeights::Gaussian { 1.0 / 16.0 } else { (1.0 / inputs).sqrt() / 3.0f32.sqrt() };
        let (mean, deviation) = mean_and_deviation(down);
        assert!(mean.abs() < 0.1 * expected && (deviation / expected - 1.0).abs() < 0.1, "{way:?}: {mean} {deviation}");
        assert_eq!(up.iter().any(|value| *value != 0.0), fills_up, "{way:?}");
        if fills_up {
            let (mean, deviation) = mean_and_deviation(up);
            let expected = 0.25 / 3.0f32.sqrt();
            assert!(mean.abs() < 0.1 * expected && (deviation / expected - 1.0).abs() < 0.1, "{mean} {deviation}");
        }
    }
}

#[test]
fn an_invalid_adapter_is_refused_and_changes_nothing() {
    let base = predicted(&model::model(), &Pass::ANSWER);
    let all = LoraConfig::new(4, 8.0, all_linear());
    let refused = |config: LoraConfig| {
        let mut model = model::model();
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
