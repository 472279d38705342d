//! Fixtures of the unit tests.

use std::path::Path;

use burn::tensor::Device;
use stepwise_vlm::adapter::LoraConfig;
use stepwise_vlm::idefics3::Vlm;

/// The tiny model of the parity tests: a few thousand random weights.
pub fn model() -> Vlm {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/tiny");
    Vlm::load(&folder, &Device::flex()).expect("the tiny model")
}

/// LoRA config of rank 2 for all linear layers.
pub fn lora() -> LoraConfig {
    let config = serde_json::json!({ "r": 2, "lora_alpha": 4, "target_modules": "all-linear" });
    serde_json::from_value(config).expect("a config")
}
