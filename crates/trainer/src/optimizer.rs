//! AdamW (Loshchilov and Hutter 2019), in the order of operations of `torch.optim.AdamW`.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use stepwise_vlm::model::Vlm;
use stepwise_vlm::model::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::weights::NamedTensor;

use crate::gradients::GradientSum;
use crate::rates::Rates;

/// AdamW's constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay; not applied to biases and norms, as in Hugging Face's Trainer.
    pub weight_decay: f64,
}

/// The moments of every learning parameter.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    steps: u64,
    moments: BTreeMap<String, [Tensor<1>; 2]>,
}

/// What stands before a parameter's name for each of its moments, in a saved optimiser.
const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

impl AdamW {
    /// A fresh optimiser.
    #[must_use]
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, steps: 0, moments: BTreeMap::new() }
    }

    /// Moves every learning parameter that has a gradient.
    pub fn step(&mut self, model: &mut Vlm, gradients: &GradientSum, rates: Rates) {
        self.steps += 1;
        model.visit(&mut Move { optimizer: self, gradients, rates });
    }

    fn moved(&mut self, name: &str, value: Tensor<1>, gradient: Tensor<1>, learning_rate: f64) -> Tensor<1> {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = self.config;
        let [first, second] = self.moments.remove(name).unwrap_or_else(|| {
            let zeros = gradient.zeros_like();
            [zeros.clone(), zeros]
        });
        let first = first * beta1 + gradient.clone() * (1.0 - beta1);
        let second = second * beta2 + gradient.square() * (1.0 - beta2);
        self.moments.insert(name.to_owned(), [first.clone(), second.clone()]);
        let decay = if decays(name) { 1.0 - learning_rate * weight_decay } else { 1.0 };
        let bias1 = 1.0 - beta1.powi(self.steps as i32);
        let bias2 = 1.0 - beta2.powi(self.steps as i32);
        let root = second.sqrt() / bias2.sqrt() + epsilon;
        value * decay - first / root * (learning_rate / bias1)
    }

    /// The moments as tensors of a safetensors file. The count of steps is kept by the caller.
    #[must_use]
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = Vec::new();
        for (name, moments) in &self.moments {
            for (prefix, moment) in MOMENTS.iter().zip(moments) {
                let values: Vec<f32> = moment.clone().into_data().convert::<f32>().try_to_vec().unwrap_or_default();
                tensors.push(NamedTensor { name: format!("{prefix}{name}"), shape: vec![values.len()], values });
            }
        }
        tensors
    }

    /// Goes on from saved moments after `steps` steps.
    pub fn restore(&mut self, steps: u64, saved: impl IntoIterator<Item = (String, Vec<f32>)>, device: &Device) {
        self.steps = steps;
        for (name, values) in saved {
            let found =
                MOMENTS.iter().enumerate().find_map(|(which, prefix)| Some((which, name.strip_prefix(prefix)?)));
            if let Some((which, name)) = found {
                let length = values.len();
                let moment = Tensor::from_data(TensorData::new(values, [length]), device);
                let moments = self.moments.entry(name.to_owned()).or_insert_with(|| {
                    let zeros = Tensor::zeros([length], device);
                    [zeros.clone(), zeros]
                });
                moments[which] = moment;
            }
        }
    }
}

/// Whether weight decay applies: to matrices, not to biases and norms.
fn decays(name: &str) -> bool {
    !name.ends_with(".bias") && !name.contains("norm")
}

struct Move<'a> {
    optimizer: &'a mut AdamW,
    gradients: &'a GradientSum,
    rates: Rates,
}

impl ParameterVisitor for Move<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if !parameter.learns() {
            return;
        }
        if let Some(gradient) = self.gradients.get(name) {
            let value = parameter.values();
            let shape = value.shape();
            let flat = value.flatten::<1>(0, D - 1);
            let moved = self.optimizer.moved(name, flat, gradient.clone(), self.rates.of(name, D));
            parameter.replace(moved.reshape(shape));
        }
    }
}
