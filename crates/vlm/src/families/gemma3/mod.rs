//! Gemma 3 (Gemma Team 2025) with images, and MedGemma: SigLIP encoder over square images, averaged patches, decoder with
//! global layers and layers with a window, in which the tokens of an image attend to each other in both directions.

mod config;
mod encoder;
mod pan_and_scan;
mod processor;
mod text;

use stepwise_data::box_format::BoxFormat;

use super::facts::FamilyFacts;
use super::tower_names::{CONNECTOR, ENCODER, NAMES};
pub(super) use config::{Config, read as read_config};
pub(super) use encoder::Encoder;

/// Facts of the family.
pub(super) const FACTS: FamilyFacts = FamilyFacts {
    name: "Gemma 3 and MedGemma",
    model_types: &["gemma3"],
    processors: &["Gemma3Processor"],
    image_processors: &["Gemma3ImageProcessor"],
    read_processor: processor::read,
    image_options: &["do_pan_and_scan"],
    box_format: |_| BoxFormat::Percent,
    tokens: &[processor::START, processor::FEATURE, processor::END],
    is_structural: processor::is_structural,
    turn_end: processor::TURN_END,
    names: NAMES,
    encoder_modules: ENCODER,
    connector_modules: CONNECTOR,
};

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use serde_json::json;
    use stepwise_ops::values_of;

    use crate::model::{ModelConfig, Vlm};
    use crate::nn::parameter::{Parameter, ParameterVisitor};
    use crate::weights::RandomSource;

    struct Gains(Vec<(String, Vec<f32>)>);

    impl ParameterVisitor for Gains {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if D == 1 && name.ends_with(".weight") {
                self.0.push((name.to_owned(), values_of(parameter.values())));
            }
        }
    }

    #[test]
    fn initial_gains_are_neutral() {
        let config = json!({
            "model_type": "gemma3", "mm_tokens_per_image": 4, "image_token_index": 7,
            "text_config": { "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                "num_key_value_heads": 1, "head_dim": 4, "vocab_size": 8 },
            "vision_config": { "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2,
                "image_size": 8, "patch_size": 2 },
        });
        let config = ModelConfig::from_json(&config.to_string()).expect("valid");
        let mut model = Vlm::build(config, &mut RandomSource { seed: 1, device: Device::flex() }).expect("a model");
        let mut gains = Gains(Vec::new());
        model.visit(&mut gains);
        // Three norms of the tower, one of the connector, six of the decoder's layer and its last one.
        assert_eq!(gains.0.len(), 11);
        for (name, values) in gains.0 {
            let neutral = if name.starts_with("model.vision_tower.") { 1.0 } else { 0.0 };
            assert!(values.iter().all(|value| *value == neutral), "{name}");
        }
    }
}
