//! LoRA adapters and full fine-tuning, compared with the values of PEFT.

use burn::tensor::Tensor;
use serde_json::json;
use stepwise_testing::files::{copy_of, edit_json, parity};
use stepwise_testing::model::parameters::{gradients_of, read, set_trainable};
use stepwise_testing::model::{self, all_linear};
use stepwise_vlm::adapter::{LoraConfig, Targets, attach, load_adapter, merge};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::PackedSequences;

use crate::conversation::{Case, single};
use crate::fixtures::{GRADIENTS, PREFIX, TOLERANCE};
use crate::fixtures::{adapted, assert_close, assert_gradients, deviation, facts, list, number, references};

#[test]
fn adapters_of_peft_give_its_logits_loss_and_gradients() {
    for (record, folder, conversation, tensors) in
        [("lora", "tiny-lora", "multi_turn", 28), ("lora_all", "tiny-lora-all", "single", 54)]
    {
        let (mut model, _) = adapted(folder);
        let case = Case::load(conversation);
        let logits = case.logits(&model, &Pass::ANSWER);
        assert_close(record, &logits, &references().values(&format!("{record}.logits")), TOLERANCE);
        let loss = case.loss(&model, &GRADIENTS);
        assert_close(record, &read(loss.clone()), &references().values(&format!("{record}.loss")), TOLERANCE);
        let gradients = gradients_of(&mut model, &loss.backward());
        assert_eq!(gradients.len(), tensors);
        assert_gradients(references(), &format!("{record}.grad.{PREFIX}"), &gradients);
    }
}

#[test]
fn adapters_of_the_first_block_get_their_gradient_through_frozen_blocks() {
    let (mut model, _) = adapted("tiny-lora-all");
    let is_first = |name: &str| name.contains("vision_model.encoder.layers.0.");
    set_trainable(&mut model, false, |name| !is_first(name));
    let loss = Case::load("single").loss(&model, &GRADIENTS);
    let gradients = gradients_of(&mut model, &loss.backward());
    // Two matrices for each of the four attention and two MLP layers.
    assert_eq!(gradients.len(), 12);
    for (name, gradient) in gradients {
        assert!(is_first(&name), "{name} is frozen");
        let expected = references().values(&format!("lora_all.grad.{PREFIX}{name}"));
        assert_close(&name, &gradient, &expected, TOLERANCE);
    }
}

#[test]
fn rslora_scales_by_the_root_of_the_rank() {
    let (model, config) = adapted("tiny-lora-rslora");
    assert!(config.use_rslora);
    let logits = single().logits(&model, &Pass::ANSWER);
    assert_close("rslora", &logits, &references().values("rslora.logits"), TOLERANCE);
}

#[test]
fn merged_adapters_give_the_recorded_logits() {
    for (record, folder, conversation) in [("lora", "tiny-lora", "multi_turn"), ("lora_all", "tiny-lora-all", "single")]
    {
        let (mut model, _) = adapted(folder);
        merge(&mut model);
        let logits = Case::load(conversation).logits(&model, &Pass::BASE);
        assert_close(record, &logits, &references().values(&format!("{record}.merged_logits")), TOLERANCE);
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
    let features = Tensor::cat(features, 0);
    let loss = model.loss(&PackedSequences::pack(&sequences, true), Some(features), &GRADIENTS);
    assert_close("loss", &read(loss.clone()), &[number(&facts["loss"])], TOLERANCE);
    let gradients = gradients_of(&mut model, &loss.backward());
    assert_gradients(references(), &format!("accumulated.grad.{PREFIX}"), &gradients);
}

#[test]
fn full_fine_tuning_gives_the_recorded_gradient_of_every_parameter() {
    let mut model = model::model();
    set_trainable(&mut model, true, |_| true);
    let gradients = Case::load("multi_turn").loss(&model, &GRADIENTS).backward();
    let gradients = gradients_of(&mut model, &gradients);
    assert_eq!(gradients.len(), 59);
    assert_gradients(references(), "full.grad.", &gradients);
}

#[test]
fn a_frozen_base_gets_no_gradient_and_a_switched_off_adapter_leaves_it_exact() {
    let (model, _) = adapted("tiny-lora-all");
    let case = Case::load("two_images");
    let base = case.logits(&model::model(), &Pass::ANSWER);
    assert!(case.logits(&model, &Pass::BASE) == base);
    assert!(deviation(&case.logits(&model, &Pass::ANSWER), &base) > 0.01);
}

#[test]
fn an_adapter_replaces_the_previous_one() {
    let (mut model, _) = adapted("tiny-lora-all");
    load_adapter(&mut model, &parity().join("tiny-lora")).expect("an adapter");
    let logits = Case::load("multi_turn").logits(&model, &Pass::ANSWER);
    assert_close("lora", &logits, &references().values("lora.logits"), TOLERANCE);
    let one =
        LoraConfig { target_modules: Targets::List(vec!["fc1".to_owned()]), ..LoraConfig::new(4, 8.0, all_linear()) };
    attach(&mut model, &one, 1, |_| true).expect("attached");
    let base = Case::load("multi_turn").logits(&model::model(), &Pass::ANSWER);
    assert!(
        Case::load("multi_turn").logits(&model, &Pass::ANSWER) == base,
        "a newly initialised adapter changes nothing"
    );
}

#[test]
fn dropout_acts_only_in_training_and_keeps_the_mean() {
    let case = single();
    let mut model = model::model();
    let folder = copy_of(&parity().join("tiny-lora"), &[]);
    edit_json(&folder.path().join("adapter_config.json"), |config| config["lora_dropout"] = 0.5.into());
    load_adapter(&mut model, folder.path()).expect("an adapter");
    let (plain, _) = adapted("tiny-lora");
    assert!(case.logits(&model, &Pass::ANSWER) == case.logits(&plain, &Pass::ANSWER));
    let training = |key| case.logits(&model, &Pass::training(key));
    assert!(training(1) == training(1) && training(1) != training(2));
    // Dropout scales the kept values, so the mean loss over many masks is the loss without dropout.
    let mean = (0..64).map(|key| read(case.loss(&model, &Pass::training(key)))[0]).sum::<f32>() / 64.0;
    let without = read(case.loss(&plain, &Pass::ANSWER))[0];
    assert!((mean - without).abs() < 0.15 * without, "{mean} with dropout, {without} without");
}

#[test]
fn targets_select_what_peft_selects() {
    let forms = facts()["target_modules"].as_array().expect("forms");
    assert_eq!(forms.len(), 24);
    for form in forms {
        // The form with the keys that every adapter_config.json has.
        let mut config = json!({ "r": 4, "lora_alpha": 8.0 });
        let keys = form
            .as_object()
            .expect("an object")
            .iter()
            .filter(|(key, _)| !["modules", "refused"].contains(&key.as_str()));
        config.as_object_mut().expect("an object").extend(keys.map(|(key, value)| (key.clone(), value.clone())));
        let config: LoraConfig = serde_json::from_value(config).expect("a config");
        let chosen = attach(&mut model::model(), &config, 1, |_| true);
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
