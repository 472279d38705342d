//! An adapter on a four-bit base (QLoRA), compared with bitsandbytes and PEFT.

use stepwise_ops::PackedWeight;
use stepwise_testing::model::model_in;
use stepwise_testing::model::parameters::{gradients_of, parameters, read};
use stepwise_testing::model::recorded::References;
use stepwise_vlm::Precision;
use stepwise_vlm::nn::parameter::Pass;

use crate::conversation::Case;
use crate::fixtures::{self, GRADIENTS, PREFIX, TOLERANCE, adapted_of, assert_close, assert_gradients, deviation};

/// Accepted deviation of scales: they are summed in another order.
const ROUNDING: f32 = 1e-6;

fn four_bits(double_quant: bool) -> Precision {
    Precision::Nf4 { double_quant, bf16: false }
}

#[test]
fn weights_are_rounded_as_bitsandbytes_rounds_them() {
    const COUNT: usize = 300 * 70 + 10;
    let drawn: Vec<f32> =
        (0..COUNT).map(|i| ((i * 7919 % 1009) as f32 / 504.0 - 1.0) * (1.0 + (i / 64 % 7) as f32)).collect();
    let references = References::open("qlora.safetensors");
    for (double_quant, how) in [(false, "once"), (true, "twice")] {
        let found = PackedWeight::new(&drawn, [COUNT, 1], four_bits(double_quant)).unpacked();
        assert_close(how, &found, &references.values(&format!("{how}.drawn")), ROUNDING);
        let mut compared = 0;
        for (name, values) in parameters(&mut model_in(four_bits(double_quant))) {
            let module = name.strip_suffix(".weight").unwrap_or(&name);
            if let Some(expected) = references.get(&format!("{how}.{module}")) {
                assert_close(&name, &values, &expected, ROUNDING);
                compared += 1;
            }
        }
        assert_eq!(compared, 2, "both recorded layers were compared");
    }
}

#[test]
fn a_base_in_four_bits_gives_the_logits_loss_and_gradients_of_qlora() {
    let (mut model, _) = adapted_of(model_in(four_bits(true)), "tiny-lora");
    let (case, references) = (Case::load("multi_turn"), References::open("qlora.safetensors"));
    let logits = references.values("logits");
    assert_close("logits", &case.logits(&model, &Pass::ANSWER), &logits, TOLERANCE);
    let in_f32 = fixtures::references().values("lora.logits");
    assert!(deviation(&logits, &in_f32) > 1e-3, "four-bit weights change the logits");
    let loss = case.loss(&model, &GRADIENTS);
    assert_close("loss", &read(loss.clone()), &references.values("loss"), TOLERANCE);
    assert_gradients(&references, &format!("grad.{PREFIX}"), &gradients_of(&mut model, &loss.backward()));
}
