//! Every part of the model, compared with transformers.

use std::collections::HashMap;

use burn::tensor::{Device, Tensor};
use stepwise_testing::files::{edit_json, json, tiny};
use stepwise_testing::model::parameters::{gradients_of, read, set_trainable, tensor};
use stepwise_testing::model::{self, model_in};
use stepwise_vlm::Precision;
use stepwise_vlm::generate::generate;
use stepwise_vlm::model::ModelConfig;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::nn::source::{Source, WeightError};
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence};
use stepwise_vlm::processor::Processor;

use crate::conversation::{CONVERSATIONS, Case, single};
use crate::fixtures::{GRADIENTS, TOLERANCE, assert_close, deviation, facts, list, number, references};
use crate::weights::{folder_with, stored};

#[test]
fn every_part_gives_the_recorded_activations() {
    let (model, pass) = (model::model(), Pass::ANSWER);
    for case in Case::all() {
        let compare = |part: &str, found: Vec<f32>| {
            assert_close(&format!("{}.{part}", case.name), &found, &case.reference(part), TOLERANCE);
        };
        let compare_all = |parts: &[&str], states: Vec<Tensor<2>>| {
            assert_eq!(parts.len(), states.len(), "{}", case.name);
            parts.iter().zip(states).for_each(|(part, state)| compare(part, read(state)));
        };
        let features = case.pixels().map(|pixels| {
            let states = model.encoder_states(std::slice::from_ref(&pixels), &pass);
            let parts = ["vision.embeddings", "vision.layer.0", "vision.layer.1", "vision.output"];
            compare_all(&parts, states);
            compare("vision.output", read(model.encode(std::slice::from_ref(&pixels), &pass)));
            let features = model.image_features(&[pixels], &pass);
            compare("connector", read(features.clone()));
            features
        });
        let whole = PackedSequences::pack(&[case.whole()], true);
        let states = model.hidden_states(&whole, features.clone(), &pass);
        compare_all(&["text.inputs", "text.layer.0", "text.layer.1", "text.norm"], states);
        let layout = PackedSequences::pack(&[case.mean_sequence()], true);
        compare("logits", case.logits(&model, &pass));
        compare("loss", read(model.loss(&layout, features.clone(), &pass)));
        let (loss, each) = model.losses(&layout, features, &pass);
        compare("loss", read(loss));
        compare("loss", vec![each.iter().sum::<f32>() / each.len() as f32]);
    }
}

#[test]
fn greedy_answers_equal_the_recorded_ones() {
    let model = model::model();
    let processor = Processor::from_folder(&tiny()).expect("a processor");
    for case in Case::all() {
        let expected = &case.facts["prompt"]["greedy"];
        let features = case.features(&model, &Pass::ANSWER);
        let made = generate(&model, &case.prompt(), features, processor.ends(), 12, Pass::ANSWER);
        assert_eq!(made.ids, list::<u32>(&expected["token_ids"]), "{}", case.name);
        assert_close(case.name, &made.logprobs, &list::<f32>(&expected["logprobs"]), TOLERANCE);
    }
}

#[test]
fn options_have_the_recorded_likelihoods_with_and_without_a_shared_prefix() {
    let model = model::model();
    for case in Case::all() {
        let options = case.options();
        let score = |share: bool| -> (usize, Vec<f32>) {
            let layout = PackedSequences::pack(&options, share);
            (layout.rows(), model.logprobs(&layout, case.features(&model, &Pass::ANSWER), &Pass::ANSWER))
        };
        let ((few, shared), (many, separate)) = (score(true), score(false));
        assert!(few < many, "{}: the prompt has one set of rows", case.name);
        assert_close(case.name, &shared, &separate, 1e-5);
        let recorded = case.facts["prompt"]["options"].as_array().expect("options");
        let expected: Vec<f32> = recorded.iter().flat_map(|option| list::<f32>(&option["logprobs"])).collect();
        assert_close(case.name, &shared, &expected, TOLERANCE);
    }
}

#[test]
fn pixel_gradients_equal_the_recorded_ones() {
    let model = model::model();
    for name in ["single", "split", "two_images", "multi_turn"] {
        let case = Case::load(name);
        let pixels = case.pixels().expect("images").autodiff().require_grad();
        let features = model.image_features(std::slice::from_ref(&pixels), &GRADIENTS);
        let layout = PackedSequences::pack(&[case.mean_sequence()], true);
        let gradients = model.loss(&layout, Some(features), &GRADIENTS).backward();
        let found = read(pixels.grad(&gradients).expect("a gradient"));
        assert_close(name, &found, &case.reference("pixel_gradient"), TOLERANCE);
    }
}

#[test]
fn the_vision_tower_accepts_tiles_that_are_not_square() {
    let pixels = single().pixels().expect("an image").slice([0..1, 0..3, 0..48, 0..64]);
    let found = read(model::model().encode(&[pixels], &Pass::ANSWER));
    assert_close("tower.nonsquare", &found, &references().values("tower.nonsquare.output"), TOLERANCE);
}

/// Weights of a model: rows of the position table hold their index, all other values are zero.
struct Counting(Device);

impl Source for Counting {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let count: usize = shape.iter().product();
        if !name.ends_with("position_embedding.weight") {
            return Ok(vec![0.0; count]);
        }
        Ok((0..count).map(|index| (index / shape[1]) as f32).collect())
    }

    fn device(&self) -> &Device {
        &self.0
    }
}

#[test]
fn patches_of_a_partly_filled_side_take_the_recorded_positions() {
    for (side, recorded) in facts()["position_buckets"].as_object().expect("sides") {
        let side: usize = side.parse().expect("a side");
        let mut config = json(&tiny().join("config.json"));
        for (field, value) in [("image_size", side), ("patch_size", 1)] {
            config["vision_config"][field] = value.into();
        }
        config["scale_factor"] = 1.into();
        let config = ModelConfig::from_json(&config.to_string()).expect("a config");
        let width = config.vision.hidden_size;
        let model = Vlm::build(config, &mut Counting(Device::flex())).expect("a model");
        for (filled, expected) in (1..).zip(recorded.as_array().expect("rows")) {
            let pixels = tensor(vec![0.0; 3 * filled], [1, 3, 1, filled]);
            let embedded = read(model.encoder_states(&[pixels], &Pass::ANSWER).swap_remove(0));
            let found: Vec<usize> = (0..filled).map(|patch| embedded[patch * width] as usize).collect();
            assert_eq!(found, list::<usize>(expected), "{filled} of {side}");
        }
    }
}

#[test]
fn a_bf16_model_is_near_its_f32_original() {
    let logits = |precision| single().logits(&model_in(precision), &Pass::ANSWER);
    let deviation = deviation(&logits(Precision::Bf16), &logits(Precision::F32));
    assert!(deviation > 1e-5, "weights were rounded");
    assert!(deviation < 2e-2, "{deviation}: bf16 keeps eight bits");
}

#[test]
fn the_head_can_be_the_embedding_table() {
    let mut tensors = stored();
    tensors.remove("lm_head.weight").expect("a head of its own");
    let folder = folder_with(&tensors);
    edit_json(&folder.path().join("config.json"), |config| config["tie_word_embeddings"] = true.into());
    let model = Vlm::load(folder.path(), &Device::flex()).expect("a model");
    let logits = single().logits(&model, &Pass::ANSWER);
    assert_close("tied.logits", &logits, &references().values("tied.logits"), TOLERANCE);
}

/// Packs conversations into one layout with consecutive tile numbers, and returns it with the pixels of all tiles.
fn packed(cases: &[Case], share: bool) -> (PackedSequences, Vec<f32>) {
    let supervised: usize = cases.iter().map(|case| case.supervised.len()).sum();
    let (mut first_tile, mut pixels) = (0, Vec::new());
    let sequences: Vec<Sequence> = cases
        .iter()
        .map(|case| {
            let sequence = case.sequence(1.0 / supervised as f32, first_tile);
            first_tile += case.tiles;
            pixels.extend(case.pixels().map(read).unwrap_or_default());
            sequence
        })
        .collect();
    (PackedSequences::pack(&sequences, share), pixels)
}

#[test]
fn conversations_packed_together_equal_each_alone() {
    let (model, pass) = (model::model(), Pass::ANSWER);
    for batch in facts()["batches"].as_object().expect("batches").values() {
        let members: Vec<String> = list(&batch["members"]);
        let known = |name: &String| CONVERSATIONS.into_iter().find(|known| known == name).expect("a conversation");
        let cases: Vec<Case> = members.iter().map(|name| Case::load(known(name))).collect();
        let (layout, pixels) = packed(&cases, false);
        let pixels = tensor(pixels.clone(), [pixels.len() / (3 * 64 * 64), 3, 64, 64]);
        let features = model.image_features(&[pixels], &pass);
        let loss = read(model.loss(&layout, Some(features.clone()), &pass));
        assert_close("loss", &loss, &[number(&batch["loss"])], TOLERANCE);
        let mut start = 0;
        for case in &cases {
            // The rows of a conversation end before its last supervised token.
            let rows: Vec<usize> = (start..start + case.supervised[case.supervised.len() - 1]).collect();
            start += rows.len();
            let together = read(model.logits(&layout, Some(features.clone()), &rows, &pass));
            assert_close(case.name, &together, &case.logits(&model, &pass)[..together.len()], 1e-5);
            assert_close(case.name, &together, &case.reference("logits")[..together.len()], TOLERANCE);
        }
        assert_eq!(start, layout.rows(), "there are no padding or unused rows");
    }
}

#[test]
fn a_shared_tree_has_the_loss_and_all_gradients_of_separate_sequences() {
    let mut model = model::model();
    set_trainable(&mut model, true, |_| true);
    // Two prompts with three options each. One option of the first prompt is continued by further tokens.
    let mut sequences = Case::load("multi_turn").options();
    let again = Sequence { ids: sequences[2].ids.iter().copied().chain(40..60).collect(), ..sequences[2].clone() };
    sequences.push(again);
    let text: Vec<Sequence> = Case::load("text_only").options();
    sequences.extend(text);
    for (index, target) in sequences.iter_mut().flat_map(|sequence| &mut sequence.targets).enumerate() {
        target.weight = [0.5, -0.25, 0.125][index % 3];
    }
    let mut run = |share: bool| {
        let layout = PackedSequences::pack(&sequences, share);
        let pixels = Case::load("multi_turn").pixels().expect("an image").autodiff().require_grad();
        let features = model.image_features(std::slice::from_ref(&pixels), &GRADIENTS);
        let loss = model.loss(&layout, Some(features), &GRADIENTS);
        let value = read(loss.clone());
        let gradients = loss.backward();
        let mut found: HashMap<String, Vec<f32>> = gradients_of(&mut model, &gradients).into_iter().collect();
        found.insert("pixels".to_owned(), read(pixels.grad(&gradients).expect("a gradient")));
        (layout.rows(), value, found)
    };
    let (many, separate_loss, separate) = run(false);
    let (few, shared_loss, shared) = run(true);
    assert!(few * 2 < many, "{few} rows of {many}");
    assert_close("loss", &shared_loss, &separate_loss, 1e-5);
    assert_eq!(separate.len(), 59 + 1);
    // Key biases of the image encoder have no gradient in exact arithmetic, only rounding errors.
    for (name, expected) in separate.iter().filter(|(name, _)| !name.ends_with("k_proj.bias")) {
        assert_close(name, &shared[name], expected, 1e-5);
    }
}
