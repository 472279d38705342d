//! AdamW (Loshchilov and Hutter, 2019), with the same order of operations as `torch.optim.AdamW`. It works on the groups
//! of [`JoinedGradients`]: 14 operations for each group on a GPU, and one for each parameter to join its values.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::Path;

use burn::tensor::{Device, Tensor, TensorData};
use stepwise_vlm::model::{ModelPart, Vlm};
use stepwise_vlm::nn::parameter::{Parameter, ParameterVisitor};
use stepwise_vlm::nn::source::WeightError;
use stepwise_vlm::weights::{NamedTensor, SafetensorsWriter};

use crate::optim::joined::{Group, JoinedGradients, joined, ranges};
use crate::optim::moments::Moments;
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
    moments: Moments,
}

/// Name prefixes of the two moments in a saved optimiser.
const MOMENTS: [&str; 2] = ["exp_avg.", "exp_avg_sq."];

impl AdamW {
    /// Creates an optimiser without moments and with zero steps.
    #[must_use]
    pub fn new(config: AdamWConfig) -> Self {
        Self { config, steps: BTreeMap::new(), moments: Moments::default() }
    }

    /// Updates, in place, every trainable parameter of `model` that has a gradient in `gradients`, with the learning
    /// rates `rates`. Increments the step count of each part with a trainable parameter.
    pub fn step(&mut self, model: &mut Vlm, gradients: &JoinedGradients, rates: Rates) {
        let mut learning = Learning::default();
        model.visit(&mut learning);
        for part in learning.0 {
            *self.steps.entry(part).or_default() += 1;
        }
        let moved = self.joined_step(model, gradients, rates);
        let single = gradients.groups.iter().filter(|group| group.members.len() == 1);
        let single = single.map(|group| (group.members[0].name.as_str(), group)).collect();
        model.visit(&mut Move { optimizer: self, moved, single, rates });
    }

    /// Computes the new values, flattened, of all parameters in groups of several, by name.
    fn joined_step(
        &mut self,
        model: &mut Vlm,
        gradients: &JoinedGradients,
        rates: Rates,
    ) -> HashMap<String, Tensor<1>> {
        let several: Vec<&Group> = gradients.groups.iter().filter(|group| group.members.len() > 1).collect();
        let wanted = several.iter().flat_map(|group| &group.members).map(|member| member.name.as_str()).collect();
        let mut present = Present { wanted, found: HashMap::new() };
        if !several.is_empty() {
            model.visit(&mut present);
        }
        let mut moved = HashMap::new();
        for group in several {
            let values = group.members.iter().filter_map(|member| present.found.remove(&member.name)).collect();
            let values = self.moved(group, joined(values), rates);
            moved.extend(
                ranges(&group.members)
                    .map(|(name, start, len)| (name.to_owned(), values.clone().narrow(0, start, len))),
            );
        }
        moved
    }

    /// Returns the number of optimiser steps of a part; 0 before the first.
    #[must_use]
    pub fn steps(&self, part: ModelPart) -> u64 {
        self.steps.get(&part).copied().unwrap_or(0)
    }

    /// Returns the new values of a group for its present ones, in the order of the gradients.
    fn moved(&mut self, group: &Group, value: Tensor<1>, rates: Rates) -> Tensor<1> {
        let AdamWConfig { beta1, beta2, epsilon, weight_decay } = self.config;
        let (Group { class, members, gradient }, learning_rate) = (group, rates.of(group.class));
        let [first, second] = self.moments.take(members, gradient);
        let first = first * beta1 + gradient.clone() * (1.0 - beta1);
        let second = second * beta2 + gradient.clone().square() * (1.0 - beta2);
        self.moments.put(members, [first.clone(), second.clone()]);
        let decay = if class.decays { 1.0 - learning_rate * weight_decay } else { 1.0 };
        let steps = self.steps(class.part) as i32;
        let bias1 = 1.0 - beta1.powi(steps);
        let bias2 = 1.0 - beta2.powi(steps);
        let root = second.sqrt() / bias2.sqrt() + epsilon;
        let decayed = if decay == 1.0 { value } else { value * decay };
        decayed - first / root * (learning_rate / bias1)
    }

    /// Returns the moments as named tensors `[values]`, one parameter after another: `exp_avg.NAME` and `exp_avg_sq.NAME`.
    pub fn tensors(&self) -> impl Iterator<Item = NamedTensor> {
        self.moments.values().flat_map(|(name, moments)| {
            MOMENTS.iter().zip(moments).map(move |(prefix, values)| NamedTensor {
                name: format!("{prefix}{name}"),
                shape: vec![values.len()],
                values,
            })
        })
    }

    /// Writes the moments, named as by [`AdamW::tensors`], to the safetensors file `path`. The caller stores the step counts.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), WeightError> {
        let shape = |(name, len): (&str, usize)| MOMENTS.map(|prefix| (format!("{prefix}{name}"), vec![len]));
        let shapes: Vec<_> = self.moments.sizes().flat_map(shape).collect();
        let mut writer = SafetensorsWriter::create(path, &shapes, false)?;
        self.tensors().try_for_each(|tensor| writer.write(&tensor.values))?;
        writer.finish()
    }

    /// Returns the name of the parameter to which a saved tensor belongs; None if the name has no moment prefix.
    #[must_use]
    pub fn parameter_of(tensor: &str) -> Option<&str> {
        MOMENTS.iter().find_map(|prefix| tensor.strip_prefix(prefix))
    }

    /// Returns the name of a saved tensor with a value that is not finite; None if all are finite.
    #[must_use]
    pub fn not_finite(&self) -> Option<String> {
        self.moments.not_finite().map(|(name, which)| format!("{}{name}", MOMENTS[which]))
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
                self.moments.replace(name, which, Tensor::from_data(TensorData::new(values, [length]), device));
            }
        }
    }
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

/// Collects the flattened values of parameters by name.
struct Present<'a> {
    wanted: HashSet<&'a str>,
    found: HashMap<String, Tensor<1>>,
}

impl ParameterVisitor for Present<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        if self.wanted.contains(name) {
            self.found.insert(name.to_owned(), parameter.values().flatten::<1>(0, D - 1));
        }
    }
}

/// Replaces parameters by their new values. Groups of one are computed here, one after another, so that old and new
/// values of all parameters never exist together.
struct Move<'a> {
    optimizer: &'a mut AdamW,
    /// New values, flattened, of the parameters in groups of several.
    moved: HashMap<String, Tensor<1>>,
    /// Groups of one by the name of the parameter.
    single: HashMap<&'a str, &'a Group>,
    rates: Rates,
}

impl ParameterVisitor for Move<'_> {
    fn visit<const D: usize>(&mut self, name: &str, parameter: &mut Parameter<D>) {
        let single = self.single.get(name).filter(|_| parameter.learns());
        let moved = match single {
            Some(group) => self.optimizer.moved(group, parameter.values().flatten::<1>(0, D - 1), self.rates),
            None => match self.moved.remove(name) {
                Some(moved) => moved,
                None => return,
            },
        };
        parameter.replace(moved.reshape(parameter.shape()));
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;
    use stepwise_testing::model::model_with_lora;
    use stepwise_testing::model::parameters::{parameters, set_trainable};

    use super::*;
    use crate::optim::gradients::GradientSum;

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

    fn take_step(optimizer: &mut AdamW, model: &mut Vlm, gradients: &GradientSum, rates: Rates) {
        let gradients = gradients.clone().joined(model);
        optimizer.step(model, &gradients, rates);
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
            take_step(&mut optimizer, &mut model, &gradients, rates);
        }
        assert_eq!(halves(&mut model, decoder).0, before, "not even by weight decay");
        assert!(optimizer.tensors().all(|moment| moment.name.contains("vision_model")));
        assert_eq!(ModelPart::ALL.map(|part| optimizer.steps(part)), [3, 3, 0]);
        set_trainable(&mut model, true, |name| is_adapter_of(decoder, name));
        take_step(&mut optimizer, &mut model, &gradients, rates);

        let mut alone = model_with_lora();
        let mut first = AdamW::new(CONFIG);
        take_step(&mut first, &mut alone, &gradients, rates);
        let moved = halves(&mut alone, decoder).0;
        assert_eq!(halves(&mut model, decoder).0, moved);
        assert_ne!(moved, before);

        // A restored optimiser continues from the same state.
        let saved = optimizer.tensors().map(|moment| (moment.name, moment.values));
        let mut again = AdamW::new(CONFIG);
        again.restore([(ModelPart::Vision, 4), (ModelPart::Connector, 4), (decoder, 1)].into(), saved, model.device());
        let mut twin = model.clone();
        take_step(&mut optimizer, &mut model, &gradients, rates);
        take_step(&mut again, &mut twin, &gradients, rates);
        for part in ModelPart::ALL {
            assert_eq!(halves(&mut model, part).0, halves(&mut twin, part).0, "{part:?}");
        }
    }
}
