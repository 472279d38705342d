//! Model families, part by part, compared with transformers and PEFT.

mod activations;
mod adapter_layouts;
mod cached_states;
mod contradictions;
mod conversations;
mod fixture;
mod masks;
mod order;
mod pixels;
mod positions;
mod second_backend;

use std::collections::BTreeSet;
use std::sync::Arc;

use burn::tensor::Tensor;
use image::RgbImage;
use stepwise_data::conversation::Part;
use stepwise_testing::model::parameters::{Values, gradients_of, read, set_trainable, trainable_parameters};
use stepwise_vlm::adapter::{load_adapter, merge};
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::generate::generate;
use stepwise_vlm::images::grid::ImageGrid;
use stepwise_vlm::images::processor::ImageOptions;
use stepwise_vlm::model::{Vlm, save_model};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use stepwise_vlm::pipeline::VlmPipeline;
use stepwise_vlm::pixel_gradient::PixelObjective;

use crate::fixtures::{GRADIENTS, PREFIX, TOLERANCE, assert_close};
use fixture::{FIRST, Fixture, fixtures, fixtures_with};

/// A conversation as the model takes it: its sequence, and its images as normalised pixels.
struct Input {
    sequence: Sequence,
    pixels: Vec<Tensor<4>>,
}

impl Input {
    /// Encodes an example. Targets are its supervised tokens, weighted so that the loss is their mean.
    fn new(pipeline: &VlmPipeline, example: &EncodableExample, answering: bool) -> Self {
        let encoded = pipeline.encode(example, answering).expect("encoded");
        let count = encoded.targets().count() as f32;
        let targets = encoded.targets().map(|index| Target { index, weight: 1.0 / count }).collect();
        let grids = example.grids();
        let features = |grid: &ImageGrid| grid.tiles() * pipeline.processor.tile_features(*grid);
        let tiles = encoded.images.iter().map(|span| {
            let before: usize = grids[..span.image].iter().map(features).sum();
            let first = before + pixels::place(pipeline, grids[span.image], span.tile) * span.tile_features;
            TileSpan { start: span.start, len: span.len, first: first + span.first, axes: span.axes }
        });
        let tiles = tiles.collect();
        let pixels = example.images.iter().map(|image| pixels::normalised(pipeline, image)).collect();
        Self { sequence: Sequence { ids: encoded.ids, tiles, targets }, pixels }
    }

    fn features(&self, model: &Vlm, pass: &Pass) -> Option<Tensor<2>> {
        (!self.pixels.is_empty()).then(|| model.image_features(&self.pixels, pass))
    }

    fn loss(&self, model: &Vlm, pass: &Pass) -> Tensor<1> {
        let layout = PackedSequences::pack(std::slice::from_ref(&self.sequence), true);
        model.loss(&layout, self.features(model, pass), pass)
    }

    /// The whole conversation without targets, so that every token has a row.
    fn whole(&self) -> PackedSequences {
        PackedSequences::pack(&[Sequence { targets: Vec::new(), ..self.sequence.clone() }], false)
    }
}

/// Compares logits with `name`, of the recorded rows or of all.
fn compare_logits(fixture: &Fixture, key: &str, name: &str, input: &Input, model: &Vlm, pass: &Pass) {
    let rows = match fixture.get(&format!("{key}.logit_rows")) {
        Some((_, rows)) => rows.into_iter().map(|row| row as usize).collect(),
        None => (0..input.sequence.ids.len()).collect::<Vec<_>>(),
    };
    let found = read(model.logits(&input.whole(), input.features(model, pass), &rows, pass));
    assert_close(&format!("{} {name}", fixture.name), &found, &fixture.values(name), TOLERANCE);
}

#[test]
fn tokens_positions_and_pixels_equal_the_recorded_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        fixture.conversations().for_each(|key| compare_input(&fixture, &pipeline, key));
    }
}

fn compare_input(fixture: &Fixture, pipeline: &VlmPipeline, key: &str) {
    let at = format!("{} {key}", fixture.name);
    let example = fixture.example(pipeline, key, true);
    let encoded = pipeline.encode(&example, false).expect(&at);
    let ids: Vec<i64> = encoded.ids.iter().map(|id| i64::from(*id)).collect();
    assert_eq!(ids, fixture.whole(&format!("{key}.input_ids")), "{at}");
    let labels = fixture.whole(&format!("{key}.labels"));
    let supervised: Vec<bool> = labels.iter().map(|label| *label >= 0).collect();
    assert_eq!(encoded.supervised, supervised, "{at}");
    let asked = pipeline.encode(&fixture.example(pipeline, key, false), true).expect(&at);
    let ids: Vec<i64> = asked.ids.iter().map(|id| i64::from(*id)).collect();
    assert_eq!(ids, fixture.whole(&format!("{key}.prompt_ids")), "{at}");
    positions::compare(fixture, key, pipeline, &example);
    pixels::compare(fixture, key, pipeline, &example);
}

/// An image that is cut under the folder's settings can be shown as one tile.
#[test]
fn an_image_in_one_tile_gives_the_recorded_values() {
    for fixture in fixtures_with("one-tile") {
        let mut pipeline = fixture.pipeline();
        pipeline.processor.set_image_splitting(Some(false));
        compare_input(&fixture, &pipeline, "one-tile");
        activations::compare(&fixture, &pipeline, "one-tile", &mut BTreeSet::new());
        compare_outputs(&fixture, &pipeline, "one-tile");
        compare_greedy(&fixture, &pipeline, "one-tile");
    }
}

/// Crops of a long image follow the whole image, each as a tile and a block of attention of its own.
#[test]
fn crops_of_a_long_image_give_the_recorded_values() {
    for fixture in fixtures_with("crops") {
        let mut pipeline = fixture.pipeline_of("crops");
        let crops = fixture.example(&pipeline, "crops", true).images[0].grid.tiles() - 1;
        assert!(crops > 1, "{}", fixture.name);
        compare_input(&fixture, &pipeline, "crops");
        activations::compare(&fixture, &pipeline, "crops", &mut BTreeSet::new());
        compare_outputs(&fixture, &pipeline, "crops");
        compare_greedy(&fixture, &pipeline, "crops");
        let without = ImageOptions { do_pan_and_scan: Some(false), ..ImageOptions::default() };
        pipeline.processor.set_image_options(without).expect("the family has pan and scan");
        assert_eq!(fixture.example(&pipeline, "crops", true).images[0].grid.tiles(), 1, "{}", fixture.name);
    }
}

/// Compares the features in the order of the sequence with the recorded ones, where those are recorded.
fn compare_packed(fixture: &Fixture, key: &str, input: &Input, features: &Tensor<2>) {
    let recorded = fixture.after(&format!("{key}.packed_features"));
    if recorded.is_empty() {
        return;
    }
    let expected: Vec<f32> =
        recorded.iter().flat_map(|image| fixture.values(&format!("{key}.packed_features{image}"))).collect();
    let rows = input.whole().features.into_iter().flatten();
    let (width, all) = (features.dims()[1], read(features.clone()));
    let packed: Vec<f32> = rows.flat_map(|row| all[row * width..][..width].to_vec()).collect();
    assert_close(&format!("{} {key} packed features", fixture.name), &packed, &expected, TOLERANCE);
}

#[test]
fn features_in_order_logits_and_losses_equal_the_recorded_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        fixture.conversations().for_each(|key| compare_outputs(&fixture, &pipeline, key));
    }
}

fn compare_outputs(fixture: &Fixture, pipeline: &VlmPipeline, key: &str) {
    let (model, pass) = (&pipeline.model, Pass::ANSWER);
    let input = Input::new(pipeline, &fixture.example(pipeline, key, true), false);
    if let Some(features) = input.features(model, &pass) {
        compare_packed(fixture, key, &input, &features);
    }
    compare_logits(fixture, key, &format!("{key}.logits"), &input, model, &pass);
    let (loss, recorded) = (read(input.loss(model, &pass)), fixture.values(&format!("{key}.loss")));
    assert_close(&format!("{} {key} loss", fixture.name), &loss, &recorded, TOLERANCE);
}

#[test]
fn greedy_tokens_equal_the_recorded_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        fixture.conversations().for_each(|key| compare_greedy(&fixture, &pipeline, key));
    }
}

fn compare_greedy(fixture: &Fixture, pipeline: &VlmPipeline, key: &str) {
    let input = Input::new(pipeline, &fixture.example(pipeline, key, false), true);
    let expected = fixture.whole(&format!("{key}.generate"));
    let features = input.features(&pipeline.model, &Pass::ANSWER);
    let made = generate(&pipeline.model, &input.sequence, features, &[], expected.len(), Pass::ANSWER);
    let ids: Vec<i64> = made.ids.iter().map(|id| i64::from(*id)).collect();
    // A margin of the size of rounding errors decides a token either way, and with it all later ones.
    let margins = fixture.meta["samples"][key]["margins"].as_array().expect("margins").iter();
    let sure = margins.take_while(|margin| margin.as_f64() > Some(1e-4)).count();
    assert_eq!(ids[..sure], expected[..sure], "{} {key}", fixture.name);
}

/// Compares the gradients of all recorded parameters `{start}NAME`. Of tables over the vocabulary, some rows and the norm
/// can be recorded in place of all values.
fn compare_gradients(fixture: &Fixture, start: &str, prefix: &str, found: &Values) {
    let mut compared = 0;
    for name in fixture.after(&format!("{start}grad.{prefix}")) {
        let expected = fixture.values(&format!("{start}grad.{prefix}{name}"));
        let gradient = found.get(&name).unwrap_or_else(|| panic!("{}: no gradient of {name}", fixture.name));
        compare_gradient(fixture, &format!("{start}grad.{name}"), gradient, &expected);
        compared += 1;
    }
    for name in fixture.after(&format!("{start}grad_rows.{prefix}")) {
        let (shape, expected) = fixture.get(&format!("{start}grad_rows.{prefix}{name}")).expect("rows");
        let rows = fixture.whole(&format!("{start}rows.{prefix}{name}"));
        let width = shape[1];
        let gradient = &found[&name];
        let own: Vec<f32> = rows.iter().flat_map(|row| gradient[*row as usize * width..][..width].to_vec()).collect();
        compare_gradient(fixture, &format!("{start}grad_rows.{name}"), &own, &expected);
        let norm = gradient.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt() as f32;
        let recorded = fixture.values(&format!("{start}grad_norm.{prefix}{name}"));
        assert_close(&format!("{} norm of {name}", fixture.name), &[norm], &recorded, TOLERANCE);
        compared += 1;
    }
    assert_eq!(compared, found.len(), "{} {start}: parameters with a gradient", fixture.name);
}

/// Gradients that are zero in exact arithmetic are rounding errors in both.
fn compare_gradient(fixture: &Fixture, name: &str, found: &[f32], expected: &[f32]) {
    let largest = |values: &[f32]| values.iter().fold(0.0_f32, |most, value| most.max(value.abs()));
    if largest(expected) < 1e-6 && largest(found) < 1e-6 {
        return;
    }
    assert_close(&format!("{} {name}", fixture.name), found, expected, TOLERANCE);
}

#[test]
fn gradients_of_all_parameters_and_pixels_equal_the_recorded_ones() {
    for fixture in fixtures() {
        let mut pipeline = fixture.pipeline();
        set_trainable(&mut pipeline.model, true, |_| true);
        let frozen = pipeline.model.freeze_behind_features();
        let is_llava = pipeline.model.config().family_name().starts_with("LLaVA");
        assert!(frozen > 0 || !is_llava, "{}: the norm after the last layer lies behind the features", fixture.name);
        let example = fixture.example(&pipeline, FIRST, true);
        let input = Input::new(&pipeline, &example, false);
        let loss = input.loss(&pipeline.model, &GRADIENTS);
        let gradients = gradients_of(&mut pipeline.model, &loss.backward());
        let trainable = trainable_parameters(&mut pipeline.model);
        assert!(gradients.keys().eq(trainable.keys()), "{}: all others have a gradient", fixture.name);
        compare_gradients(&fixture, "full.", "", &gradients);

        let unit: Vec<Tensor<4>> = example.images.iter().map(|image| pixels::unit(&pipeline, image)).collect();
        let unit: Vec<Tensor<4>> = unit.into_iter().map(|unit| unit.autodiff().require_grad()).collect();
        let normalised = unit.iter().map(|unit| pipeline.processor.values().normalise(unit.clone())).collect();
        let input = Input { pixels: normalised, ..input };
        let gradients = input.loss(&pipeline.model, &GRADIENTS).backward();
        let found = read(unit[0].grad(&gradients).expect("a gradient"));
        assert_close(&format!("{} pixels", fixture.name), &found, &fixture.values("unit.grad"), TOLERANCE);
    }
}

#[test]
fn gradients_of_attacks_equal_the_recorded_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        let target = fixture.meta["samples"][FIRST]["answer"].as_str().expect("an answer").to_owned();
        let asked = [(fixture.example(&pipeline, FIRST, false), PixelObjective::Nll { target })];
        let slope = pipeline.pixel_gradients(&asked, &Pass::ANSWER).expect("a gradient").remove(0);
        // The recorded loss is the mean of the supervised tokens, the objective is their sum.
        let labels = fixture.whole(&format!("{FIRST}.labels"));
        let count = labels.into_iter().filter(|label| *label >= 0).count() as f32;
        let mean = slope.gradient.iter().map(|value| value / count).collect();
        let mean = pixels::recorded_order(&pipeline, asked[0].0.images[0].grid, mean);
        assert_close(&format!("{} attack", fixture.name), &mean, &fixture.values("unit.grad"), TOLERANCE);
        let loss = [slope.value as f32 / count];
        assert_close(&format!("{} loss", fixture.name), &loss, &fixture.values(&format!("{FIRST}.loss")), TOLERANCE);
    }
}

#[test]
fn image_vectors_have_one_length() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        let example = fixture.example(&pipeline, "two", false);
        let lengths = example.images.iter().map(|image| pipeline.image_features(image, &Pass::ANSWER).len());
        let expected = 17 * pipeline.model.config().text.hidden_size;
        assert!(lengths.into_iter().all(|length| length == expected), "{}", fixture.name);
    }
}

#[test]
fn gradient_checkpointing_gives_the_same_gradients() {
    for fixture in fixtures() {
        let mut pipeline = fixture.pipeline();
        set_trainable(&mut pipeline.model, true, |_| true);
        pipeline.refresh();
        let examples = [FIRST, "img1"].map(|key| fixture.example(&pipeline, key, true));
        let batch = Batch::new(&pipeline.processor, &examples, true).expect("a batch");
        let mut gradients = |checkpointing: bool| -> Values {
            let (_, parts) = pipeline.gradients(&batch, 1.0, checkpointing, &GRADIENTS);
            let mut sums = Values::new();
            for part in &parts {
                for (name, values) in gradients_of(&mut pipeline.model, part) {
                    let sum = sums.entry(name).or_insert_with(|| vec![0.0; values.len()]);
                    sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
                }
            }
            sums
        };
        let (plain, checkpointed) = (gradients(false), gradients(true));
        assert_eq!(plain.keys().collect::<Vec<_>>(), checkpointed.keys().collect::<Vec<_>>());
        for (name, expected) in &plain {
            compare_gradient(&fixture, name, &checkpointed[name], expected);
        }
    }
}

#[test]
fn a_shared_prompt_gives_the_losses_of_separate_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        let answered = fixture.example(&pipeline, "two", true);
        let mut other = answered.clone();
        let answer = other.conversation.messages.last_mut().expect("an answer");
        answer.content = vec![Part::text("Another answer.")];
        let losses = |share: bool| {
            let batch = Batch::new(&pipeline.processor, [&answered, &other], share).expect("a batch");
            (pipeline.losses(&batch, &Pass::ANSWER).1, batch.layout.rows())
        };
        let ((shared, few), (separate, many)) = (losses(true), losses(false));
        assert!(3 * few < 2 * many, "{}: {few} of {many} rows", fixture.name);
        assert_close(&format!("{} losses", fixture.name), &shared, &separate, TOLERANCE);
    }
}

/// Blank images have equal tiles, of which images of other shapes use other features.
#[test]
fn blank_images_of_several_sizes_give_the_losses_of_separate_ones() {
    for fixture in fixtures() {
        let pipeline = fixture.pipeline();
        let blank = |(width, height): (u32, u32)| {
            let image = pipeline.processor.prepare(&RgbImage::new(width, height)).expect("prepared");
            EncodableExample { images: vec![Arc::new(image)], ..fixture.example(&pipeline, FIRST, true) }
        };
        // LLaVA-NeXT leaves out one column on each side of the first and of the second image, which have one column of tiles
        // and two.
        let examples = [(12, 72), (48, 64), (64, 48), (64, 64), (64, 20), (20, 64), (64, 48)].map(blank);
        for pair in examples.windows(2) {
            let losses = |share: bool| {
                let batch = Batch::new(&pipeline.processor, pair, share).expect("a batch");
                pipeline.losses(&batch, &Pass::ANSWER).1
            };
            assert_close(&format!("{} losses", fixture.name), &losses(true), &losses(false), TOLERANCE);
        }
    }
}

#[test]
fn adapters_of_peft_give_its_logits_losses_and_gradients() {
    for fixture in fixtures() {
        for (record, folder) in [("lora", "adapter"), ("all", "adapter-all")] {
            let mut pipeline = fixture.pipeline();
            load_adapter(&mut pipeline.model, &fixture.folder.join(folder)).expect(folder);
            let input = Input::new(&pipeline, &fixture.example(&pipeline, FIRST, true), false);
            let logits = format!("{record}.logits0");
            compare_logits(&fixture, FIRST, &logits, &input, &pipeline.model, &Pass::ANSWER);
            let loss = input.loss(&pipeline.model, &GRADIENTS);
            let recorded = fixture.values(&format!("{record}.loss0"));
            assert_close(&format!("{} {record}", fixture.name), &read(loss.clone()), &recorded, TOLERANCE);
            let gradients = gradients_of(&mut pipeline.model, &loss.backward());
            let named = |name: &String| name.replace(".default.", ".");
            let stored: Values = gradients.into_iter().collect();
            for name in fixture.after(&format!("{record}.grad.{PREFIX}")) {
                let expected = fixture.values(&format!("{record}.grad.{PREFIX}{name}"));
                let found = &stored[&named(&name)];
                compare_gradient(&fixture, &format!("{record}.grad.{name}"), found, &expected);
            }
            assert_eq!(fixture.after(&format!("{record}.grad.")).len(), stored.len(), "{} {record}", fixture.name);
        }
    }
}

#[test]
fn stepped_and_merged_adapters_give_the_recorded_logits() {
    for fixture in fixtures() {
        let mut pipeline = fixture.pipeline();
        load_adapter(&mut pipeline.model, &fixture.folder.join("adapter")).expect("an adapter");
        let named = |name: &str| format!("lora.step1.{PREFIX}{}", name.replace(".weight", ".default.weight"));
        stepwise_testing::model::parameters::replace(&mut pipeline.model, |name, _| {
            name.contains(".lora_").then(|| fixture.values(&named(name)))
        });
        let input = Input::new(&pipeline, &fixture.example(&pipeline, FIRST, true), false);
        let loss = read(input.loss(&pipeline.model, &Pass::ANSWER));
        assert_close(&format!("{} step", fixture.name), &loss, &fixture.values("lora.loss1"), TOLERANCE);
        merge(&mut pipeline.model);
        compare_logits(&fixture, FIRST, "lora.merged_logits1", &input, &pipeline.model, &Pass::BASE);

        let (base, folder) = (fixture.folder.join("model"), tempfile::tempdir().expect("a folder"));
        save_model(&mut pipeline.model, &base, folder.path(), false).expect("saved");
        let names = |folder: &std::path::Path| {
            let file = std::fs::read(folder.join("model.safetensors")).expect("weights");
            let tensors = safetensors::SafeTensors::deserialize(&file).expect("tensors");
            let mut names: Vec<String> = tensors.names().into_iter().map(|name| name.to_owned()).collect();
            names.sort();
            names
        };
        assert_eq!(names(folder.path()), names(&base), "{}", fixture.name);
        let again = Vlm::load(folder.path(), pipeline.model.device()).expect("loads");
        compare_logits(&fixture, FIRST, "lora.merged_logits1", &input, &again, &Pass::BASE);
    }
}
