//! Self-test of a device: a training step of a tiny model, compared with the CPU.

use burn::tensor::Device;
use serde_json::{Value, json};
use stepwise_trainer::device::caught;
use stepwise_vlm::Precision;
use stepwise_vlm::self_test::{Comparison, compare, tolerance};

/// Comparison of a training step on a device with the CPU.
pub struct SelfTest {
    device: String,
    /// Comparison and its largest allowed difference, in f32 and, on a GPU that computes in bf16, in bf16; or why the
    /// device failed.
    result: Result<Vec<(Comparison, f64)>, String>,
}

impl SelfTest {
    /// Runs the training step on a device and on the CPU, and compares them.
    pub fn run(name: &str, device: &Device) -> Self {
        let precisions: &[Precision] =
            match *device == Device::flex() || !device.supports_dtype(burn::tensor::DType::BF16) {
                true => &[Precision::F32],
                false => &[Precision::F32, Precision::Bf16],
            };
        let compared = |precision: &Precision| {
            let found = caught(|| compare(*precision, device)).map_err(|failure| failure.to_string())?;
            Ok((found.map_err(|error| error.to_string())?, tolerance(*precision, device)))
        };
        Self { device: name.to_owned(), result: precisions.iter().map(compared).collect() }
    }

    /// What is wrong with the device; None if nothing is.
    pub fn problem(&self) -> Option<String> {
        match &self.result {
            // A difference that is NaN is within no tolerance.
            Ok(found) if found.iter().all(|(one, most)| one.relative_difference <= *most) => None,
            Ok(_) => Some("a training step differs from the cpu".to_owned()),
            Err(problem) => Some(problem.clone()),
        }
    }

    /// Formats the result as a line.
    pub fn text(&self) -> String {
        let found = match &self.result {
            Ok(found) => found,
            Err(problem) => return format!("self-test on {}: {problem}", self.device),
        };
        let parts = found.iter().enumerate().map(|(place, (one, _))| match place {
            0 => format!(
                "loss {:.6}, {} gradients, {:.1e} from the cpu",
                one.loss, one.gradients, one.relative_difference
            ),
            _ => format!("in bf16 {:.1e}", one.relative_difference),
        });
        format!("self-test on {}: {}", self.device, parts.collect::<Vec<_>>().join(", "))
    }

    /// Formats the result as JSON.
    pub fn json(&self) -> Value {
        let mut json = json!({ "device": self.device, "ok": self.problem().is_none() });
        match &self.result {
            Ok(found) => {
                for ((one, _), key) in found.iter().zip(["relative_difference", "bf16_relative_difference"]) {
                    json[key] = json!(one.relative_difference);
                }
                if let Some((one, _)) = found.first() {
                    json["loss"] = json!(one.loss);
                    json["gradients"] = json!(one.gradients);
                }
            }
            Err(problem) => json["problem"] = json!(problem),
        }
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_that_is_no_number_is_a_problem() {
        let of = |differences: &[f64]| {
            let found = differences.iter().map(|relative_difference| {
                (Comparison { loss: 1.0, gradients: 1, relative_difference: *relative_difference }, 1e-3)
            });
            SelfTest { device: "wgpu".to_owned(), result: Ok(found.collect()) }.problem()
        };
        assert_eq!(of(&[1e-4, 1e-4]), None);
        for wrong in [[1e-2, 0.0], [f64::NAN, 0.0], [0.0, f64::NAN], [0.0, 1e-2]] {
            assert!(of(&wrong).is_some(), "{wrong:?}");
        }
    }
}
