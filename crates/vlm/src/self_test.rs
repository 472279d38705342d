//! Comparison of a training step on a device, in any precision, with the same step in f32 on the CPU.

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use stepwise_ops::Precision;

use crate::model::{LoadError, ModelConfig, Vlm};
use crate::nn::lora::LoraLayer;
use crate::nn::parameter::{Parameter, ParameterVisitor, Pass};
use crate::nn::source::{Source, WeightError, computes_in_bf16};
use crate::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use crate::weights::{RandomSource, normal};

/// Configuration of a tiny model, so that the comparison is fast.
const CONFIG: &str = r#"{"model_type":"idefics3","image_token_id":3,"scale_factor":2,"tie_word_embeddings":false,
"text_config":{"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":4,
"num_key_value_heads":2,"vocab_size":96,"max_position_embeddings":128,"rms_norm_eps":1e-5},
"vision_config":{"hidden_size":64,"intermediate_size":128,"num_hidden_layers":2,"num_attention_heads":2,
"image_size":32,"patch_size":8}}"#;

/// Rank of the adapters.
const RANK: usize = 4;

/// Result of [`compare`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// Loss on the device, in nats.
    pub loss: f64,
    /// Number of parameters with a gradient.
    pub gradients: usize,
    /// The larger one of two relative differences from the CPU: of the loss, and of all gradients together (L2 norm of the
    /// difference, divided by the L2 norm on the CPU). NaN if a value is no number or a gradient is missing.
    pub relative_difference: f64,
}

/// Returns the largest [`Comparison::relative_difference`] of a device that computes correctly. In f32 it is 1e-3, because
/// Burn's GPU backends round the operands of f32 products to TF32 (10 bits of mantissa) where the device has matrix units
/// for it. Where products are in bf16 (8 bits of mantissa) it is 0.03.
#[must_use]
pub fn tolerance(precision: Precision, device: &Device) -> f64 {
    if computes_in_bf16(precision, device) { 0.03 } else { 1e-3 }
}

/// Computes loss and gradients of a small fixed model with adapters on `device`, with the base in `precision`, and
/// compares them with the CPU. In f32 all weights are trained, in other precisions the adapters. The reference computes in
/// f32, for NF4 with the weights that NF4 rounds to.
///
/// # Errors
/// [`LoadError::Precision`] when `precision` is bf16 and the device does not compute in bf16.
pub fn compare(precision: Precision, device: &Device) -> Result<Comparison, LoadError> {
    let reference = match precision {
        Precision::F32 | Precision::Bf16 => Precision::F32,
        Precision::Nf4 { double_quant, .. } => Precision::Nf4 { double_quant, bf16: false },
    };
    let trained = precision == Precision::F32;
    let here = step(precision, trained, device)?;
    let there = step(reference, trained, &Device::flex())?;
    Ok(Comparison { loss: here.loss, gradients: here.count, relative_difference: relative_difference(&here, &there) })
}

/// [`Comparison::relative_difference`] of a step `here` from the step `there` of the CPU.
fn relative_difference(here: &Step, there: &Step) -> f64 {
    if here.gradients.len() != there.gradients.len() {
        return f64::NAN;
    }
    let square = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>();
    let apart = square(&mut here.gradients.iter().zip(&there.gradients).map(|(a, b)| f64::from(a - b)));
    let whole = square(&mut there.gradients.iter().map(|value| f64::from(*value)));
    let of_loss = ((here.loss - there.loss) / there.loss).abs();
    let of_gradients = (apart / whole).sqrt();
    // `max` ignores NaN, so the sum keeps it.
    if of_loss > of_gradients { of_loss } else { of_gradients + 0.0 * of_loss }
}

/// Loss and gradients of one training step.
struct Step {
    loss: f64,
    /// Number of parameters with a gradient.
    count: usize,
    /// Values of all gradients, parameter after parameter.
    gradients: Vec<f32>,
}

fn step(precision: Precision, trained: bool, device: &Device) -> Result<Step, LoadError> {
    Vlm::check_precision(precision, device)?;
    let config = ModelConfig::from_json(CONFIG)
        .map_err(|error| LoadError::Config { path: "model of the self-test".to_owned(), error })?;
    let mut model = Vlm::build(config, &mut InPrecision(RandomSource { seed: 1, device: device.clone() }, precision))?;
    if trained {
        model.visit(&mut AllTrainable);
    }
    for linear in model.linears() {
        let ([inputs, outputs], name) = (linear.sides(), linear.name().to_owned());
        let matrix = |part: &str, sides: [usize; 2]| {
            let values = normal(1, &[part, &name], sides[0] * sides[1], 1.0 / (sides[1] as f64).sqrt());
            Tensor::from_data(TensorData::new(values, sides), device)
        };
        let (down, up) = (matrix("lora_A", [RANK, inputs]), matrix("lora_B", [outputs, RANK]));
        linear.adapter = Some(LoraLayer::plain(down, up, 0.5, 0.0));
    }
    let pass = Pass::training(0);
    let pixels: Vec<f32> = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32) / 50.0 - 1.0).collect();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, 32, 32]), device);
    let features = model.image_features(&[pixels], &pass);
    let sequence = Sequence {
        ids: [1, 3, 3, 3, 3].into_iter().chain(10..30).collect(),
        tiles: vec![TileSpan { start: 1, len: 4, first: 0, axes: None }],
        targets: (20..25).map(|index| Target { index, weight: 1.0 }).collect(),
    };
    let (loss, terms) = model.losses(&PackedSequences::pack(&[sequence], true), Some(features), &pass);
    let mut found = Collected { of: &loss.backward(), count: 0, values: Vec::new() };
    model.visit(&mut found);
    let Collected { count, values, .. } = found;
    Ok(Step { loss: terms.iter().map(|term| f64::from(*term)).sum(), count, gradients: values })
}

/// Random weights whose linear layers are stored in a precision.
struct InPrecision(RandomSource, Precision);

impl Source for InPrecision {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        self.0.values(name, shape)
    }

    fn device(&self) -> &Device {
        self.0.device()
    }

    fn precision(&self) -> Precision {
        self.1
    }
}

/// Makes every parameter trainable.
struct AllTrainable;

impl ParameterVisitor for AllTrainable {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        parameter.set_learning(true);
    }
}

/// Collects the gradients of all parameters.
struct Collected<'a> {
    of: &'a Gradients,
    count: usize,
    values: Vec<f32>,
}

impl ParameterVisitor for Collected<'_> {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        if let Some(gradient) = parameter.gradient(self.of) {
            self.count += 1;
            self.values.extend(stepwise_ops::values_of(gradient));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOUR_BITS: Precision = Precision::Nf4 { double_quant: true, bf16: true };

    #[track_caller]
    fn assert_within(precision: Precision, device: &Device) -> f64 {
        let found = compare(precision, device).expect("a step").relative_difference;
        assert!(found <= tolerance(precision, device), "{precision:?} on {device:?}: {found:e}");
        found
    }

    #[test]
    fn a_missing_gradient_and_a_value_that_is_no_number_are_differences() {
        let step = |loss, gradients: &[f32]| Step { loss, count: 1, gradients: gradients.to_vec() };
        let cpu = step(4.0, &[3.0, 4.0]);
        assert_eq!(relative_difference(&step(5.0, &[3.0, 4.0]), &cpu), 0.25);
        assert_eq!(relative_difference(&step(4.0, &[3.0, 3.0]), &cpu), 0.2);
        for wrong in [step(4.0, &[3.0]), step(f64::NAN, &[3.0, 4.0]), step(4.0, &[f32::NAN, 4.0])] {
            assert!(relative_difference(&wrong, &cpu).is_nan(), "{}", wrong.loss);
        }
    }

    #[test]
    fn every_precision_of_the_cpu_is_within_its_tolerance() {
        for precision in [Precision::F32, Precision::Bf16, FOUR_BITS] {
            let apart = assert_within(precision, &Device::flex());
            assert_eq!(apart == 0.0, precision == Precision::F32, "{precision:?}");
        }
    }

    #[test]
    #[allow(deprecated)] // Burn's second CPU backend stands for the backends of GPUs.
    fn another_backend_computes_as_the_cpu() {
        let device = Device::ndarray();
        for precision in [Precision::F32, FOUR_BITS] {
            let apart = assert_within(precision, &device);
            assert!(apart < 1e-5, "{precision:?}: {apart:e}");
        }
        let refused = compare(Precision::Bf16, &device).expect_err("this backend has no bf16").to_string();
        assert!(refused.contains("does not compute in bf16 -> leave `bf16` out"), "{refused}");
    }

    #[test]
    fn every_precision_of_a_gpu_is_within_its_tolerance() {
        let Some(device) = gpu() else { return };
        for precision in [Precision::F32, Precision::Bf16, FOUR_BITS] {
            assert_within(precision, &device);
        }
    }

    /// Returns the CUDA device if the variable `STEPWISE_TEST_DEVICE` is `cuda` and the backend is built in. None
    /// otherwise, which is reported on stderr; the test is then to be skipped.
    #[allow(clippy::print_stderr)]
    fn gpu() -> Option<Device> {
        #[cfg(feature = "cuda")]
        if std::env::var("STEPWISE_TEST_DEVICE").as_deref() == Ok("cuda") {
            return Some(Device::cuda(0));
        }
        eprintln!("skipped: needs STEPWISE_TEST_DEVICE=cuda and the feature `cuda`");
        None
    }
}
