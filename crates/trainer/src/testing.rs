//! What unit tests start from.

use std::path::Path;

use burn::tensor::Device;
use stepwise_vlm::adapter::LoraConfig;
use stepwise_vlm::idefics3::Vlm;

/// A model of a few thousand random weights.
pub fn model() -> Vlm {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/parity/tiny");
    Vlm::load(&folder, &Device::flex()).expect("the tiny model")
}

/// Adapters on every linear layer.
pub fn lora() -> LoraConfig {
    let config = serde_json::json!({ "r": 2, "lora_alpha": 4, "target_modules": "all-linear" });
    serde_json::from_value(config).expect("a config")
}
