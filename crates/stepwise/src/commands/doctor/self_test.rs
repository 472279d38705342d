//! Self-test of a device: a training step of a tiny model, compared with the CPU.

use burn::tensor::{Device, Tensor, TensorData};
use serde_json::{Value, json};
use stepwise_trainer::device::caught;
use stepwise_vlm::model::ModelConfig;
use stepwise_vlm::model::Vlm;
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor, Pass};
use stepwise_vlm::packed_sequences::{PackedSequences, Sequence, Target, TileSpan};
use stepwise_vlm::values_of;
use stepwise_vlm::weights::RandomSource;

/// Largest allowed difference between the training steps of the CPU and the device, relative to the largest value.
const TOLERANCE: f64 = 1e-3;

/// Configuration of a tiny model, so that the self-test is fast.
const CONFIG: &str = r#"{"model_type":"idefics3","image_token_id":3,"scale_factor":2,"tie_word_embeddings":false,
"text_config":{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":4,
"num_key_value_heads":2,"vocab_size":64,"max_position_embeddings":128,"rms_norm_eps":1e-5},
"vision_config":{"hidden_size":32,"intermediate_size":64,"num_hidden_layers":2,"num_attention_heads":2,
"image_size":32,"patch_size":8}}"#;

/// Comparison of a training step on a device with the CPU.
pub struct SelfTest {
    device: String,
    /// Loss, number of gradients, and largest difference from the CPU relative to the largest value; or why the device
    /// failed.
    result: Result<(f64, usize, f64), String>,
}

impl SelfTest {
    /// Runs the training step on a device and compares it with `reference`, the values of the CPU.
    pub fn run(name: &str, device: &Device, reference: &[f64]) -> Self {
        let step = caught(|| training_step(device)).unwrap_or_else(|failure| Err(failure.to_string()));
        let result = step.map(|here| {
            let (loss, gradients) = (here.first().copied().unwrap_or(f64::NAN), here.len().saturating_sub(1));
            (loss, gradients, apart(&here, reference))
        });
        Self { device: name.to_owned(), result }
    }

    /// What is wrong with the device; None if nothing is.
    pub fn problem(&self) -> Option<String> {
        match &self.result {
            Ok((_, _, apart)) if *apart <= TOLERANCE => None,
            Ok(_) => Some("a training step differs from the cpu".to_owned()),
            Err(problem) => Some(problem.clone()),
        }
    }

    /// Formats the result as a line.
    pub fn text(&self) -> String {
        match &self.result {
            Ok((loss, gradients, apart)) => {
                format!("self-test on {}: loss {loss:.6}, {gradients} gradients, {apart:.1e} from the cpu", self.device)
            }
            Err(problem) => format!("self-test on {}: {problem}", self.device),
        }
    }

    /// Formats the result as JSON.
    pub fn json(&self) -> Value {
        let is_well = self.problem().is_none();
        match &self.result {
            Ok((loss, gradients, apart)) => json!({
                "device": self.device, "loss": loss, "gradients": gradients, "relative_difference": apart,
                "ok": is_well,
            }),
            Err(problem) => json!({ "device": self.device, "problem": problem, "ok": is_well }),
        }
    }
}

/// Largest difference of the values from those of the CPU, relative to the largest value; NaN if a value is not a number
/// or a gradient is missing.
fn apart(here: &[f64], reference: &[f64]) -> f64 {
    if here.len() != reference.len() {
        return f64::NAN;
    }
    let scale = reference.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
    let differences = here.iter().zip(reference).map(|(a, b)| (a - b).abs());
    // `f64::max` would leave out NaN.
    differences.fold(0.0, |most: f64, one| if most >= one || most.is_nan() { most } else { one }) / scale
}

/// Returns the values of the training step on the CPU: the loss, followed by the L2 norm of the gradient of every
/// parameter.
///
/// # Errors
/// When the model cannot be built.
pub fn on_cpu() -> Result<Vec<f64>, String> {
    training_step(&Device::flex())
}

/// Computes the loss of a small fixed model, followed by the L2 norm of the gradient of every parameter.
fn training_step(device: &Device) -> Result<Vec<f64>, String> {
    let config = ModelConfig::from_json(CONFIG).map_err(|error| error.to_string())?;
    let mut source = RandomSource { seed: 1, device: device.clone() };
    let mut model = Vlm::build(config, &mut source).map_err(|error| error.to_string())?;
    model.visit(&mut AllTrainable);
    let pass = Pass::training(0);
    let pixels: Vec<f32> = (0..3 * 32 * 32).map(|index| ((index * 37 % 101) as f32) / 50.0 - 1.0).collect();
    let pixels = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, 32, 32]), device);
    let features = model.image_features(&[pixels], &pass);
    let sequence = Sequence {
        ids: [1, 3, 3, 3, 3].into_iter().chain(10..30).collect(),
        tiles: vec![TileSpan { start: 1, len: 4, first: 0, axes: None }],
        targets: (20..25).map(|index| Target { index, weight: 1.0 }).collect(),
    };
    let (loss, rows) = model.losses(&PackedSequences::pack(&[sequence], true), Some(features), &pass);
    let gradients = loss.backward();
    let mut norms =
        GradientNorms { gradients: &gradients, values: vec![rows.iter().map(|loss| f64::from(*loss)).sum()] };
    model.visit(&mut norms);
    Ok(norms.values)
}

/// Makes every parameter trainable.
struct AllTrainable;

impl ParameterVisitor for AllTrainable {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        parameter.set_learning(true);
    }
}

/// Collects the L2 norm of the gradient of every parameter.
struct GradientNorms<'a> {
    gradients: &'a burn::tensor::Gradients,
    values: Vec<f64>,
}

impl ParameterVisitor for GradientNorms<'_> {
    fn visit<const D: usize>(&mut self, _: &str, parameter: &mut Parameter<D>) {
        if let Some(gradient) = parameter.gradient(self.gradients) {
            self.values.push(values_of(gradient).iter().map(|value| f64::from(*value).powi(2)).sum::<f64>().sqrt());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_gradient_and_a_value_that_is_no_number_are_differences() {
        assert_eq!(apart(&[4.0, 2.0], &[4.0, 1.0]), 0.25);
        assert!(apart(&[4.0], &[4.0, 1.0]).is_nan());
        for values in [[f64::NAN, 1.0], [4.0, f64::NAN]] {
            let result = Ok((values[0], 1, apart(&values, &[4.0, 1.0])));
            let test = SelfTest { device: "wgpu".to_owned(), result };
            assert!(test.problem().is_some(), "{values:?}");
        }
    }
}
