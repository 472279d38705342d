//! Random initial weights from a seed.

use burn::tensor::Device;
use rand::RngCore;
use stepwise_data::random::stream;

use crate::nn::source::{Source, WeightError};

/// Source of random weights. Gains are 1 (0 where a norm adds 1 to them), biases are 0, scales of InternVL's layers are 0.1, all
/// other tensors are normally distributed with a standard deviation per kind of tensor. Every tensor has its own random stream, so its values depend on seed,
/// name and shape only.
pub struct RandomSource {
    /// Seed of all weights; equal seeds give equal models.
    pub seed: u64,
    /// Device on which the tensors are made.
    pub device: Device,
}

impl Source for RandomSource {
    fn values(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>, WeightError> {
        let count = shape.iter().product();
        if name.ends_with(".bias") {
            return Ok(vec![0.0; count]);
        }
        if name.contains(".lambda_") {
            return Ok(vec![0.1; count]);
        }
        // These vectors stand beside the rows of other tensors and multiply nothing.
        let is_row = name.ends_with(".class_embedding") || name.ends_with(".image_newline");
        if shape.len() == 1 && !is_row {
            return Ok(vec![1.0; count]);
        }
        Ok(normal(self.seed, &["weights", name], count, deviation(name, shape)))
    }

    fn offset_gains(&mut self, _: &str, width: usize) -> Result<Vec<f32>, WeightError> {
        Ok(vec![0.0; width])
    }

    fn device(&self) -> &Device {
        &self.device
    }
}

/// Standard deviation of a tensor's initial values. Linear layers keep the size of their inputs (LeCun et al. 1998).
/// Token and position embeddings are large enough to stay distinguishable. The head starts near a uniform distribution.
fn deviation(name: &str, shape: &[usize]) -> f64 {
    if name == "lm_head.weight" {
        0.02
    } else if name.contains("embed_tokens") || name.contains("position_embedding") {
        0.3
    } else if shape.len() == 1 || name.ends_with(".mm_input_projection_weight") {
        // Gemma 3 stores this one matrix as `[in, out]`.
        1.0 / (shape[0] as f64).sqrt()
    } else {
        1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt()
    }
}

/// Draws `count` values of a normal distribution with mean 0 and standard deviation `std` (Box and Muller 1958). Equal
/// `seed` and `key` give equal values.
pub(crate) fn normal(seed: u64, key: &[&str], count: usize, std: f64) -> Vec<f32> {
    let mut random = stream(seed, key);
    let mut uniform = move || (random.next_u64() >> 11) as f64 / (1_u64 << 53) as f64;
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let (radius, angle) = ((-2.0 * (1.0 - uniform()).ln()).sqrt(), std::f64::consts::TAU * uniform());
        values.push((std * radius * angle.cos()) as f32);
        values.push((std * radius * angle.sin()) as f32);
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    #[test]
    fn normal_values_have_their_mean_and_deviation() {
        let values = super::normal(1, &["x"], 20_001, 0.5);
        let mean = values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64;
        let variance = values.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / values.len() as f64;
        assert_eq!(values.len(), 20_001);
        assert!(mean.abs() < 0.02 && (variance.sqrt() - 0.5).abs() < 0.01, "mean {mean}, variance {variance}");
    }
}
