//! States of the image encoder below its first trained block are cached: losses and gradients stay the same, and the blocks
//! below are computed once for each tile.

use stepwise_testing::model::parameters::{parameters, read, replace, set_trainable};
use stepwise_vlm::adapter::attach;
use stepwise_vlm::batch::{Batch, EncodableExample};
use stepwise_vlm::feature_cache::FeatureLimits;
use stepwise_vlm::model::{EncoderBlocks, ModelPart, Vlm};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::pipeline::VlmPipeline;

use super::fixture::{FIRST, Fixture, fixtures};
use super::pixels;
use crate::fixtures::{TOLERANCE, assert_close};
use crate::second_backend::{assert_same_gradients, random, step};

/// What a test trains.
#[derive(Clone, Copy, Debug)]
enum Trained {
    /// Adapters on the last layer of the image encoder whose output becomes features.
    LastLayer,
    /// The weights of the connector.
    Connector,
}

const BOTH: [Trained; 2] = [Trained::LastLayer, Trained::Connector];

impl Trained {
    fn pipeline(self, fixture: &Fixture) -> VlmPipeline {
        let mut pipeline = fixture.pipeline();
        match self {
            Self::LastLayer => {
                let last = last_layer(&mut pipeline.model);
                attach(&mut pipeline.model, &random(), 1, |name| layer(name) == Some(last)).expect("attached");
            }
            Self::Connector => {
                set_trainable(&mut pipeline.model, true, |name| ModelPart::of(name) == ModelPart::Connector);
            }
        }
        pipeline.refresh();
        pipeline
    }
}

/// Number of the layer of the image encoder to which a module or parameter belongs; None outside these layers.
fn layer(name: &str) -> Option<usize> {
    let mut parts = name.split('.').filter(|_| ModelPart::of(name) == ModelPart::Vision);
    parts.find_map(|part| part.parse().ok())
}

/// Last layer of the image encoder whose output becomes features.
fn last_layer(model: &mut Vlm) -> usize {
    let count = model.encoder_blocks().count;
    let layers = parameters(model).into_keys().filter_map(|name| layer(&name));
    layers.filter(|layer| *layer < count).max().expect("a layer")
}

fn examples(fixture: &Fixture, pipeline: &VlmPipeline) -> Vec<EncodableExample> {
    fixture.conversations().map(|key| fixture.example(pipeline, key, true)).collect()
}

/// Changes the parameters that `chosen` selects by name, each value by another amount: some layers do not depend on the mean.
fn change(model: &mut Vlm, chosen: impl Fn(&str) -> bool) {
    replace(model, |name, values| {
        let places = values.iter().enumerate();
        chosen(name).then(|| places.map(|(place, value)| value + 0.1 * (1.0 + place as f32).sin()).collect())
    });
}

fn losses(pipeline: &VlmPipeline, examples: &[EncodableExample], pass: &Pass) -> Vec<f32> {
    let batch = Batch::new(&pipeline.processor, examples, true).expect("a batch");
    pipeline.losses(&batch, pass).1
}

#[test]
fn losses_and_gradients_do_not_depend_on_the_cache() {
    for fixture in fixtures() {
        for (trained, checkpointing) in BOTH.into_iter().flat_map(|trained| [(trained, false), (trained, true)]) {
            let at = format!("{} {trained:?}, checkpointing {checkpointing}", fixture.name);
            let mut pipeline = trained.pipeline(&fixture);
            let examples = examples(&fixture, &pipeline);
            let computed = step(&mut pipeline, &examples, checkpointing);
            assert!(!computed.1.is_empty(), "{at}");
            assert!(step(&mut pipeline, &examples, checkpointing) == computed, "{at}: from the cache");
            pipeline.remember(&FeatureLimits { memory_bytes: 0, ..FeatureLimits::default() });
            assert!(step(&mut pipeline, &examples, checkpointing) == computed, "{at}: without room");

            // With a trainable patch embedding, all tiles pass the whole encoder in every step.
            set_trainable(&mut pipeline.model, true, |name| name.contains("patch_embed"));
            pipeline.refresh();
            let (terms, gradients) = step(&mut pipeline, &examples, checkpointing);
            assert_close(&at, &computed.0, &terms, TOLERANCE);
            assert!(gradients.len() > computed.1.len(), "{at}");
            assert_same_gradients(&at, &gradients, &computed.1);
        }
    }
}

#[test]
fn blocks_below_the_first_trained_one_are_computed_once() {
    for fixture in fixtures() {
        let untouched = fixture.pipeline();
        for trained in BOTH {
            let at = format!("{} {trained:?}", fixture.name);
            let mut pipeline = trained.pipeline(&fixture);
            let examples = examples(&fixture, &pipeline);
            let [before, checkpointed] =
                [false, true].map(|checkpointing| step(&mut pipeline, &examples, checkpointing));
            let base = losses(&pipeline, &examples, &Pass::BASE);
            assert_close(&at, &base, &losses(&untouched, &examples, &Pass::BASE), TOLERANCE);
            change(&mut pipeline.model, |name| layer(name) == Some(0));
            assert!(step(&mut pipeline, &examples, false) == before, "{at}: the first layer is not computed again");
            assert!(step(&mut pipeline, &examples, true) == checkpointed, "{at}: nor with checkpointing");
            assert!(losses(&pipeline, &examples, &Pass::BASE) == base, "{at}: nor without adapters");
            pipeline.refresh();
            assert!(step(&mut pipeline, &examples, false) != before, "{at}: `refresh` empties the cache");
        }
    }
}

#[test]
fn an_evaluation_takes_no_room_from_training() {
    for fixture in fixtures() {
        for pass in [Pass::BASE, Pass::ANSWER] {
            let mut pipeline = Trained::LastLayer.pipeline(&fixture);
            let examples = examples(&fixture, &pipeline);
            let before = losses(&pipeline, &examples, &pass);
            change(&mut pipeline.model, |name| layer(name) == Some(0));
            assert!(losses(&pipeline, &examples, &pass) != before, "{} {pass:?}: cached", fixture.name);
        }
    }
}

#[test]
fn nothing_is_cached_below_an_adapter_on_the_first_layer() {
    for fixture in fixtures() {
        let mut pipeline = fixture.pipeline();
        attach(&mut pipeline.model, &random(), 1, |name| layer(name) == Some(0)).expect("attached");
        pipeline.refresh();
        let examples = examples(&fixture, &pipeline);
        let before = step(&mut pipeline, &examples, false);
        change(&mut pipeline.model, |name| name.contains("patch_embed"));
        assert!(step(&mut pipeline, &examples, false) != before, "{}", fixture.name);
    }
}

/// A change of a parameter changes the output of its block and of later ones, and not the outputs of earlier ones.
#[test]
fn the_first_trained_block_is_the_first_whose_output_changes_with_the_parameter() {
    for fixture in fixtures() {
        let mut pipeline = fixture.pipeline();
        let shown = [pixels::normalised(&pipeline, &fixture.example(&pipeline, FIRST, true).images[0])];
        let states = |model: &Vlm| -> Vec<Vec<f32>> {
            model.encoder_states(&shown, &Pass::ANSWER).into_iter().map(read).collect()
        };
        let before = states(&pipeline.model);
        let all = parameters(&mut pipeline.model);
        // A bias of all keys adds the same to all scores of a query, so it changes nothing but rounding.
        let names = all.into_keys().filter(|name| !name.ends_with("k_proj.bias"));
        for name in names.filter(|name| ModelPart::of(name) == ModelPart::Vision) {
            let mut changed = pipeline.model.clone();
            change(&mut changed, |other| other == name);
            set_trainable(&mut changed, true, |other| other == name);
            let EncoderBlocks { count, trained, adapted } = changed.encoder_blocks();
            assert_eq!((count, adapted), (before.len() - 1, None), "{} {name}", fixture.name);
            let first = states(&changed).iter().zip(&before).position(|(state, before)| state != before);
            // The first state is the input of the first block, the second one its output.
            assert_eq!(trained, first.map(|state| state.saturating_sub(1)), "{} {name}", fixture.name);
        }
    }
}
