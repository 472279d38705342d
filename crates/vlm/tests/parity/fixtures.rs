//! Recorded values of the parity fixtures, and the comparison with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use burn::tensor::Tensor;
use serde::Deserialize;
use serde_json::Value;
use stepwise_testing::files::parity;
use stepwise_testing::model;
use stepwise_testing::model::parameters::{Values, read};
use stepwise_testing::model::recorded::{self, References};
use stepwise_vlm::adapter::{LoraConfig, load_adapter};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};

/// Accepted deviation: largest difference divided by the largest magnitude of the reference.
pub const TOLERANCE: f32 = 1e-4;

/// A pass with gradients and without dropout, like PEFT's `eval` mode.
pub const GRADIENTS: Pass = Pass { adapters: true, gradients: true, dropout: None };

/// Prefix of parameter names in PEFT's files.
pub const PREFIX: &str = "base_model.model.";

/// Contents of `fixtures.json`.
pub fn facts() -> &'static Value {
    static FACTS: OnceLock<Value> = OnceLock::new();
    FACTS.get_or_init(|| recorded::facts("fixtures.json"))
}

/// Tensors of `fixtures.safetensors`.
pub fn references() -> &'static References {
    static TENSORS: OnceLock<References> = OnceLock::new();
    TENSORS.get_or_init(|| References::open("fixtures.safetensors"))
}

/// Loads the tiny model with an adapter of the parity fixtures.
pub fn adapted(folder: &str) -> (Vlm, LoraConfig) {
    adapted_of(model::model(), folder)
}

/// Loads an adapter of the parity fixtures into `model`.
pub fn adapted_of(mut model: Vlm, folder: &str) -> (Vlm, LoraConfig) {
    let config = load_adapter(&mut model, &parity().join(folder)).expect("an adapter");
    (model, config)
}

/// Returns a recorded list.
pub fn list<T: for<'a> Deserialize<'a>>(value: &Value) -> Vec<T> {
    Vec::deserialize(value).expect("a list")
}

/// Returns a recorded number.
pub fn number(value: &Value) -> f32 {
    value.as_f64().expect("a number") as f32
}

/// Returns the largest difference divided by the largest magnitude of `expected`.
pub fn deviation(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len(), "as many values");
    let scale = expected.iter().fold(f32::MIN_POSITIVE, |scale, value| scale.max(value.abs()));
    let differences = found.iter().zip(expected).map(|(found, expected)| (found - expected).abs());
    // `max` ignores NaN, so NaN is made infinite.
    differences.fold(0.0, |most: f32, next| if next.is_nan() { f32::INFINITY } else { most.max(next) }) / scale
}

/// Asserts that values deviate by less than `tolerance`, see [`deviation`].
#[track_caller]
pub fn assert_close(what: &str, found: &[f32], expected: &[f32], tolerance: f32) {
    let deviation = deviation(found, expected);
    assert!(deviation < tolerance, "{what}: relative deviation {deviation:e}, allowed {tolerance:e}");
}

/// Asserts that every recorded `{start}NAME` equals the gradient of parameter NAME, and that no other parameter has a
/// gradient.
#[track_caller]
pub fn assert_gradients(references: &References, start: &str, found: &Values) {
    let names: BTreeSet<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, references.after(start).collect(), "{start}: the parameters with a gradient");
    for (name, gradient) in found {
        let expected = references.values(&format!("{start}{name}"));
        if name.ends_with("k_proj.bias") {
            // The gradient is zero in exact arithmetic; the recorded values are rounding errors.
            assert!(gradient.iter().chain(&expected).all(|value| value.abs() < 1e-6), "{name}");
        } else {
            assert_close(&format!("{start}{name}"), gradient, &expected, TOLERANCE);
        }
    }
}

/// Returns `2 lora_B lora_A` of the trainable matrices of every adapter; 2 is the scale of all adapters here.
pub fn products(model: &mut Vlm) -> Values {
    struct Halves(BTreeMap<String, Tensor<2>>);
    impl ParameterVisitor for Halves {
        fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
            if name.ends_with("lora_A.weight") || name.ends_with("lora_B.weight") {
                let shape = parameter.shape().dims::<2>();
                self.0.insert(name.to_owned(), parameter.values().reshape(shape));
            }
        }
    }
    let mut halves = Halves(BTreeMap::new());
    model.visit(&mut halves);
    let modules: Vec<String> =
        halves.0.keys().filter_map(|name| name.strip_suffix(".lora_A.weight")).map(str::to_owned).collect();
    let product = |name: String| {
        let half = |part: &str| halves.0[&format!("{name}.{part}.weight")].clone();
        let product = half("lora_B").matmul(half("lora_A")) * 2.0;
        (name, read(product))
    };
    modules.into_iter().map(product).collect()
}
