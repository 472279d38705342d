//! Activations of every part: image encoder, connector and decoder, layer by layer, compared with the recorded ones.

use std::collections::BTreeSet;

use burn::tensor::Tensor;
use stepwise_testing::model::parameters::{Values, parameters, read};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::PackedSequences;
use stepwise_vlm::pipeline::VlmPipeline;

use super::fixture::{FIRST, Fixture, fixtures};
use super::{Input, masks, order};
use crate::fixtures::{TOLERANCE, assert_close};

/// Recorded values inside the connectors, which is compared as a whole: `projected` is its output.
const INSIDE_CONNECTOR: [&str; 3] = ["linear_1", "pooled_normed", "projected_norm"];

/// Names under which the input of the encoder's first layer is recorded, see [`expected`].
const EMBEDDED: [&str; 3] = ["vis_emb", "vis_pre_norm", "vis_patches"];

#[test]
fn every_part_gives_the_recorded_activations() {
    let mut left_out = BTreeSet::new();
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        for key in fixture.conversations() {
            let compared = compare(&fixture, &pipeline, key, &mut left_out);
            let at = format!("{} {key}: only {compared:?}", fixture.name);
            let any = |parts: &[&str]| parts.iter().any(|part| compared.contains(*part));
            assert!(key == "text" || any(&["projected", "merged"]), "{at}");
            if key == FIRST {
                let layers = pipeline.model.config().text.num_hidden_layers;
                assert!((0..layers).all(|layer| compared.contains(&format!("layer{layer}"))), "{at}");
                assert!(any(&EMBEDDED) && any(&["vis_block0"]), "{at}");
                assert!(any(&["inputs_embeds"]) && any(&["text_out"]), "{at}");
            }
        }
    }
    assert!(INSIDE_CONNECTOR.iter().all(|part| left_out.remove(*part)), "each is left out somewhere");
    assert!(left_out.iter().all(|part| part.starts_with("vis_block")), "{left_out:?}");
}

/// Compares all recorded activations of a conversation and returns their names. Adds those without a counterpart to
/// `left_out`.
///
/// # Panics
/// When an activation differs, or is not compared without a reason.
pub fn compare(
    fixture: &Fixture,
    pipeline: &VlmPipeline,
    key: &str,
    left_out: &mut BTreeSet<String>,
) -> BTreeSet<String> {
    let input = Input::new(pipeline, &fixture.example(pipeline, key, true), false);
    let own = activations(fixture, key, &pipeline.model, &input);
    let mut compared = BTreeSet::new();
    let mut parts = fixture.after(&format!("{key}.act."));
    // What is computed first is compared first.
    parts.sort_by_key(|part| !["mask.", "vis_"].iter().any(|beginning| part.starts_with(beginning)));
    for part in parts {
        let at = format!("{} {key} {part}", fixture.name);
        match own.get(&part) {
            Some(found) => {
                assert_close(&at, found, &expected(fixture, key, &part, pipeline), TOLERANCE);
                compared.insert(part);
            }
            None => {
                let has_reason = INSIDE_CONNECTOR.contains(&part.as_str()) || fixture.is_behind_features(key, &part);
                assert!(has_reason, "{at} is not compared");
                left_out.insert(part);
            }
        }
    }
    compared
}

/// Activations by the names under which they are recorded.
fn activations(fixture: &Fixture, key: &str, model: &Vlm, input: &Input) -> Values {
    let (config, pass) = (model.config(), Pass::ANSWER);
    let mut found = Values::new();
    let features = input.features(model, &pass);
    if let Some(features) = &features {
        let mut states: Vec<Vec<f32>> = model.encoder_states(&input.pixels, &pass).into_iter().map(read).collect();
        found.insert("vis_out".to_owned(), states[states.len() - 1].clone());
        let embedded = states.remove(0);
        found.extend(EMBEDDED.map(|part| (part.to_owned(), embedded.clone())));
        // An encoder with a final norm has one state more than layers.
        let layers = states.into_iter().take(config.vision.num_hidden_layers).enumerate();
        found.extend(layers.map(|(layer, state)| (format!("vis_block{layer}"), state)));
        found.insert("projected".to_owned(), without_newline(model, input, features));
    }
    let sets = feature_sets(model, features.as_ref());
    for (set, values) in sets.iter().enumerate() {
        let name = set.checked_sub(1).map_or("merged".to_owned(), |set| format!("deepstack{set}"));
        found.insert(name, values.clone());
    }
    let whole = input.whole();
    let mut states: Vec<Vec<f32>> =
        model.hidden_states(&whole, features.clone(), &pass).into_iter().map(read).collect();
    found.insert("text_out".to_owned(), states.pop().expect("the output of the final norm"));
    for (layer, state) in states.iter_mut().enumerate().skip(1) {
        // Recorded is the output of a layer without the features that follow it.
        if let Some(set) = sets.get(layer) {
            subtract(state, &whole, set);
        }
    }
    let mut states = states.into_iter();
    found.extend(states.next().map(|embedded| ("inputs_embeds".to_owned(), embedded)));
    found.extend(states.enumerate().map(|(layer, state)| (format!("layer{layer}"), state)));
    for kind in fixture.after(&format!("{key}.act.mask.")) {
        found.insert(format!("mask.{kind}"), masks::visible(fixture, model, &whole, features.as_ref(), &kind));
    }
    found
}

/// Returns the recorded values of a part in the form of the own ones.
fn expected(fixture: &Fixture, key: &str, part: &str, pipeline: &VlmPipeline) -> Vec<f32> {
    let recorded = fixture.values(&format!("{key}.act.{part}"));
    let values = || parameters(&mut pipeline.model.clone());
    match part {
        // CLIP has a norm before the first layer.
        "vis_emb" => match values().get("model.vision_tower.pre_layrnorm.weight") {
            Some(gain) => layer_norm(&recorded, gain, &values()["model.vision_tower.pre_layrnorm.bias"]),
            None => recorded,
        },
        // Positions are added to the patches, which are then ordered by windows.
        "vis_patches" => {
            let positioned = match fixture.get(&format!("{key}.interpolation_indices")) {
                Some(_) => with_positions(fixture, key, recorded, &values()["model.visual.pos_embed.weight"]),
                None => recorded,
            };
            order::in_windows(fixture, key, &positioned, pipeline.model.config().vision.merge_size)
        }
        // The merger gives features window by window, and the family restores their order.
        "merged" => order::restored(fixture, key, &recorded),
        _ => recorded,
    }
}

/// Layer norm of each row of `x` with CLIP's epsilon.
fn layer_norm(x: &[f32], gain: &[f32], bias: &[f32]) -> Vec<f32> {
    let norm = |row: &[f32]| -> Vec<f32> {
        let mean = row.iter().sum::<f32>() / row.len() as f32;
        let variance = row.iter().map(|value| (value - mean).powi(2)).sum::<f32>() / row.len() as f32;
        let scale = (variance + 1e-5).sqrt().recip();
        row.iter()
            .zip(gain.iter().zip(bias))
            .map(|(value, (gain, bias))| (value - mean) * scale * gain + bias)
            .collect()
    };
    x.chunks_exact(gain.len()).flat_map(norm).collect()
}

/// Adds to each patch the recorded shares of the recorded rows of the position table.
fn with_positions(fixture: &Fixture, key: &str, mut patches: Vec<f32>, table: &[f32]) -> Vec<f32> {
    let rows = fixture.whole(&format!("{key}.interpolation_indices"));
    let shares = fixture.values(&format!("{key}.interpolation_weights"));
    let corners = 4;
    let width = patches.len() * corners / rows.len();
    for (corner, (row, share)) in rows.iter().zip(shares).enumerate() {
        let patch = &mut patches[corner / corners * width..][..width];
        let entry = &table[*row as usize * width..][..width];
        patch.iter_mut().zip(entry).for_each(|(value, entry)| *value += share * entry);
    }
    patches
}

/// Outputs of the connector, without the line break that LLaVA-NeXT appends to each tile's features.
fn without_newline(model: &Vlm, input: &Input, features: &Tensor<2>) -> Vec<f32> {
    if model.config().family_name() != "LLaVA-NeXT" {
        return read(features.clone());
    }
    let ([rows, width], tiles) = (features.dims(), input.pixels.iter().map(|pixels| pixels.dims()[0]).sum::<usize>());
    let each = rows / tiles;
    read(features.clone().reshape([tiles, each, width]).narrow(1, 0, each - 1))
}

/// Sets of features, each `[features, width]`: those that enter before the first decoder layer, and with deepstack those
/// that follow each of the next layers. Empty without images.
fn feature_sets(model: &Vlm, features: Option<&Tensor<2>>) -> Vec<Vec<f32>> {
    let (width, sets) = (model.config().text.hidden_size, model.config().vision.deepstack);
    let Some(features) = features else { return Vec::new() };
    assert_eq!(features.dims()[1], width * (1 + sets));
    (0..=sets).map(|set| read(features.clone().narrow(1, set * width, width))).collect()
}

/// Subtracts a set of features from the hidden states of image rows.
fn subtract(hidden: &mut [f32], layout: &PackedSequences, set: &[f32]) {
    let width = hidden.len() / layout.rows();
    for (row, feature) in layout.features.iter().enumerate().filter_map(|(row, feature)| Some((row, (*feature)?))) {
        let values = set[feature * width..][..width].iter();
        hidden[row * width..][..width].iter_mut().zip(values).for_each(|(one, value)| *one -= value);
    }
}
