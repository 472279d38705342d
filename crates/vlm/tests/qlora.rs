//! Compares an adapter on a four-bit base (QLoRA) with bitsandbytes and PEFT (`tests/parity/qlora.safetensors`).

mod common;

use std::collections::BTreeSet;

use burn::tensor::Device;
use stepwise_ops::PackedWeight;
use stepwise_vlm::Precision;
use stepwise_vlm::adapter::load_adapter;
use stepwise_vlm::idefics3::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::weights::SafetensorsSource;

use common::{Case, GRADIENTS, TOLERANCE, assert_close, deviation, gradients_of, parity, values};

/// Accepted deviation of scales: they are summed in another order.
const ROUNDING: f32 = 1e-6;

fn references() -> SafetensorsSource {
    SafetensorsSource::open(&[parity().join("qlora.safetensors")], &Device::flex()).expect("qlora.safetensors")
}

fn four_bits(double_quant: bool) -> Precision {
    Precision::Nf4 { double_quant, bf16: false }
}

fn quantised(double_quant: bool) -> Vlm {
    Vlm::load_in(four_bits(double_quant), &parity().join("tiny"), &Device::flex()).expect("the tiny model")
}

#[test]
fn weights_are_rounded_as_bitsandbytes_rounds_them() {
    const COUNT: usize = 300 * 70 + 10;
    let drawn: Vec<f32> =
        (0..COUNT).map(|i| ((i * 7919 % 1009) as f32 / 504.0 - 1.0) * (1.0 + (i / 64 % 7) as f32)).collect();
    let references = references();
    for (double_quant, how) in [(false, "once"), (true, "twice")] {
        let reference = |name: &str| references.any(&format!("{how}.{name}")).expect(name).1;
        let found = PackedWeight::new(&drawn, [COUNT, 1], four_bits(double_quant)).unpacked();
        assert_close(how, &found, &reference("drawn"), ROUNDING);

        struct Compare<F>(F, usize);
        impl<F: Fn(&str) -> Option<Vec<f32>>> ParameterVisitor for Compare<F> {
            fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
                let module = name.strip_suffix(".weight").unwrap_or(name);
                if let Some(expected) = self.0(module) {
                    assert_close(name, &values(parameter.values()), &expected, ROUNDING);
                    self.1 += 1;
                }
            }
        }
        let recorded = |name: &str| Some(references.any(&format!("{how}.{name}")).ok()?.1);
        let mut compare = Compare(recorded, 0);
        quantised(double_quant).visit(&mut compare);
        assert_eq!(compare.1, 2, "both recorded layers were compared");
    }
}

#[test]
fn a_base_in_four_bits_gives_the_logits_loss_and_gradients_of_qlora() {
    let mut model = quantised(true);
    load_adapter(&mut model, &parity().join("tiny-lora")).expect("an adapter");
    let (case, references) = (Case::load("multi_turn"), references());
    let reference = |name: &str| references.any(name).expect(name).1;
    assert_close("logits", &case.logits(&model, &Pass::ANSWER), &reference("logits"), TOLERANCE);
    assert!(
        deviation(&reference("logits"), &common::reference("lora.logits")) > 1e-3,
        "four-bit weights change the logits"
    );
    let loss = case.loss(&model, &GRADIENTS);
    assert_close("loss", &values(loss.clone()), &reference("loss"), TOLERANCE);
    let gradients = gradients_of(&mut model, &loss.backward());
    let recorded: BTreeSet<&str> = references.names().filter_map(|name| name.strip_prefix("grad.")).collect();
    assert_eq!(gradients.len(), recorded.len());
    for (name, gradient) in &gradients {
        assert_close(name, gradient, &reference(&format!("grad.base_model.model.{name}")), TOLERANCE);
    }
}
