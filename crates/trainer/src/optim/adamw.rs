//! AdamW (Loshchilov and Hutter, 2019), with the same order of operations as `torch.optim.AdamW`.

use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::{Device, Tensor, TensorData};
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::values_of;
use stepwise_vlm::weights::NamedTensor;

use crate::optim::gradients::GradientSum;
use crate::optim::part_rates::Rates;

/// Hyperparameters of AdamW without the learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay rate of the first moment, 0 to 1.
    pub beta1: f64,
    /// Decay rate of the second moment, 0 to 1.
    pub beta2: f64,
    /// Constant added to the square root of the bias-corrected second moment.
    pub epsilon: f64,
    /// Decoupled weight decay. As in Hugging Face's Trainer, it is not applied to biases and norms.
    pub weight_decay: f64,
}

/// AdamW optimiser: moments of every trained parameter and step counts of the model parts.
#[derive(Clone, Debug)]
pub struct AdamW {
    config: AdamWConfig,
    /// Optimiser steps of each part. A part that was frozen for some steps continues with its own count.
    steps: BTreeMap<ModelPart, u64>,
    moments: BTreeMap<String, [Tensor<1>; 2]>,
}

/// Name prefixes of the two moments in a saved optimiser.
const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

impl AdamW {
    /// Creates an optimiser without moments and with zero steps.
    #[must_use]
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, steps: BTreeMap::new(), moments: BTreeMap::new() }
    }

    /// Updates, in place, every trainable parameter of `model` that has a gradient in `gradients`, with the learning
    /// rates `rates`. Increments the step count of each part with a trainable parameter.
    pub fn step(&mut self, model: &mut Vlm, gradients: &GradientSum, rates: Rates) {
        let mut learning = Learning::default();
        model.visit(&mut learning);
        for part in learning.0 {
            *self.steps.entry(part).or_default() += 1;
        }
        model.visit(&mut Move { optimizer: self, gradients, rates });
    }

    /// Returns the number of optimiser steps of a part; 0 before the first.
    #[must_use]
    pub fn steps(&self, part: ModelPart) -> u64 {
        self.steps.get(&part).copied().unwrap_or(0)
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
        let steps = self.steps(ModelPart::of(name)) as i32;
        let bias1 = 1.0 - beta1.powi(steps);
        let bias2 = 1.0 - beta2.powi(steps);
        let root = second.sqrt() / bias2.sqrt() + epsilon;
        value * decay - first / root * (learning_rate / bias1)
    }

    /// Returns the moments as named tensors `[values]` for a safetensors file: `exp_avg.NAME` and `exp_avg_sq.NAME`.
    /// The caller stores the step counts.
    #[must_use]
    pub fn tensors(&self) -> Vec<NamedTensor> {
        let mut tensors = Vec::new();
        for (name, moments) in &self.moments {
            for (prefix, moment) in MOMENTS.iter().zip(moments) {
                let values = values_of(moment.clone());
                tensors.push(NamedTensor { name: format!("{prefix}{name}"), shape: vec![values.len()], values });
            }
        }
        tensors
    }

    /// Returns the name of the parameter to which a saved tensor belongs; None if the name has no moment prefix.
    #[must_use]
    pub fn parameter_of(tensor: &str) -> Option<&str> {
        MOMENTS.iter().find_map(|prefix| tensor.strip_prefix(prefix))
    }

    /// Returns the name of the first saved tensor with a value that is not finite; None if all are finite.
    #[must_use]
    pub fn not_finite(&self) -> Option<String> {
        let mut moments = self.moments.iter().flat_map(|(name, moments)| {
            MOMENTS.iter().zip(moments).map(move |(prefix, moment)| (prefix, name, moment))
        });
        let finite = |moment: &Tensor<1>| values_of(moment.clone()).iter().all(|value| value.is_finite());
        moments.find(|(_, _, moment)| !finite(moment)).map(|(prefix, name, _)| format!("{prefix}{name}"))
    }

    /// Restores saved moments, named as by [`AdamW::tensors`], and the step counts of the parts. Tensors with other
    /// names are ignored, and moments of other parameters stay.
    pub fn restore(
        &mut self,
        steps: BTreeMap<ModelPart, u64>,
        saved: impl IntoIterator<Item = (String, Vec<f32>)>,
        device: &Device,
    ) {
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

/// Whether weight decay applies to a parameter: to all except biases and norms.
fn decays(name: &str) -> bool {
    !name.ends_with(".bias") && !name.contains("norm")
}

/// Model parts with a trainable parameter.
#[derive(Default)]
struct Learning(BTreeSet<ModelPart>);

impl ParameterVisitor for Learning {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if parameter.learns() {
            self.0.insert(ModelPart::of(name));
        }
    }
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

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use stepwise_testing::model::model_with_lora;
    use stepwise_testing::model::parameters::{parameters, set_trainable};

    use super::*;

    const CONFIG: AdamWConfig = AdamWConfig { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.1 };

    /// Returns the adapter values of a part, and a gradient of 0.5 for each value.
    fn halves(model: &mut Vlm, part: ModelPart) -> (Vec<Vec<f32>>, GradientSum) {
        let adapters = parameters(model).into_iter().filter(|(name, _)| is_adapter_of(part, name));
        let (mut values, mut gradients) = (Vec::new(), GradientSum::default());
        for (name, of_name) in adapters {
            gradients.by_name.insert(name, Tensor::full([of_name.len()], 0.5, &Device::flex()));
            values.push(of_name);
        }
        (values, gradients)
    }

    fn is_adapter_of(part: ModelPart, name: &str) -> bool {
        ModelPart::of(name) == part && name.contains(".lora_")
    }

    #[test]
    fn a_frozen_part_takes_no_step_and_later_starts_from_fresh_moments() {
        let (decoder, rates) = (ModelPart::Decoder, Rates::same(1e-3));
        let mut model = model_with_lora();
        let mut optimizer = AdamW::new(CONFIG);
        let (before, mut gradients) = halves(&mut model, decoder);
        gradients.by_name.extend(halves(&mut model, ModelPart::Vision).1.by_name);
        set_trainable(&mut model, false, |name| is_adapter_of(decoder, name));
        for _ in 0..3 {
            optimizer.step(&mut model, &gradients, rates);
        }
        assert_eq!(halves(&mut model, decoder).0, before, "not even by weight decay");
        assert!(optimizer.tensors().iter().all(|moment| moment.name.contains("vision_model")));
        assert_eq!(ModelPart::ALL.map(|part| optimizer.steps(part)), [3, 3, 0]);
        set_trainable(&mut model, true, |name| is_adapter_of(decoder, name));
        optimizer.step(&mut model, &gradients, rates);

        let mut alone = model_with_lora();
        let mut first = AdamW::new(CONFIG);
        first.step(&mut alone, &gradients, rates);
        let moved = halves(&mut alone, decoder).0;
        assert_eq!(halves(&mut model, decoder).0, moved);
        assert_ne!(moved, before);

        // A restored optimiser continues from the same state.
        let saved = optimizer.tensors().into_iter().map(|moment| (moment.name, moment.values));
        let mut again = AdamW::new(CONFIG);
        again.restore([(ModelPart::Vision, 4), (ModelPart::Connector, 4), (decoder, 1)].into(), saved, model.device());
        let mut twin = model.clone();
        optimizer.step(&mut model, &gradients, rates);
        again.step(&mut twin, &gradients, rates);
        for part in ModelPart::ALL {
            assert_eq!(halves(&mut model, part).0, halves(&mut twin, part).0, "{part:?}");
        }
    }
}
