//! One training step of a randomly initialised model with the sizes of SmolVLM-256M.

use burn::tensor::Device;
use stepwise_vlm::adapter::{LoraConfig, attach};
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::Pass;
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use stepwise_vlm::weights::RandomSource;

use stepwise_testing::files::real;
use stepwise_testing::model::all_linear;
use stepwise_testing::model::parameters::{gradients_of, read, tensor};

#[test]
fn a_step_of_a_model_of_real_size_is_finite() {
    let Some(folder) = real("models/smolvlm-256m-instruct") else { return };
    let config = Vlm::load_config(&folder).expect("a config");
    let side = config.vision.image_size.expect("square tiles");
    let (features, image) = (config.vision.features(side, side), config.image_token_id);
    assert_eq!((side, features), (512, 64));
    let mut source = RandomSource { seed: 5, device: Device::flex() };
    let mut model = Vlm::build(config, &mut source).expect("a model");
    let lora = LoraConfig { lora_dropout: 0.05, ..LoraConfig::new(8, 16.0, all_linear()) };
    let modules = attach(&mut model, &lora, 5, |name| ModelPart::of(name) == ModelPart::Decoder).expect("an adapter");
    assert_eq!(modules.len(), 7 * model.config().text.num_hidden_layers);

    let words = 1000..1024;
    let ids: Vec<u32> = std::iter::repeat_n(image, features).chain(words).collect();
    let targets = (ids.len() - 6..ids.len()).map(|index| Target { index, weight: 1.0 / 6.0 }).collect();
    let tiles = vec![TileSpan { start: 0, len: features, first: 0, axes: None }];
    let layout = PackedSequences::pack(&[Sequence { ids, tiles, targets }], true);
    let pixels: Vec<f32> = (0..3 * side * side).map(|place| (place % 509) as f32 / 254.0 - 1.0).collect();
    let pass = Pass::training(1);
    let features = model.image_features(&[tensor(pixels, [1, 3, side, side])], &pass);
    let loss = model.loss(&layout, Some(features), &pass);
    // A random model predicts almost uniformly, so the loss is about the logarithm of the vocabulary size.
    let value = read(loss.clone())[0];
    let uniform = (model.config().text.vocab_size as f32).ln();
    assert!((value - uniform).abs() < 0.2 * uniform, "loss {value}, uniform {uniform}");

    let gradients = gradients_of(&mut model, &loss.backward());
    assert_eq!(gradients.len(), 2 * modules.len());
    for (name, gradient) in &gradients {
        assert!(gradient.iter().all(|value| value.is_finite()), "{name}");
        // B starts at zero, so in the first step A has zero gradients and B does not.
        assert_eq!(gradient.iter().any(|value| *value != 0.0), name.ends_with("lora_B.weight"), "{name}");
    }
}
